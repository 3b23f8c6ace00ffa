"""What people did: micro-conversions and opens by a person, with the state they put one into.

A *stratum* is what is alike about two prospects at an instant, as far as it was
known then: how many emails they had opened and how many micro-conversions they
had done so far. Comparisons are made within strata, so that neither activity
nor open rates explain a difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.histories.arrays import Int64
from microconv.measurement.study.study import Study

OPENED = -1
"""Code of an open among the steps."""

OPEN_BANDS = np.array([1, 3, 6], np.int64)
DONE_BANDS = np.array([1, 2, 4, 7, 12], np.int64)
"""Lower ends of the bands after the first, which is none at all."""

N_STRATA = (len(OPEN_BANDS) + 1) * (len(DONE_BANDS) + 1)

NOT_YET = np.iinfo(np.int64).min
"""Time of the last micro-conversion of somebody who did none."""


@dataclass(frozen=True)
class HumanEvents:
    """Micro-conversions and opens by people, in two orders.

    Attributes
    ----------
    offsets : ndarray of int64, shape (n_prospects + 1,)
    time, seen_at : ndarray of int64, shape (n_events,)
        By prospect and time.
    step : ndarray of int16, shape (n_events,)
        Code of the micro step; :data:`OPENED` for an open.
    changed_at : ndarray of int64, shape (n_events,)
        By prospect and the instant at which each became known.
    stratum : ndarray of int16, shape (n_events,)
        The stratum that the prospect is in from `changed_at` on; 0 before the first.
    last : ndarray of int64, shape (n_events,)
        Time of the latest micro-conversion known at `changed_at`, or :data:`NOT_YET`.
    """

    offsets: Int64
    time: Int64
    seen_at: Int64
    step: npt.NDArray[np.int16]
    changed_at: Int64
    stratum: npt.NDArray[np.int16]
    last: Int64


def open_step_codes(study: Study) -> npt.NDArray[np.int16]:
    """List the codes of the exposures that are opens: those with "open" in their name."""
    steps = study.journey.steps
    codes = [k for k, step in enumerate(steps) if step.kind == "exposure" and "open" in step.name]
    return np.array(codes, np.int16)


def select_human_events(
    study: Study, *, min_human_probability: float, at_risk: bool = True
) -> HumanEvents:
    """Keep what people did; leave out machines, and what was done to people.

    Parameters
    ----------
    study : Study
    min_human_probability : float
        Least probability that a person did it.
    at_risk : bool
        Leave out what became known only after a prospect's time at risk: a
        visit credited to somebody because they bought would explain the
        purchase. A dashboard leaves it in.
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
    stratum, last = _states(offsets, step[order], time[order], OPEN_BANDS, DONE_BANDS)
    return HumanEvents(offsets, time, seen_at, step, seen_at[order], stratum, last)


@njit(cache=True, nogil=True)
def _order_known(offsets, seen_at):  # type: ignore[no-untyped-def]
    """Order by prospect and the instant of becoming known; ties stay in order of time.

    By insertion: nearly everything is known in the order in which it happened.
    """
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
def _states(offsets, step, time, open_bands, done_bands):  # type: ignore[no-untyped-def]
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
            done_band = np.searchsorted(done_bands, done, side="right")
            stratum[i] = opens_band * (len(done_bands) + 1) + done_band
            last[i] = latest
    return stratum, last
