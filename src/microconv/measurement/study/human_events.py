"""Human events: micro-conversions and opens by people, with the stratum that they lead to.

A stratum groups prospects with similar activity at an instant, as far as it was known then:
the number of emails opened and of micro-conversions done so far. Comparisons are made within
strata, so that neither activity nor open rates explain a difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.histories.arrays import NOT_YET, Int64
from microconv.measurement.study.study import Study

OPENED = -1
"""Step code of an open."""

OPEN_BANDS = np.array([1, 3, 6], np.int64)
STEP_BANDS = np.array([1, 2, 4, 7, 12], np.int64)
"""Lower ends of the bands of counts; below the first the count is 0."""

N_STRATA = (len(OPEN_BANDS) + 1) * (len(STEP_BANDS) + 1)


@dataclass(frozen=True)
class HumanEvents:
    """Micro-conversions and opens by people, by time and by when they became known.

    Attributes
    ----------
    offsets : ndarray of int64, shape (n_prospects + 1,)
    time, seen_at : ndarray of int64, shape (n_events,)
        When it happened and when it was known; ordered by prospect and time.
    step : ndarray of int16, shape (n_events,)
        Step code; :data:`OPENED` for an open.
    changed_at : ndarray of int64, shape (n_events,)
        When each became known; ordered by prospect and this instant.
    stratum : ndarray of int16, shape (n_events,)
        Stratum of the prospect from `changed_at` on; 0 before the first.
    last : ndarray of int64, shape (n_events,)
        Time of the latest micro-conversion known at `changed_at`, or `NOT_YET`.
    """

    offsets: Int64
    time: Int64
    seen_at: Int64
    step: npt.NDArray[np.int16]
    changed_at: Int64
    stratum: npt.NDArray[np.int16]
    last: Int64


def open_step_codes(study: Study) -> npt.NDArray[np.int16]:
    """Return the codes of the exposures with "open" in their name."""
    steps = study.journey.steps
    codes = [k for k, step in enumerate(steps) if step.kind == "exposure" and "open" in step.name]
    return np.array(codes, np.int16)


def activity_stratum(opens: npt.NDArray[Any], steps: npt.NDArray[Any]) -> Int64:
    """Return the strata of prospects with these numbers of opens and micro-conversions so far.

    Parameters
    ----------
    opens, steps : ndarray of int, shape (n,)

    Returns
    -------
    ndarray of int64, shape (n,)
        From 0 to :data:`N_STRATA` - 1.
    """
    open_band = np.searchsorted(OPEN_BANDS, opens, side="right")
    return open_band * (len(STEP_BANDS) + 1) + np.searchsorted(STEP_BANDS, steps, side="right")


def select_human_events(
    study: Study, *, min_human_probability: float, at_risk: bool = True
) -> HumanEvents:
    """Select the micro-conversions and opens that people did.

    Parameters
    ----------
    study : Study
    min_human_probability : float
        Lowest probability that a person did it.
    at_risk : bool
        Leave out events that became known after the time at risk: a visit credited to a
        prospect because they bought would explain the purchase.

    Returns
    -------
    HumanEvents
    """
    kept_as = np.full(len(study.journey), OPENED - 1, np.int16)
    micro = study.journey.codes_of_kind("micro")
    kept_as[micro] = micro
    kept_as[open_step_codes(study)] = OPENED
    step = kept_as[study.step]
    keep = (step >= OPENED) & (study.human_probability >= min_human_probability)
    if at_risk:
        keep &= study.seen_at < np.repeat(study.follow_up.ended_at, np.diff(study.offsets))
    offsets = np.concatenate([[0], np.cumsum(keep)])[study.offsets]
    time, seen_at, step = study.time[keep], study.seen_at[keep], step[keep]
    order = _order_known(offsets, seen_at)
    stratum, last = _states(offsets, step[order], time[order], OPEN_BANDS, STEP_BANDS)
    return HumanEvents(offsets, time, seen_at, step, seen_at[order], stratum, last)


@njit(cache=True, nogil=True)
def _order_known(offsets, seen_at):  # type: ignore[no-untyped-def]
    """Sort by prospect and when known, ties by time; insertion sort, as nearly all is in order."""
    order = np.arange(len(seen_at))
    for p in range(len(offsets) - 1):
        for i in range(offsets[p] + 1, offsets[p + 1]):
            row, j = order[i], i
            while j > offsets[p] and seen_at[order[j - 1]] > seen_at[row]:
                order[j] = order[j - 1]
                j -= 1
            order[j] = row
    return order


@njit(cache=True, nogil=True)
def _states(offsets, step, time, open_bands, step_bands):  # type: ignore[no-untyped-def]
    stratum = np.empty(len(step), np.int16)
    last = np.empty(len(step), np.int64)
    for p in range(len(offsets) - 1):
        opens = done = 0
        latest = NOT_YET
        for i in range(offsets[p], offsets[p + 1]):
            if step[i] < 0:
                opens += 1
            else:
                done += 1
                latest = max(latest, time[i])
            opens_band = np.searchsorted(open_bands, opens, side="right")
            step_band = np.searchsorted(step_bands, done, side="right")
            stratum[i] = opens_band * (len(step_bands) + 1) + step_band
            last[i] = latest
    return stratum, last
