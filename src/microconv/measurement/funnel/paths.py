"""Paths: the order of micro-conversions, entry steps, last steps, repetitions, removal effects.

Everything here is descriptive: it does not show that a path *causes* conversions. Comparisons
of completers with comparable prospects are in `impact`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from microconv.histories.arrays import DAY, Int64
from microconv.journey import MAJOR
from microconv.measurement.funnel.completion import add_rate
from microconv.measurement.funnel.trajectories import (
    Trajectories,
    build_trajectories,
    count_returns,
    count_transitions,
    first_steps,
)
from microconv.measurement.impact.sequence_mining import FrequentSequences, mine_sequences
from microconv.measurement.section import Section
from microconv.measurement.study.human_events import select_human_events
from microconv.measurement.study.study import Bools, Floats, Study
from microconv.settings import MeasureSettings

MAX_TRANSITIONS = 2000
MAX_SEQUENCES = 200

TREE_DEPTH = 4
"""Number of first steps in the path tree."""

MIN_BRANCH_SHARE = 0.005
"""Branches of the path tree with a smaller share of the prospects are grouped."""

OTHER = "(other)"


def paths(study: Study, settings: MeasureSettings) -> Section:
    """Describe the order of micro-conversions.

    Parameters
    ----------
    study : Study
    settings : MeasureSettings

    Returns
    -------
    Section
        Tables `transitions`, `entries`, `last_touches`, `loops`, `tree`,
        `sequences` and `removal_effects`.
    """
    if not len(study.journey.codes_of_kind("micro")):
        return Section(missing=("The journey has no micro-conversion, so there are no paths.",))
    trajectories = build_trajectories(study, min_human_probability=settings.min_human_probability)
    counts = count_transitions(trajectories)
    tables = {
        "transitions": _transitions(trajectories, counts),
        "entries": _ends(trajectories, settings, first=True),
        "last_touches": _ends(trajectories, settings, first=False),
        "loops": _loops(trajectories),
        "tree": _path_tree(trajectories, settings),
        "sequences": _sequences(study, settings),
        "removal_effects": removal_effects(trajectories, counts, study.journey.kinds == MAJOR),
    }
    return Section(_summary(trajectories, tables), _missing(tables), tables)


def _transitions(trajectories: Trajectories, counts: Int64) -> pd.DataFrame:
    """List the transitions with their share of all steps after a step, base rate and lift."""
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
    return table.head(MAX_TRANSITIONS).reset_index(drop=True)


def _ends(trajectories: Trajectories, settings: MeasureSettings, *, first: bool) -> pd.DataFrame:
    """Count prospects by their first, or by their last, micro-conversion."""
    some = np.diff(trajectories.offsets) > 0
    row = trajectories.offsets[:-1][some] if first else trajectories.offsets[1:][some] - 1
    step, converted = trajectories.step[row], trajectories.converted[some]
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
    """Compare how common frequent sequences are among converters and other prospects."""
    follow_up = study.follow_up
    human_events = select_human_events(study, min_human_probability=settings.min_human_probability)

    def support(among: Bools) -> dict[tuple[int, ...], int]:
        levels = mine_sequences(
            human_events,
            follow_up,
            among,
            n_steps=len(study.journey),
            max_length=settings.max_sequence_length,
            min_completers=max(
                5, round(settings.min_support * int((among & follow_up.at_risk).sum()))
            ),
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
    return table.head(MAX_SEQUENCES).reset_index(drop=True)


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
        missing.append("Nobody converted while at risk, so there are no removal effects.")
    if not len(tables["sequences"]):
        missing.append(
            "No sequence is frequent among both converters and other prospects, so sequences "
            "cannot be compared."
        )
    return tuple(missing)


def _path_tree(trajectories: Trajectories, settings: MeasureSettings) -> pd.DataFrame:
    """Aggregate the first distinct steps of all trajectories into a tree, rare branches grouped.

    One row per branch: `path`, `depth`, `prospects`, `converted` and their rate.
    """
    steps = first_steps(trajectories, TREE_DEPTH)
    least = max(1.0, MIN_BRANCH_SHARE * len(trajectories))
    size = len(trajectories.names) + 1
    key = np.zeros(len(trajectories), np.int64)
    rows: list[dict[str, object]] = []
    kept: dict[int, tuple[str, ...]] = {0: ()}
    for depth in range(TREE_DEPTH):
        inside = np.isin(key, list(kept)) & (steps[:, depth] >= 0)
        key = np.where(inside, key * size + steps[:, depth] + 1, -1)
        found, where, count = np.unique(key[inside], return_inverse=True, return_counts=True)
        won = np.bincount(where, trajectories.converted[inside], minlength=len(found))
        following: dict[int, tuple[str, ...]] = {}
        cut: dict[int, tuple[int, int]] = {}
        for code, n, converted in zip(found.tolist(), count.tolist(), won.tolist(), strict=True):
            above = kept[code // size]
            if n >= least:
                following[code] = (*above, trajectories.names[code % size - 1])
                rows.append(_branch(following[code], n, int(converted)))
            else:
                others = cut.get(code // size, (0, 0))
                cut[code // size] = others[0] + n, others[1] + int(converted)
        rows += [_branch((*kept[p], OTHER), n, won) for p, (n, won) in sorted(cut.items())]
        kept = following
    table = pd.DataFrame(rows, columns=["path", "depth", "prospects", "converted"])
    return add_rate(table, "converted", "prospects", settings)


def _branch(path: tuple[str, ...], prospects: int, converted: int) -> dict[str, object]:
    return {
        "path": " > ".join(path),
        "depth": len(path),
        "prospects": prospects,
        "converted": converted,
    }


def removal_effects(trajectories: Trajectories, counts: Int64, major: Bools) -> pd.DataFrame:
    """Compute the share of conversions that a Markov chain loses when each step is removed.

    With Q the transition probabilities between the steps and r the probability of converting
    next, the probability of converting from each step is B = (I - Q)⁻¹ r. A step s is visited
    with probability N(start, s) / N(s, s), where N = (I - Q)⁻¹. Removing it loses the
    conversions from s on, B(s). The chain has no memory and describes no causes.

    Parameters
    ----------
    trajectories : Trajectories
    counts : ndarray of int64, shape (2, n_states, n_states)
        Transitions, as :func:`count_transitions` returns them.
    major : ndarray of bool, shape (n_steps,)
        True for major conversions.

    Returns
    -------
    DataFrame
        Columns `step` and `removal_effect` (share of conversions), largest first.
    """
    nothing = pd.DataFrame({"step": [], "removal_effect": []})
    if not len(trajectories):
        return nothing
    both = counts.sum(axis=0).astype(np.float64)
    visited = np.flatnonzero(both.sum(axis=1) > 0)
    probability = both[visited] / both[visited].sum(axis=1, keepdims=True)
    is_major = np.append(major, [False, False])
    fundamental: Floats = np.linalg.inv(np.eye(len(visited)) - probability[:, visited])
    converting = fundamental @ probability[:, is_major].sum(axis=1)
    start = int(np.flatnonzero(visited == trajectories.start)[0])
    if converting[start] <= 0:
        return nothing
    visit = fundamental[start] / np.diag(fundamental)
    inner = visited != trajectories.start
    table = pd.DataFrame(
        {
            "step": np.array(trajectories.names, dtype=object)[visited[inner]],
            "removal_effect": (visit * converting / converting[start])[inner],
        }
    )
    return table.sort_values(["removal_effect", "step"], ascending=[False, True], ignore_index=True)
