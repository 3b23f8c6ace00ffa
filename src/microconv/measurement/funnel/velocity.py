"""Velocity: how long prospects take from one step to the next, and to the conversion.

The median of the prospects who got there ignores the slow ones. Here the others are censored
(Kaplan-Meier), so there is no median where fewer than half ever get there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.histories.arrays import DAY
from microconv.journey import MICRO
from microconv.measurement.funnel.completion import arrival_months
from microconv.measurement.funnel.trajectories import (
    Trajectories,
    build_trajectories,
    count_transitions,
)
from microconv.measurement.section import Section
from microconv.measurement.stats.durations import (
    CONVERTED,
    FIRST_SEEN,
    Durations,
    kaplan_meier,
    measure_durations,
)
from microconv.measurement.study.study import NO_CODE, Int32, Study
from microconv.settings import MeasureSettings

MAX_TRANSITIONS = 200
"""Durations are measured for this many of the most common transitions."""

FIRST_SEEN_NAME, CONVERTED_NAME = "(first seen)", "(converted)"


def velocity(study: Study, settings: MeasureSettings) -> Section:
    """Measure the durations between steps, stages and conversions.

    Parameters
    ----------
    study : Study
    settings : MeasureSettings

    Returns
    -------
    Section
        Tables `transitions` (between steps that follow each other), `first_steps`
        (from being first seen), `to_conversion` (from the first time of each step), `stages`,
        `cohorts` (stages by month of arrival) and `last_steps` (of converters, from their
        last step to the conversion).
    """
    micro = study.journey.codes_of_kind("micro")
    if not len(micro):
        return Section(
            missing=("The journey has no micro-conversion, so no duration can be measured.",)
        )
    names = [FIRST_SEEN_NAME, CONVERTED_NAME, *(study.journey.step_names[code] for code in micro)]
    target = np.full(len(study.journey), NO_CODE, np.int32)
    target[micro] = np.arange(len(micro)) + 2
    trajectories = build_trajectories(study, min_human_probability=settings.min_human_probability)
    following, n = _following(trajectories, micro), len(micro)
    own = range(2, n + 2)
    pairs = [*following, *((FIRST_SEEN, k) for k in own), *((k, CONVERTED) for k in own)]
    durations = measure_durations(
        study,
        np.array(pairs, np.int64),
        target=target,
        groups=(np.zeros(len(study), np.int32), 1),
        min_human_probability=settings.min_human_probability,
    )
    table = _table(durations, [(names[a], names[b]) for a, b in pairs], [""], settings)
    table = table.drop(columns="month")
    split = len(following), len(following) + n
    stages, cohorts = _stages(study, settings)
    tables = {
        "transitions": table.iloc[: split[0]].reset_index(drop=True),
        "first_steps": table.iloc[split[0] : split[1]].reset_index(drop=True),
        "to_conversion": table.iloc[split[1] :].reset_index(drop=True),
        "stages": stages,
        "cohorts": cohorts,
        "last_steps": _last_steps(study, trajectories),
    }
    return Section(_summary(tables), _missing(tables), tables)


def _following(trajectories: Trajectories, micro: npt.NDArray[np.int16]) -> list[tuple[int, int]]:
    """List the most common transitions between different steps, as target codes."""
    counts = count_transitions(trajectories).sum(axis=0)[np.ix_(micro, micro)]
    np.fill_diagonal(counts, 0)
    start, to = np.nonzero(counts)
    order = np.lexsort((to, start, -counts[start, to]))[:MAX_TRANSITIONS]
    return [(int(start[k]) + 2, int(to[k]) + 2) for k in order]


def _stages(study: Study, settings: MeasureSettings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure the durations from stage to stage, of all prospects and by month of arrival."""
    micro = study.journey.kinds == MICRO
    target = np.where(micro, study.journey.stage_codes + 2, NO_CODE).astype(np.int32)
    names = [FIRST_SEEN_NAME, CONVERTED_NAME, *study.journey.stages]
    targets = [FIRST_SEEN, *(int(code) for code in np.unique(target[micro])), CONVERTED]
    pairs = list(pairwise(targets))

    def measure(group: Int32, groups: Sequence[str]) -> pd.DataFrame:
        durations = measure_durations(
            study,
            np.array(pairs, np.int64),
            target=target,
            groups=(group, len(groups)),
            min_human_probability=settings.min_human_probability,
        )
        return _table(durations, [(names[a], names[b]) for a, b in pairs], groups, settings)

    month, labels = arrival_months(study)
    return (
        measure(np.zeros(len(study), np.int32), [""]).drop(columns="month"),
        measure(month, labels),
    )


