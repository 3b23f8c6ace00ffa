"""Drop-off: where prospects stop, within a micro-conversion of several parts and on the journey.

Whoever did nothing more for `stall_days` has stopped. Whoever did something more
recently than that, before the end of the study, a conversion or an exit, may
still have been on the way: censored, not lost, and left out of the rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from numba import njit

from microconv.histories.arrays import DAY, Int64
from microconv.measurement.funnel.completion import add_rate
from microconv.measurement.section import Section
from microconv.measurement.study.study import Bools, Study
from microconv.settings import MeasureSettings

NOTHING_YET = "(nothing yet)"


def drop_off(study: Study, settings: MeasureSettings) -> Section:
    """Say where prospects stop, how many, and how long they had been there.

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
        place, labels = _way(study, name, parts, first)
        progress = measure_progress(
            study, place, min_human_probability=settings.min_human_probability
        )
        inactive = progress.inactive_for(round(settings.stall_days * DAY))
        for k, part in enumerate(labels):
            here = progress.furthest == k
            last = k == len(labels) - 1
            rows.append(
                {
                    "micro_conversion": name,
                    "part": part,
                    "position": k + 1,
                    "reached": int((progress.furthest >= k).sum()),
                    "moved_on": int((progress.furthest > k).sum()),
                    "stopped": 0 if last else int((here & inactive).sum()),
                    "censored": 0 if last else int((here & ~inactive).sum()),
                    "median_days_stopped": np.nan
                    if last
                    else _days_here(progress, here & inactive),
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


def _way(
    study: Study, name: str, parts: tuple[str, ...], first: int
) -> tuple[npt.NDArray[np.int16], tuple[str, ...]]:
    """Place each event on the way of one micro-conversion; its own step is the end of the way.

    Parameters
    ----------
    first : int
        Position of the first of `parts` among the parts of all.
    """
    own = (study.part >= first) & (study.part < first + len(parts))
    place = np.where(own, study.part - first, -1).astype(np.int16)
    step = next((step for step in study.journey.steps if step.name == name), None)
    if step is None or not set(step.events).isdisjoint(parts):
        return place, parts
    place[study.step == study.journey.code_of(name)] = len(parts)
    return place, (*parts, name)


def _days_here(progress: Progress, who: Bools) -> float:
    """Give the median of the days since the place was reached, to the end of the time at risk."""
    days = (progress.ended_at - progress.since)[who] / DAY
    return float(np.median(days)) if len(days) else float("nan")


def _stages(study: Study, settings: MeasureSettings) -> pd.DataFrame:
    """Divide prospects by the furthest stage reached and by what became of them there."""
    micro = np.isin(np.arange(len(study.journey)), study.journey.codes_of_kind("micro"))
    stage = np.where(micro, study.journey.stage_codes, -1).astype(np.int16)
    progress = measure_progress(
        study, stage[study.step], min_human_probability=settings.min_human_probability
    )
    inactive = progress.inactive_for(round(settings.stall_days * DAY))
    waiting = ~progress.converted & ~progress.exited
    rows = []
    for k, name in enumerate([NOTHING_YET, *study.journey.stages], start=-1):
        here = progress.furthest == k
        rows.append(
            {
                "stage": name,
                "reached": int((progress.furthest >= k).sum()),
                "moved_on": int((progress.furthest > k).sum()),
                "converted": int((here & progress.converted).sum()),
                "exited": int((here & progress.exited).sum()),
                "stopped": int((here & waiting & inactive).sum()),
                "still_active": int((here & waiting & ~inactive).sum()),
                "median_days_stopped": _days_here(progress, here & waiting & inactive),
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
            "The journey names no micro-conversion of several parts. Name the event names of the "
            "parts of a video, an assessment or a form under `journey.multi_step`."
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
class Progress:
    """One entry per prospect at risk.

    Attributes
    ----------
    furthest : ndarray of int64, shape (n,)
        Position on the way of the furthest place reached; -1 for none.
    since, last : ndarray of int64, shape (n,)
        When that place was first reached, and when anything on the way was
        last done (µs since 1970); when first seen, where nothing was.
    ended_at : ndarray of int64, shape (n,)
        End of the time at risk.
    converted, exited : ndarray of bool, shape (n,)
        How it ended; neither: at the end of the study.
    """

    furthest: Int64
    since: Int64
    last: Int64
    ended_at: Int64
    converted: Bools
    exited: Bools

    def inactive_for(self, span: int) -> Bools:
        """Say who had done nothing on the way for so long when their time at risk ended."""
        return np.asarray(self.ended_at - self.last >= span)


def measure_progress(
    study: Study, place: npt.NDArray[np.int16], *, min_human_probability: float
) -> Progress:
    """Find how far each prospect at risk came.

    Parameters
    ----------
    place : ndarray of int16, shape (n_events,)
        Position on the way of each event; -1 for none.
    """
    follow_up = study.follow_up
    own = np.where(study.human_probability >= min_human_probability, place, -1).astype(np.int16)
    found = _furthest(study.offsets, study.time, own, follow_up.first_seen, follow_up.ended_at)
    furthest, since, last = (column[follow_up.at_risk] for column in found)
    exited = (follow_up.exited_at == follow_up.ended_at) & ~follow_up.converted
    return Progress(
        furthest,
        since,
        last,
        follow_up.ended_at[follow_up.at_risk],
        follow_up.converted[follow_up.at_risk],
        exited[follow_up.at_risk],
    )


@njit(cache=True, nogil=True)
def _furthest(offsets, time, place, first_seen, ended_at):  # type: ignore[no-untyped-def]
    n = len(first_seen)
    furthest = np.full(n, -1, np.int64)
    since, last = first_seen.copy(), first_seen.copy()
    for p in range(n):
        for i in range(offsets[p], offsets[p + 1]):
            if time[i] >= ended_at[p]:
                break
            if place[i] < 0:
                continue
            if place[i] > furthest[p]:
                furthest[p], since[p] = place[i], time[i]
            last[p] = time[i]
    return furthest, since, last
