"""Charts as SVG drawings from Altair: no script and no request in the page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

OURS, BEST, OTHERS = "#1f7fa3", "#c9822b", "#9aa6b2"
"""Colours for light and dark backgrounds: this model, the best baseline, the others."""

INK = "currentColor"
"""Text and axes have the colour of the page's text, in either colour scheme."""

SIZE = {"width": 360, "height": 270}


MAX_BARS = 20
"""Rows of a chart; the table below it has the others."""

MAX_RATIO = 16.0
"""Ratios beyond this, and below its inverse, are clipped."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Axis:
    """Axis of a chart.

    Attributes
    ----------
    title : str
    format : str
        Number format of the labels (d3).
    reference : float or None
        Position of a dashed line: no difference, a ratio of 1.
    log : bool
    """

    title: str
    format: str
    reference: float | None = None
    log: bool = False


def gain_chart(gain: pd.DataFrame, *, candidate: str, best: str | None) -> str:
    """Draw cumulative gains: the share of conversions found when calling from the top.

    Parameters
    ----------
    gain : DataFrame
    candidate : str
    best : str or None
        The best baseline.
    """
    import altair as alt

    roles = _roles(gain["model"], candidate, best)
    curves = (
        alt.Chart(gain.assign(role=roles))
        .mark_line()
        .encode(
            x=alt.X(
                "share_of_rows:Q", title="share of prospects called", axis=alt.Axis(format="%")
            ),
            y=alt.Y(
                "share_of_conversions:Q",
                title="share of conversions found",
                axis=alt.Axis(format="%"),
            ),
            detail="model:N",
            color=_colour(roles, candidate),
            strokeWidth=alt.condition(f"datum.role == '{candidate}'", alt.value(3), alt.value(1.5)),
        )
    )
    return drawing(_diagonal(1.0, "share_of_rows", "share_of_conversions") + curves, "gain")


def reliability_chart(reliability: pd.DataFrame, *, candidate: str) -> str:
    """Draw predicted against observed conversion rates, by bins of the rows.

    Parameters
    ----------
    reliability : DataFrame
    candidate : str
    """
    import altair as alt

    bins = reliability[reliability["model"] == candidate]
    highest = float(bins[["predicted", "observed"]].to_numpy().max(initial=0.01)) * 1.05
    scale = alt.Scale(domain=[0, highest], nice=False)
    dots = (
        alt.Chart(bins)
        .mark_circle(size=90, color=OURS, opacity=0.9)
        .encode(
            x=alt.X("predicted:Q", title="predicted", scale=scale, axis=alt.Axis(format=".1%")),
            y=alt.Y("observed:Q", title="observed", scale=scale, axis=alt.Axis(format=".1%")),
        )
    )
    line = (
        alt.Chart(bins).mark_line(color=OURS, opacity=0.5).encode(x="predicted:Q", y="observed:Q")
    )
    return drawing(_diagonal(highest, "predicted", "observed") + line + dots, "reliability")


def folds_chart(folds: pd.DataFrame, *, candidate: str, best: str | None) -> str:
    """Draw each fold's AUC with its interval, for this model and the best baseline.

    Parameters
    ----------
    folds : DataFrame
    candidate : str
    best : str or None
        The best baseline.
    """
    import altair as alt

    shown = folds[folds["model"].isin([candidate, best])].dropna(subset=["auc"])
    roles = _roles(shown["model"], candidate, best)
    lowest = min(0.4, float(shown[["auc", "low"]].min().min())) if len(shown) else 0.4
    base = alt.Chart(shown.assign(role=roles)).encode(
        x=alt.X("fold:N", title="fold, by first test date", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("model:N", sort=[candidate]),
        color=_colour(roles, candidate),
    )
    scale = alt.Scale(domain=[lowest, 1], nice=False)
    bars = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low:Q", title="AUC", scale=scale), y2="high:Q"
    )
    dots = base.mark_circle(size=90, opacity=1).encode(y=alt.Y("auc:Q", scale=scale))
    chance = alt.Chart(pd.DataFrame({"y": [0.5]})).mark_rule(strokeDash=[4, 4], color=OTHERS)
    return drawing(chance.encode(y=alt.Y("y:Q", scale=scale)) + bars + dots, "folds")


def observed_chart(groups: pd.DataFrame, *, by: str, name: str) -> str:
    """Draw predicted and observed conversion rates of groups of rows.

    Parameters
    ----------
    groups : DataFrame
        `predicted_rate`, `observed_rate`, `low`, `high`, and the column `by` that names each group.
    """
    import altair as alt

    base = alt.Chart(groups).encode(
        x=alt.X(f"{by}:N", title=None, axis=alt.Axis(labelAngle=0 if len(groups) < 5 else -60))
    )
    axis = alt.Axis(format=".1%")
    reach = base.mark_rule(strokeWidth=3, color=OURS, opacity=0.5).encode(
        y=alt.Y("low:Q", title="share that converted", axis=axis), y2="high:Q"
    )
    came = base.mark_circle(size=90, color=OURS, opacity=1).encode(y="observed_rate:Q")
    promised = base.mark_tick(color=BEST, thickness=3, size=26).encode(y="predicted_rate:Q")
    return drawing(reach + came + promised, name)


def intervals_chart(name: str, rows: Rows, axis: Axis) -> str:
    """Draw a value with its interval for each row.

    Parameters
    ----------
    name : str
        Unique on the page.
    rows : sequence of mapping
        `label`, `value`, `low`, `high`, and optionally `other`: a value to compare with.
    axis : Axis
    """
    import altair as alt

    frame = pd.DataFrame(list(rows[:MAX_BARS]))
    frame["label"] = _unique(frame["label"])
    scale = alt.Scale(zero=axis.reference is not None)
    if axis.log:
        for column in ("value", "low", "high"):
            frame[column] = frame[column].astype(float).clip(1 / MAX_RATIO, MAX_RATIO)
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
    """Draw a number for each row as a labelled bar.

    Parameters
    ----------
    name : str
    rows : sequence of mapping
        `label` and `value`.
    axis : Axis
    """
    import altair as alt

    frame = pd.DataFrame(list(rows[:MAX_BARS]))
    frame["label"] = _unique(frame["label"])
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
    """Draw a difference and its always-valid interval over time.

    Parameters
    ----------
    name : str
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


