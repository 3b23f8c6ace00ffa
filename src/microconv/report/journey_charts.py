"""The charts of the journey page: which table each is drawn from, and its title."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from microconv.report.charts import (
    Axis,
    Rows,
    bars_chart,
    intervals_chart,
    looks_chart,
)

Tables = Mapping[str, Rows]

PERCENT = ".0%"


@dataclass(frozen=True)
class Chart:
    """A drawing with its title."""

    title: str
    svg: str


@dataclass(frozen=True)
class ChartColumns:
    """The columns of a table that are drawn: a value, its interval, a value to compare with.

    Attributes
    ----------
    table : str
    value, low, high : str
    label : tuple of str
        Columns that name a row.
    other : str or None
    """

    table: str
    value: str
    low: str
    high: str
    label: tuple[str, ...] = ("step",)
    other: str | None = None

    def rows(self, tables: Tables) -> list[dict[str, Any]]:
        """Return the rows that have a value and an interval."""
        found = []
        for row in tables.get(self.table, ()):
            if any(row.get(name) is None for name in (self.value, self.low, self.high)):
                continue
            label = " · ".join(
                _label(row[name]) for name in self.label if row.get(name) is not None
            )
            line = {"label": label, "value": row[self.value]}
            line |= {"low": row[self.low], "high": row[self.high]}
            found.append(line if self.other is None else {**line, "other": row.get(self.other)})
        return found


INTERVALS: dict[str, tuple[tuple[str, ChartColumns, Axis], ...]] = {
    "impact": (
        (
            "Conversion rate of prospects who recently completed a step, compared with similar "
            "prospects who did not (rate ratio; an association). Right of the dashed line: higher.",
            ChartColumns("steps", "rate_ratio", "rate_ratio_low", "rate_ratio_high", ("sequence",)),
            Axis("rate ratio (log scale)", "~g", reference=1.0, log=True),
        ),
        (
            "Sequences compared with the same steps in another order (rate ratio).",
            ChartColumns(
                "sequences", "order_ratio", "order_ratio_low", "order_ratio_high", ("sequence",)
            ),
            Axis("rate ratio (log scale)", "~g", reference=1.0, log=True),
        ),
    ),
    "completion": (
        (
            "Share of prospects who completed each step.",
            ChartColumns("steps", "completed_rate", "completed_low", "completed_high"),
            Axis("share of prospects", PERCENT),
        ),
        (
            "Share of recipients who completed the step a message suggested, by its position.",
            ChartColumns(
                "positions", "response_rate", "response_low", "response_high",
                ("position", "goal"),
            ),
            Axis("share of recipients", PERCENT),
        ),
    ),
    "benchmarks": (
        (
            "Response rate of each message (dot, with its interval), and the expected rate of "
            "comparable messages (orange tick).",
            ChartColumns(
                "benchmarks", "rate", "rate_low", "rate_high", ("position", "step", "campaign"),
                other="expected_rate",
            ),
            Axis("response rate", PERCENT),
        ),
    ),
    "velocity": (
        (
            "Median days to the next stage; prospects still on their way are counted as waiting.",
            ChartColumns("stages", "median_days", "median_low", "median_high", ("step", "next")),
            Axis("days", ",.0f"),
        ),
        (
            "Median days from one step to the next.",
            ChartColumns(
                "transitions", "median_days", "median_low", "median_high", ("step", "next")
            ),
            Axis("days", ",.0f"),
        ),
    ),
    "paths": (
        (
            "Share converted, by first step.",
            ChartColumns("entries", "converted_rate", "converted_low", "converted_high"),
            Axis("share converted", ".1%"),
        ),
    ),
    "drop_off": (
        (
            "Drop-off after each part. Prospects who did it too recently to tell are excluded.",
            ChartColumns("parts", "stopped_rate", "stopped_low", "stopped_high", ("part",)),
            Axis("share that dropped off", PERCENT),
        ),
        (
            "Drop-off at each stage of the journey.",
            ChartColumns("stages", "stopped_rate", "stopped_low", "stopped_high", ("stage",)),
            Axis("share that dropped off", PERCENT),
        ),
    ),
    "bottlenecks": (
        (
            "Completions lost to each bottleneck.",
            ChartColumns("bottlenecks", "lost_completions", "lost_completions_low",
                "lost_completions_high", ("kind", "step"),),
            Axis("completions lost", ",.0f"),
        ),
    ),
    "experiments": (
        (
            "Difference between the variants of each test. Dashed line: no difference.",
            ChartColumns(
                "comparisons", "difference", "difference_low", "difference_high",
                ("experiment", "arm", "reference"),
            ),
            Axis("difference in completion rate", "+.1%", reference=0.0),
        ),
    ),
    "audit": (
        (
            "Response rate of messages with a finding (dot), and of those without (orange tick).",
            ChartColumns(
                "findings", "rate", "rate_low", "rate_high", ("message", "kind"),
                other="reference_rate",
            ),
            Axis("response rate", PERCENT),
        ),
    ),
}  # fmt: skip
"""Section → title, columns and axis of its charts."""


def charts_of(section: str, tables: Tables) -> list[Chart]:
    """Draw the charts of a section, those that have data.

    Parameters
    ----------
    section : str
    tables : mapping
        Name → rows.
    """
    found = []
    for number, (title, columns, axis) in enumerate(INTERVALS.get(section, ())):
        rows = columns.rows(tables)
        if rows:
            drawing = intervals_chart(f"{section}-{number}", rows, axis)
            found.append(Chart(title, drawing))
    if section == "paths":
        found += _transitions(tables)
    if section == "experiments":
        found += _looks(tables)
    return found


def _transitions(tables: Tables) -> list[Chart]:
    rows = [
        {"label": f"{_label(row['step'])} → {_label(row['next'])}", "value": row["count"]}
        for row in tables.get("transitions", ())
    ]
    if not rows:
        return []
    drawing = bars_chart("paths-transitions", rows, Axis("times", ",.0f"))
    return [Chart("Most frequent transitions.", drawing)]


def _looks(tables: Tables) -> list[Chart]:
    """Draw each comparison over time."""
    pairs: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in tables.get("looks", ()):
        pairs.setdefault((row["experiment"], row["arm"], row["reference"]), []).append(row)
    found = []
    for number, ((name, arm, against), rows) in enumerate(list(pairs.items())[:12]):
        title = (
            f"{_label(name)}: {arm} against {against} over time. The interval is valid at every "
            "look (sequential test)."
        )
        found.append(Chart(title, looks_chart(f"looks-{number}", rows)))
    return found


def _label(value: Any) -> str:
    return str(value).replace("_", " ")
