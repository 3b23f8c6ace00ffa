"""Paths: in what order micro-conversions come, where they begin, end and go round.

Everything here describes; nothing here says that a path *makes* anybody
convert. That is the part `impact`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from microconv.histories.arrays import DAY, Int64
from microconv.journey import MAJOR
from microconv.measurement.funnel.completion import with_rate
from microconv.measurement.funnel.markov import removal_effects
from microconv.measurement.funnel.path_tree import tree_of
from microconv.measurement.funnel.trajectories import (
    Walks,
    count_returns,
    count_transitions,
    walks_of,
)
from microconv.measurement.impact.sequences import Mined, mine
from microconv.measurement.section import Section
from microconv.measurement.study.human_events import doings_of
from microconv.measurement.study.study import Bools, Study
from microconv.settings import MeasureSettings

MOST_TRANSITIONS = 2000
MOST_SEQUENCES = 200


def paths(study: Study, settings: MeasureSettings) -> Section:
    """Describe the order of micro-conversions.

    Returns
    -------
    Section
        Tables `transitions`, `entries`, `last_touches`, `loops`, `tree`,
        `sequences` and `removal`.
    """
    if not len(study.journey.codes_of_kind("micro")):
        return Section(missing=("The journey has no micro step, so there are no paths.",))
    walks = walks_of(study, min_human_probability=settings.min_human_probability)
    counts = count_transitions(walks)
    tables = {
        "transitions": _transitions(walks, counts),
        "entries": _ends(walks, settings, first=True),
        "last_touches": _ends(walks, settings, first=False),
        "loops": _loops(walks),
        "tree": tree_of(walks, settings),
        "sequences": _sequences(study, settings),
        "removal": removal_effects(walks, counts, study.journey.kinds == MAJOR),
    }
    return Section(_says(walks, tables), _missing(tables), tables)


def _transitions(walks: Walks, counts: Int64) -> pd.DataFrame:
    """List transitions with the share of what leads on, its base rate and the lift."""
    both = counts.sum(axis=0)
    start, to = np.nonzero(both)
    total = both.sum()
    share = both[start, to] / both.sum(axis=1)[start]
    base = both.sum(axis=0)[to] / total
    names = np.array(walks.names, dtype=object)
    table = pd.DataFrame(
        {
            "step": names[start],
            "next": names[to],
            "count": both[start, to],
            "share": share,
            "base_rate": base,
            "lift": share / base,
            "converters": counts[1, start, to],
            "others": counts[0, start, to],
        }
    )
    table = table.sort_values(["count", "step", "next"], ascending=[False, True, True])
    return table.head(MOST_TRANSITIONS).reset_index(drop=True)


def _ends(walks: Walks, settings: MeasureSettings, *, first: bool) -> pd.DataFrame:
    """Count walks by their first, or by their last, micro step."""
    some = np.diff(walks.offsets) > 0
    place = walks.offsets[:-1][some] if first else walks.offsets[1:][some] - 1
    step, converted = walks.step[place], walks.converted[some]
    size = len(walks.names)
    table = pd.DataFrame(
        {
            "step": walks.names,
            "prospects": np.bincount(step, minlength=size),
            "converted": np.bincount(step[converted], minlength=size),
        }
    )
    table = table[table["prospects"] > 0].sort_values(
        ["prospects", "step"], ascending=[False, True]
    )
    return with_rate(table.reset_index(drop=True), "converted", "prospects", settings)


def _loops(walks: Walks) -> pd.DataFrame:
    counts = count_returns(walks)
    names = ["prospects", "more_than_once", "repetitions", "returns"]
    table = pd.DataFrame({"step": walks.names, **dict(zip(names, counts, strict=True))})
    table = table[table["prospects"] > 0].sort_values(["returns", "step"], ascending=[False, True])
    return table.reset_index(drop=True)


def _sequences(study: Study, settings: MeasureSettings) -> pd.DataFrame:
    """Compare how common the frequent sequences are among converters and the others."""
    lines = study.outlines
    doings = doings_of(study, min_human_probability=settings.min_human_probability)

    def support(among: Bools) -> dict[tuple[int, ...], int]:
        levels = mine(
            doings,
            lines,
            among,
            n_steps=len(study.journey),
            longest=settings.max_sequence_length,
            least=max(5, round(settings.min_support * int((among & lines.at_risk).sum()))),
            spans=(round(settings.within_days * DAY), round(settings.effect_days * DAY)),
        )
        return {key: n for level in levels for key, n in _counted(level)}

    converters, others = support(lines.converted), support(~lines.converted)
    sizes = int(lines.converted.sum()), int((lines.at_risk & ~lines.converted).sum())
    names = study.journey.step_names
    rows = [
        {
            "sequence": " > ".join(names[code] for code in key),
            "length": len(key),
            "converters": converters[key],
            "others": others[key],
            "converters_share": converters[key] / sizes[0],
            "others_share": others[key] / sizes[1],
        }
        for key in sorted(set(converters) & set(others))
    ]
    table = pd.DataFrame(
        rows,
        columns=[
            "sequence", "length", "converters", "others", "converters_share", "others_share",
        ],
    )  # fmt: skip
    table["ratio"] = table["converters_share"] / table["others_share"]
    both = table["converters"] + table["others"]
    table = table.assign(prospects=both).sort_values(
        ["prospects", "sequence"], ascending=[False, True]
    )
    return table.head(MOST_SEQUENCES).reset_index(drop=True)


def _counted(level: Mined) -> list[tuple[tuple[int, ...], int]]:
    keys = [tuple(int(code) for code in row) for row in level.steps]
    return list(zip(keys, level.completed.tolist(), strict=True))


def _says(walks: Walks, tables: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    said = []
    inner = tables["transitions"]
    inner = inner[~inner["step"].str.startswith("(") & ~inner["next"].str.startswith("(")]
    inner = inner[inner["step"] != inner["next"]]
    if len(inner):
        top = inner.iloc[0]
        said.append(
            f"{top['step']} leads to {top['next']} most often: {top['count']:,} times, "
            f"{top['share']:.0%} of what follows it and {top['lift']:.1f} times its base rate."
        )
    if len(tables["entries"]):
        top = tables["entries"].iloc[0]
        said.append(
            f"Most prospects enter by {top['step']} ({top['prospects'] / len(walks):.0%} of "
            f"{len(walks):,})."
        )
    if len(tables["removal"]):
        top = tables["removal"].iloc[0]
        said.append(
            f"In a chain without memory, {top['removal']:.0%} of conversions pass {top['step']}. "
            "That describes the paths and says nothing of causes."
        )
    return tuple(said)


def _missing(tables: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    missing = []
    if not len(tables["removal"]):
        missing.append("Nobody converted while at risk, so no step can be removed from a path.")
    if not len(tables["sequences"]):
        missing.append(
            "No sequence is frequent among converters and the others alike, so they cannot be "
            "compared."
        )
    return tuple(missing)