def drawing(chart: Any, name: str, *, size: Mapping[str, Any] = SIZE) -> str:
    """Return a chart as SVG; ids inside are made unique, as a page has several charts.

    Parameters
    ----------
    chart : altair chart
        Of at most a few hundred rows: each becomes part of the page.
    name : str
        Unique on the page.
    size : mapping
        `width` and `height`; the height may be a step per row.
    """
    import vl_convert

    axis = {
        "labelColor": INK, "titleColor": INK, "domainColor": INK, "tickColor": INK,
        "gridColor": INK, "gridOpacity": 0.15, "labelFontSize": 11, "titleFontSize": 12,
        "titleFontWeight": "normal",
    }  # fmt: skip
    styled = (
        chart.properties(**size)
        .configure(font="DejaVu Sans", background="transparent")
        .configure_axis(**axis)
        .configure_legend(labelColor=INK, labelFontSize=12, symbolStrokeWidth=3)
        .configure_view(stroke=None)
    )
    drawing = vl_convert.vegalite_to_svg(styled.to_dict())
    return re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", drawing)


def _roles(models: pd.Series, candidate: str, best: str | None) -> pd.Series:
    return models.where(models.isin([candidate, best]), "other models")


def _colour(roles: pd.Series, candidate: str) -> Any:
    import altair as alt

    colours = {candidate: OURS, "other models": OTHERS}
    order = sorted(set(roles), key=lambda role: (role != candidate, role == "other models"))
    scale = alt.Scale(domain=order, range=[colours.get(role, BEST) for role in order])
    return alt.Color("role:N", title=None, scale=scale, legend=alt.Legend(orient="bottom"))


def _diagonal(highest: float, x: str, y: str) -> Any:
    import altair as alt

    ends = pd.DataFrame({x: [0, highest], y: [0, highest]})
    return alt.Chart(ends).mark_line(strokeDash=[4, 4], color=OTHERS).encode(x=f"{x}:Q", y=f"{y}:Q")


def _unique(labels: pd.Series) -> pd.Series:
    """Make repeated labels unique; rows with the same label would be drawn over each other."""
    again = labels.groupby(labels).cumcount()
    return labels.where(again == 0, labels + " (" + (again + 1).astype(str) + ")")
