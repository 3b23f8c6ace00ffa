"""Charts of the journey page: figures with their intervals, row by row or over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from microconv.report.charts import BEST, OTHERS, OURS, drawing

MOST_BARS = 20
"""Rows of a chart; the table below it holds the others."""

FARTHEST = 16.0
"""Ratios beyond this, and below its inverse, are drawn at it."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Axis:
    """How the figures of a chart are drawn.

    Attributes
    ----------
    title : str
    format : str
        Of the labels, in d3's words.
    reference : float or None
        Where a dashed line stands: no difference, a ratio of 1.
    log : bool
    """

    title: str
    format: str
    reference: float | None = None
    log: bool = False


def intervals_chart(name: str, rows: Rows, axis: Axis) -> str:
    """Draw a figure with its interval for each row.

    Parameters
    ----------
    name : str
        Of the chart, unlike any other's of the page.
    rows : sequence of mapping
        `label`, `value`, `low`, `high`, and perhaps `other`: what it is held against.
    axis : Axis
    """
    import altair as alt

    frame = pd.DataFrame(list(rows[:MOST_BARS]))
    frame["label"] = _told_apart(frame["label"])
    scale = alt.Scale(zero=axis.reference is not None)
    if axis.log:
        for column in ("value", "low", "high"):
            frame[column] = frame[column].astype(float).clip(1 / FARTHEST, FARTHEST)
        scale = alt.Scale(type="log")
    labels = alt.Axis(format=axis.format, labelAngle=0, tickCount=6)
    place = alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=260, grid=False))
    base = alt.Chart(frame).encode(y=place)
    bars = base.mark_rule(strokeWidth=3, color=OURS, opacity=0.45).encode(
        x=alt.X("low:Q", title=axis.title, scale=scale, axis=labels), x2="high:Q"
    )
    dots = base.mark_circle(size=70, color=OURS, opacity=1).encode(x=alt.X("value:Q", scale=scale))
    layers = [bars, dots]
    if "other" in frame:
        ticks = base.mark_tick(thickness=3, size=14, color=BEST)
        layers.append(ticks.encode(x=alt.X("other:Q", scale=scale)))
    if axis.reference is not None:
        line = alt.Chart(pd.DataFrame({"x": [axis.reference]}))
        rule = line.mark_rule(strokeDash=[4, 4], color=OTHERS)
        layers.insert(0, rule.encode(x=alt.X("x:Q", scale=scale)))
    return drawing(alt.layer(*layers), name, size={"width": 520, "height": alt.Step(22)})


def bars_chart(name: str, rows: Rows, axis: Axis) -> str:
    """Draw a number for each row, as a bar with the number at its end.

    Parameters
    ----------
    rows : sequence of mapping
        `label` and `value`.
    """
    import altair as alt

    frame = pd.DataFrame(list(rows[:MOST_BARS]))
    frame["label"] = _told_apart(frame["label"])
    place = alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=260, grid=False))
    base = alt.Chart(frame).encode(
        y=place, x=alt.X("value:Q", title=axis.title, axis=alt.Axis(format=axis.format))
    )
    text = base.mark_text(align="left", dx=4, color="currentColor").encode(
        text=alt.Text("value:Q", format=axis.format)
    )
    bars = base.mark_bar(color=OURS, opacity=0.7, height=12)
    return drawing(bars + text, name, size={"width": 480, "height": alt.Step(22)})


def looks_chart(name: str, rows: Rows) -> str:
    """Draw how a difference and its always-valid interval narrow as units come in.

    Parameters
    ----------
    rows : sequence of mapping
        `at`, `difference`, `low`, `high` of one comparison.
    """
    import altair as alt

    frame = pd.DataFrame(list(rows))
    frame["at"] = pd.to_datetime(frame["at"], utc=True).dt.strftime("%Y-%m-%dT%H:%M:%S")
    limit = min(1.0, 4 * float((frame["high"] - frame["low"]).iloc[-1]) or 1.0)
    scale = alt.Scale(domain=[-limit, limit], clamp=True)
    base = alt.Chart(frame).encode(
        x=alt.X("at:T", title=None, axis=alt.Axis(format="%d %b", tickCount=6, labelAngle=0))
    )
    band = base.mark_area(color=OURS, opacity=0.2).encode(
        y=alt.Y("low:Q", title="difference", scale=scale, axis=alt.Axis(format="+.1%")),
        y2="high:Q",
    )
    line = base.mark_line(color=OURS).encode(y=alt.Y("difference:Q", scale=scale))
    none = alt.Chart(pd.DataFrame({"y": [0.0]})).mark_rule(strokeDash=[4, 4], color=OTHERS)
    return drawing(
        none.encode(y=alt.Y("y:Q", scale=scale)) + band + line, name,
        size={"width": 480, "height": 190},
    )  # fmt: skip


def _told_apart(labels: pd.Series) -> pd.Series:
    """Count labels that occur again; rows of one label would be drawn over each other."""
    again = labels.groupby(labels).cumcount()
    return labels.where(again == 0, labels + " (" + (again + 1).astype(str) + ")")
