"""Drop-off: where prospects stop, within multi-step micro-conversions and on the journey.

A prospect who did nothing more for `stall_days` has stopped. One who was active more recently
before the end of the study, a conversion or an exit may still have gone on: they are censored
and left out of the rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from numba import njit

from microconv.histories.arrays import DAY, Int64
from microconv.journey import MICRO
from microconv.measurement.funnel.completion import add_rate
from microconv.measurement.section import Section
from microconv.measurement.study.study import Bools, Study
from microconv.settings import MeasureSettings

NOTHING_YET = "(nothing yet)"


def drop_off(study: Study, settings: MeasureSettings) -> Section:
    """Measure where prospects stop, how many, and for how long.

    Parameters
    ----------
    study : Study
    settings : MeasureSettings

    Returns
    -------
    Section
        Tables `parts` (of each multi-step micro-conversion) and `stages`.
    """
    tables = {"parts": _parts(study, settings), "stages": _stages(study, settings)}
    return Section(_summary(tables), _missing(study, tables), tables)


def _parts(study: Study, settings: MeasureSettings) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    first = 0
    for name, parts in study.journey.multi_step:
        position, labels = _part_positions(study, name, parts, first)
        progress = _measure_progress(study, position, settings)
        for k, part in enumerate(labels):
            stopped = (progress.furthest == k) & progress.inactive
            censored = (progress.furthest == k) & ~progress.inactive
            last = k == len(labels) - 1
            rows.append(
                {
                    "micro_conversion": name,
                    "part": part,
                    "position": k + 1,
                    "reached": int((progress.furthest >= k).sum()),
                    "moved_on": int((progress.furthest > k).sum()),
                    "stopped": 0 if last else int(stopped.sum()),
                    "censored": 0 if last else int(censored.sum()),
                    "median_days_stopped": np.nan if last else progress.median_days(stopped),
                }
            )
        first += len(parts)
    columns = [
        "micro_conversion", "part", "position", "reached", "moved_on", "stopped", "censored",
        "median_days_stopped",
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    started = table.groupby("micro_conversion")["reached"].transform("max")
    table = table.assign(
        outcome_known=table["moved_on"] + table["stopped"],
        share_of_started=table["reached"] / started,
    )
    return add_rate(table, "stopped", "outcome_known", settings)


def _part_positions(
    study: Study, name: str, parts: tuple[str, ...], first: int
) -> tuple[npt.NDArray[np.int16], tuple[str, ...]]:
    """Return the position of each event in one micro-conversion, and the names of the positions.

    `first` is the position of the first of `parts` among the parts of all micro-conversions. The
    micro-conversion itself is the last position, unless its event is one of the parts.
    """
    own = (study.part >= first) & (study.part < first + len(parts))
    position = np.where(own, study.part - first, -1).astype(np.int16)
    step = next((step for step in study.journey.steps if step.name == name), None)
    if step is None or not set(step.events).isdisjoint(parts):
        return position, parts
    position[study.step == study.journey.code_of(name)] = len(parts)
    return position, (*parts, name)


def _stages(study: Study, settings: MeasureSettings) -> pd.DataFrame:
    """Count prospects by the furthest stage reached and by outcome."""
    stage = np.where(study.journey.kinds == MICRO, study.journey.stage_codes, -1).astype(np.int16)
    progress = _measure_progress(study, stage[study.step], settings)
    no_outcome = ~progress.converted & ~progress.exited
    rows = []
    for k, name in enumerate([NOTHING_YET, *study.journey.stages], start=-1):
        here = progress.furthest == k
        stopped = here & no_outcome & progress.inactive
        rows.append(
            {
                "stage": name,
                "reached": int((progress.furthest >= k).sum()),
                "moved_on": int((progress.furthest > k).sum()),
                "converted": int((here & progress.converted).sum()),
                "exited": int((here & progress.exited).sum()),
                "stopped": int(stopped.sum()),
                "still_active": int((here & no_outcome & ~progress.inactive).sum()),
                "median_days_stopped": progress.median_days(stopped),
            }
        )
    table = pd.DataFrame(rows)
    known = table["moved_on"] + table["converted"] + table["exited"] + table["stopped"]
    return add_rate(table.assign(outcome_known=known), "stopped", "outcome_known", settings)


def _summary(tables: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    sentences = []
    for name, table in tables["parts"].groupby("micro_conversion", sort=False):
        inner = table[table["stopped"] > 0].sort_values("stopped_rate", ascending=False)
        for worst in inner.head(1).to_dict("records"):
            sentences.append(
                f"Of those who start {name}, most stop after {worst['part']}: "
                f"{worst['stopped']:,} of {worst['outcome_known']:,} ({worst['stopped_rate']:.0%}"
                f"). {worst['censored']:,} more were active there too recently to count."
            )
    stages = tables["stages"].sort_values("stopped", ascending=False, kind="stable")
    for worst in stages[stages["stopped"] > 0].head(1).to_dict("records"):
        sentences.append(
            f"Most of those who have stopped did so at {worst['stage']}: {worst['stopped']:,} "
            f"prospects, for {worst['median_days_stopped']:.0f} days by now (median)."
        )
    return tuple(sentences)


def _missing(study: Study, tables: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    missing = []
    if not study.journey.multi_step:
        missing.append(
            "The journey has no multi-step micro-conversions. List the event names of the parts of "
            "a video, an assessment or a form in `journey.multi_step`."
        )
    never = [
        name
        for name, table in tables["parts"].groupby("micro_conversion", sort=False)
        if not table["reached"].any()
    ]
    if never:
        missing.append(f"Nobody started {', '.join(map(str, never))} while at risk.")
    return tuple(missing)


@dataclass(frozen=True)
class _Progress:
    """Furthest position of each prospect at risk on an ordered path.

    Attributes
    ----------
    furthest : ndarray of int64, shape (n,)
        -1 for none.
    since : ndarray of int64, shape (n,)
        When it was reached, µs since 1970; when first seen, if none was.
    ended_at : ndarray of int64, shape (n,)
        End of the time at risk.
    inactive : ndarray of bool, shape (n,)
        Nothing on the path was done in the last `stall_days` of the time at risk.
    converted, exited : ndarray of bool, shape (n,)
        How it ended; neither at the end of the study.
    """

    furthest: Int64
    since: Int64
    ended_at: Int64
    inactive: Bools
    converted: Bools
    exited: Bools

    def median_days(self, chosen: Bools) -> float:
        """Return the median days at the furthest position, until the end of the time at risk."""
        days = (self.ended_at - self.since)[chosen] / DAY
        return float(np.median(days)) if len(days) else float("nan")


def _measure_progress(
    study: Study, position: npt.NDArray[np.int16], settings: MeasureSettings
) -> _Progress:
    """Measure the progress of each prospect; `position` is that of each event, -1 for none."""
    follow_up, at_risk = study.follow_up, study.follow_up.at_risk
    human = study.human_probability >= settings.min_human_probability
    position = np.where(human, position, -1).astype(np.int16)
    ends = follow_up.first_seen, follow_up.ended_at
    columns = _furthest(study.offsets, study.time, position, *ends)
    furthest, since, last = (column[at_risk] for column in columns)
    ended_at = follow_up.ended_at[at_risk]
    exited = (follow_up.exited_at == follow_up.ended_at) & ~follow_up.converted
    return _Progress(
        furthest=furthest,
        since=since,
        ended_at=ended_at,
        inactive=ended_at - last >= round(settings.stall_days * DAY),
        converted=follow_up.converted[at_risk],
        exited=exited[at_risk],
    )


@njit(cache=True, nogil=True)
def _furthest(offsets, time, position, first_seen, ended_at):  # type: ignore[no-untyped-def]
    n = len(first_seen)
    furthest = np.full(n, -1, np.int64)
    since, last = first_seen.copy(), first_seen.copy()
    for p in range(n):
        for i in range(offsets[p], offsets[p + 1]):
            if time[i] >= ended_at[p]:
                break
            if position[i] < 0:
                continue
            if position[i] > furthest[p]:
                furthest[p], since[p] = position[i], time[i]
            last[p] = time[i]
    return furthest, since, last
