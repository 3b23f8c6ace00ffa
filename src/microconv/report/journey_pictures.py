"""Which pictures the journey page shows of which table, each with the sentence over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from microconv.report.journey_charts import (
    Axis,
    Rows,
    bars_chart,
    intervals_chart,
    looks_chart,
)

Tables = Mapping[str, Rows]

PERCENT = ".0%"


@dataclass(frozen=True)
class Picture:
    """A drawing, and the plain sentence over it."""

    says: str
    drawing: str


@dataclass(frozen=True)
class Figures:
    """The columns of a table that are drawn: a figure, its interval, what it is held to.

    Attributes
    ----------
    table : str
    value, low, high : str
    label : tuple of str
        Columns whose words name a row.
    other : str or None
    """

    table: str
    value: str
    low: str
    high: str
    label: tuple[str, ...] = ("step",)
    other: str | None = None

    def rows(self, tables: Tables) -> list[dict[str, Any]]:
        """Pick the rows that have a figure and an interval."""
        found = []
        for row in tables.get(self.table, ()):
            if any(row.get(name) is None for name in (self.value, self.low, self.high)):
                continue
            label = " · ".join(_word(row[name]) for name in self.label if row.get(name) is not None)
            line = {"label": label, "value": row[self.value]}
            line |= {"low": row[self.low], "high": row[self.high]}
            found.append(line if self.other is None else {**line, "other": row.get(self.other)})
        return found


INTERVALS: dict[str, tuple[tuple[str, Figures, Axis], ...]] = {
    "impact": (
        (
            "How many times the rate at which others convert is that of those who did a step, "
            "while it is fresh, among prospects alike in activity and opens: an association. "
            "Left of the dashed line is less often, right of it more often.",
            Figures("steps", "rate_ratio", "rate_ratio_low", "rate_ratio_high", ("sequence",)),
            Axis("rate ratio (log scale)", "~g", reference=1.0, log=True),
        ),
        (
            "Sequences against the same steps in another order: what the order alone goes with.",
            Figures(
                "sequences", "order_ratio", "order_ratio_low", "order_ratio_high", ("sequence",)
            ),
            Axis("rate ratio (log scale)", "~g", reference=1.0, log=True),
        ),
    ),
    "completion": (
        (
            "The share of prospects that did each step, of all who were there.",
            Figures("steps", "completed_rate", "completed_low", "completed_high"),
            Axis("share of prospects", PERCENT),
        ),
        (
            "The share that did what a message asked for, by its place in the sequence.",
            Figures(
                "positions", "response_rate", "response_low", "response_high",
                ("position", "goal"),
            ),
            Axis("share of those asked", PERCENT),
        ),
    ),
    "benchmarks": (
        (
            "How often each message is answered (dot, with its interval), and how often "
            "comparable messages lead one to expect (orange tick).",
            Figures(
                "benchmarks", "rate", "rate_low", "rate_high", ("position", "step", "campaign"),
                other="expected_rate",
            ),
            Axis("share answered", PERCENT),
        ),
    ),
    "velocity": (
        (
            "Days until half of the prospects have gone on to the next stage; those who have not "
            "yet are counted as still waiting.",
            Figures("stages", "median_days", "median_low", "median_high", ("step", "next")),
            Axis("days", ",.0f"),
        ),
        (
            "Days until half of those who did one step have done the next.",
            Figures("transitions", "median_days", "median_low", "median_high", ("step", "next")),
            Axis("days", ",.0f"),
        ),
    ),
    "paths": (
        (
            "The share that converted, by the step they came in by.",
            Figures("entries", "converted_rate", "converted_low", "converted_high"),
            Axis("share converted", ".1%"),
        ),
    ),
    "drop_off": (
        (
            "The share of those who did a part and stopped there. Whoever did it too recently to "
            "say is left out.",
            Figures("parts", "stopped_rate", "stopped_low", "stopped_high", ("part",)),
            Axis("share that stopped", PERCENT),
        ),
        (
            "The share that stopped at each stage of the journey.",
            Figures("stages", "stopped_rate", "stopped_low", "stopped_high", ("stage",)),
            Axis("share that stopped", PERCENT),
        ),
    ),
    "bottlenecks": (
        (
            "What each bottleneck costs: completions that would have come without it.",
            Figures("bottlenecks", "lost_completions", "lost_completions_low",
                "lost_completions_high", ("kind", "step"),),
            Axis("completions lost", ",.0f"),
        ),
    ),
    "experiments": (
        (
            "The difference between the arms of each test. At the dashed line there is none.",
            Figures(
                "comparisons", "difference", "difference_low", "difference_high",
                ("experiment", "arm", "reference"),
            ),
            Axis("difference in the share that did the step", "+.1%", reference=0.0),
        ),
    ),
    "audit": (
        (
            "How often messages with a finding are answered (dot), and those without any (orange "
            "tick).",
            Figures(
                "findings", "rate", "rate_low", "rate_high", ("message", "kind"),
                other="reference_rate",
            ),
            Axis("share answered", PERCENT),
        ),
    ),
}  # fmt: skip
"""Section → sentence, what is drawn, and how."""


def pictures_of(section: str, tables: Tables) -> list[Picture]:
    """Draw the pictures of a section; none for what has no figure."""
    found = []
    for number, (says, figures, axis) in enumerate(INTERVALS.get(section, ())):
        rows = figures.rows(tables)
        if rows:
            drawing = intervals_chart(f"{section}-{number}", rows, axis)
            found.append(Picture(says, drawing))
    if section == "paths":
        found += _transitions(tables)
    if section == "experiments":
        found += _looks(tables)
    return found


def _transitions(tables: Tables) -> list[Picture]:
    rows = [
        {"label": f"{_word(row['step'])} → {_word(row['next'])}", "value": row["count"]}
        for row in tables.get("transitions", ())
    ]
    if not rows:
        return []
    drawing = bars_chart("paths-transitions", rows, Axis("times", ",.0f"))
    return [Picture("What follows what, most often first.", drawing)]


def _looks(tables: Tables) -> list[Picture]:
    """Draw each comparison over time."""
    pairs: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in tables.get("looks", ()):
        pairs.setdefault((row["experiment"], row["arm"], row["reference"]), []).append(row)
    found = []
    for number, ((name, arm, against), rows) in enumerate(list(pairs.items())[:12]):
        says = (
            f"{_word(name)}: {arm} against {against} as units came in. The band may be looked at "
            "every day: with the confidence stated it holds the true difference all the time."
        )
        found.append(Picture(says, looks_chart(f"looks-{number}", rows)))
    return found


def _word(value: Any) -> str:
    return str(value).replace("_", " ")