def _table(
    durations: Durations,
    pairs: Sequence[tuple[str, str]],
    groups: Sequence[str],
    settings: MeasureSettings,
) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for q, (start, to) in enumerate(pairs):
        for g, group in enumerate(groups):
            done, censored = durations.done[q, g], durations.censored[q, g]
            if not done.any() and not censored.any():
                continue
            curve = kaplan_meier(done, censored, confidence=settings.confidence)
            low, high = curve.interval_of(0.5)
            made = np.cumsum(done)
            horizon = min(round(settings.within_days * 24), len(done)) - 1
            rows.append(
                {
                    "month": group,
                    "step": start,
                    "next": to,
                    "started": int(done.sum() + censored.sum()),
                    "done": int(done.sum()),
                    "done_in_time": 1 - float(curve.waiting[horizon]),
                    "p25_days": curve.days_until(0.25),
                    "median_days": curve.days_until(0.5),
                    "median_low": low,
                    "median_high": high,
                    "p75_days": curve.days_until(0.75),
                    "median_days_of_completers": float(np.searchsorted(made, made[-1] / 2)) / 24
                    if made[-1]
                    else np.nan,
                }
            )
    columns = [
        "month", "step", "next", "started", "done", "done_in_time", "p25_days", "median_days",
        "median_low", "median_high", "p75_days", "median_days_of_completers",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _last_steps(study: Study, trajectories: Trajectories) -> pd.DataFrame:
    """Measure, for converters, the days from their last step to the conversion."""
    follow_up = study.follow_up
    chosen = trajectories.converted & (np.diff(trajectories.offsets) > 0)
    last = trajectories.offsets[1:][chosen] - 1
    ended = follow_up.ended_at[follow_up.at_risk][chosen]
    frame = pd.DataFrame(
        {
            "step": np.array(trajectories.names, dtype=object)[trajectories.step[last]],
            "days": (ended - trajectories.time[last]) / DAY,
        }
    )
    grouped = frame.groupby("step")["days"]
    table = pd.DataFrame(
        {
            "converters": grouped.size(),
            "p25_days": grouped.quantile(0.25),
            "median_days": grouped.median(),
            "p75_days": grouped.quantile(0.75),
        }
    ).reset_index()
    return table.sort_values(["converters", "step"], ascending=[False, True], ignore_index=True)


def _summary(tables: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    sentences = []
    for row in tables["stages"].to_dict("records"):
        transition = f"from {row['step']} to {row['next']}"
        if np.isfinite(row["median_days"]):
            sentences.append(
                f"Half of the {row['started']:,} prospects got {transition} within "
                f"{row['median_days']:.1f} days, counting those who are not there yet."
            )
        elif row["done"]:
            sentences.append(
                f"Fewer than half of the {row['started']:,} prospects get {transition}; the "
                f"{row['done']:,} who did took {row['median_days_of_completers']:.1f} days "
                "(median). This does not describe the others."
            )
    return tuple(sentences)


def _missing(tables: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    missing = []
    if not len(tables["transitions"]):
        missing.append("No prospect did two different steps, so no transition can be measured.")
    if not len(tables["last_steps"]):
        missing.append("Nobody converted after a step, so there is no time from the last step.")
    return tuple(missing)
