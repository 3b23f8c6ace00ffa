"""Charts as drawings (SVG): one definition in Altair, no script and no request in the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

OURS, BEST, OTHERS = "#1f7fa3", "#c9822b", "#9aa6b2"
"""Colours that read on light and on dark paper: this model, the best baseline, the others."""

INK = "currentColor"
"""Text and axes take the colour of the page's text, whatever the reader's colour scheme."""

SIZE = {"width": 360, "height": 270}


def gain_chart(gain: pd.DataFrame, *, candidate: str, best: str | None) -> str:
    """Draw what share of the conversions is met by calling the top of the list."""
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
                title="share of conversions met",
                axis=alt.Axis(format="%"),
            ),
            detail="model:N",
            color=_colour(roles, candidate),
            strokeWidth=alt.condition(f"datum.role == '{candidate}'", alt.value(3), alt.value(1.5)),
        )
    )
    return drawing(_diagonal(1.0, "share_of_rows", "share_of_conversions") + curves, "gain")


def reliability_chart(reliability: pd.DataFrame, *, candidate: str) -> str:
    """Draw promised against happened, by tenths of the rows."""
    import altair as alt

    bins = reliability[reliability["model"] == candidate]
    highest = float(bins[["predicted", "observed"]].to_numpy().max(initial=0.01)) * 1.05
    scale = alt.Scale(domain=[0, highest], nice=False)
    dots = (
        alt.Chart(bins)
        .mark_circle(size=90, color=OURS, opacity=0.9)
        .encode(
            x=alt.X("predicted:Q", title="promised", scale=scale, axis=alt.Axis(format=".1%")),
            y=alt.Y("observed:Q", title="happened", scale=scale, axis=alt.Axis(format=".1%")),
        )
    )
    line = (
        alt.Chart(bins).mark_line(color=OURS, opacity=0.5).encode(x="predicted:Q", y="observed:Q")
    )
    return drawing(_diagonal(highest, "predicted", "observed") + line + dots, "reliability")


def folds_chart(folds: pd.DataFrame, *, candidate: str, best: str | None) -> str:
    """Draw each fold's AUC with its interval, this model's beside the best baseline's."""
    import altair as alt

    shown = folds[folds["model"].isin([candidate, best])].dropna(subset=["auc"])
    roles = _roles(shown["model"], candidate, best)
    lowest = min(0.4, float(shown[["auc", "low"]].min().min())) if len(shown) else 0.4
    base = alt.Chart(shown.assign(role=roles)).encode(
        x=alt.X("fold:N", title="fold, by the first day tested", axis=alt.Axis(labelAngle=0)),
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


def kept_chart(groups: pd.DataFrame, *, by: str, name: str) -> str:
    """Draw what was promised to groups of rows beside what came, with its interval.

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


def drawing(chart: Any, name: str, *, size: Mapping[str, Any] = SIZE) -> str:
    """Draw a chart as SVG; ids inside are made the chart's own, as several stand in one page.

    Parameters
    ----------
    chart : altair chart
        Of at most a few hundred rows: every one becomes part of the page.
    name : str
        Told apart from every other chart's of the page.
    size : mapping
        `width` and `height`; a height may be a step for each row.
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
