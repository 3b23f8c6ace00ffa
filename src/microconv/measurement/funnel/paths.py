"""Paths: in what order micro-conversions come, where they begin, end and go round.

Everything here describes; nothing here says that a path *makes* anybody
convert. That is the part `impact`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from microconv.histories.arrays import DAY, Int64
from microconv.journey import MAJOR
from microconv.measurement.funnel.completion import add_rate
from microconv.measurement.funnel.markov import removal_effects
from microconv.measurement.funnel.path_tree import path_tree
from microconv.measurement.funnel.trajectories import (
    Trajectories,
    build_trajectories,
    count_returns,
    count_transitions,
)
from microconv.measurement.impact.sequences import FrequentSequences, mine
from microconv.measurement.section import Section
from microconv.measurement.study.human_events import select_human_events
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
        `sequences` and `removal_effects`.
    """
    if not len(study.journey.codes_of_kind("micro")):
        return Section(missing=("The journey has no micro step, so there are no paths.",))
    trajectories = build_trajectories(study, min_human_probability=settings.min_human_probability)
    counts = count_transitions(trajectories)
    tables = {
        "transitions": _transitions(trajectories, counts),
        "entries": _ends(trajectories, settings, first=True),
        "last_touches": _ends(trajectories, settings, first=False),
        "loops": _loops(trajectories),
        "tree": path_tree(trajectories, settings),
        "sequences": _sequences(study, settings),
        "removal_effects": removal_effects(trajectories, counts, study.journey.kinds == MAJOR),
    }
    return Section(_summary(trajectories, tables), _missing(tables), tables)


def _transitions(trajectories: Trajectories, counts: Int64) -> pd.DataFrame:
    """List transitions with the share of what leads on, its base rate and the lift."""
    both = counts.sum(axis=0)
    start, to = np.nonzero(both)
    total = both.sum()
    share = both[start, to] / both.sum(axis=1)[start]
    base = both.sum(axis=0)[to] / total
    names = np.array(trajectories.names, dtype=object)
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


def _ends(trajectories: Trajectories, settings: MeasureSettings, *, first: bool) -> pd.DataFrame:
    """Count walks by their first, or by their last, micro step."""
    some = np.diff(trajectories.offsets) > 0
    place = trajectories.offsets[:-1][some] if first else trajectories.offsets[1:][some] - 1
    step, converted = trajectories.step[place], trajectories.converted[some]
    size = len(trajectories.names)
    table = pd.DataFrame(
        {
            "step": trajectories.names,
            "prospects": np.bincount(step, minlength=size),
            "converted": np.bincount(step[converted], minlength=size),
        }
    )
    table = table[table["prospects"] > 0].sort_values(
        ["prospects", "step"], ascending=[False, True]
    )
    return add_rate(table.reset_index(drop=True), "converted", "prospects", settings)


def _loops(trajectories: Trajectories) -> pd.DataFrame:
    counts = count_returns(trajectories)
    names = ["prospects", "more_than_once", "repetitions", "returns"]
    table = pd.DataFrame({"step": trajectories.names, **dict(zip(names, counts, strict=True))})
    table = table[table["prospects"] > 0].sort_values(["returns", "step"], ascending=[False, True])
    return table.reset_index(drop=True)


def _sequences(study: Study, settings: MeasureSettings) -> pd.DataFrame:
    """Compare how common the frequent sequences are among converters and the others."""
    follow_up = study.follow_up
    human_events = select_human_events(study, min_human_probability=settings.min_human_probability)

    def support(among: Bools) -> dict[tuple[int, ...], int]:
        levels = mine(
            human_events,
            follow_up,
            among,
            n_steps=len(study.journey),
            longest=settings.max_sequence_length,
            least=max(5, round(settings.min_support * int((among & follow_up.at_risk).sum()))),
            spans=(round(settings.within_days * DAY), round(settings.effect_days * DAY)),
        )
        return {key: n for level in levels for key, n in _counted(level)}

    converters, others = support(follow_up.converted), support(~follow_up.converted)
    sizes = int(follow_up.converted.sum()), int((follow_up.at_risk & ~follow_up.converted).sum())
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


def _counted(level: FrequentSequences) -> list[tuple[tuple[int, ...], int]]:
    keys = [tuple(int(code) for code in row) for row in level.steps]
    return list(zip(keys, level.completed.tolist(), strict=True))


def _summary(trajectories: Trajectories, tables: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    sentences = []
    inner = tables["transitions"]
    inner = inner[~inner["step"].str.startswith("(") & ~inner["next"].str.startswith("(")]
    inner = inner[inner["step"] != inner["next"]]
    if len(inner):
        top = inner.iloc[0]
        sentences.append(
            f"{top['step']} leads to {top['next']} most often: {top['count']:,} times, "
            f"{top['share']:.0%} of what follows it and {top['lift']:.1f} times its base rate."
        )
    if len(tables["entries"]):
        top = tables["entries"].iloc[0]
        sentences.append(
            f"Most prospects enter by {top['step']} ({top['prospects'] / len(trajectories):.0%} of "
            f"{len(trajectories):,})."
        )
    if len(tables["removal_effects"]):
        top = tables["removal_effects"].iloc[0]
        sentences.append(
            f"In a Markov chain of the paths, {top['removal_effect']:.0%} of conversions pass "
            f"through {top['step']}. This describes the paths; it does not show a cause."
        )
    return tuple(sentences)


def _missing(tables: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    missing = []
    if not len(tables["removal_effects"]):
        missing.append("Nobody converted while at risk, so no step can be removed from a path.")
    if not len(tables["sequences"]):
        missing.append(
            "No sequence is frequent among converters and the others alike, so they cannot be "
            "compared."
        )
    return tuple(missing)
