"""The landmark: so long after each prospect was first seen, who had done what, and what followed.

Whoever completes a sequence late has lived long enough to complete it. So the
comparison starts at one instant for all: `landmark` after a prospect was first
seen. Those still at risk and recently active then are divided by what was known
of them *before* that instant, compared within strata of opens, micro-conversions
and recency of before it, and followed for the same `horizon`, which must have
passed for everybody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from microconv.histories.arrays import DAY, Int64
from microconv.measurement.stats.intervals import Ratio, pooled_risk_ratio
from microconv.measurement.study.human_events import N_STRATA, HumanEvents
from microconv.measurement.study.study import Bools, Floats, Study
from microconv.settings import MeasureSettings

RECENCY_BANDS = np.array([3, 10], np.float64)
"""Ends of the bands of days since the last thing done, before the landmark."""


@dataclass(frozen=True)
class LandmarkCohort:
    """The prospects at risk, active and followed for long enough; one entry each.

    Attributes
    ----------
    prospect : ndarray of int64, shape (n,)
        Positions in the study.
    at : ndarray of int64, shape (n,)
        The landmark, µs since 1970.
    stratum : ndarray of int64, shape (n,)
    converted : ndarray of bool, shape (n,)
        Within the horizon.
    days : ndarray of float64, shape (n,)
        From first seen to the conversion; nan without one in the horizon.
    value, lifetime_value : ndarray of float64, shape (n,)
        Money of that conversion, and of all to the end of the study; 0 without.
    """

    prospect: Int64
    at: Int64
    stratum: Int64
    converted: Bools
    days: Floats
    value: Floats
    lifetime_value: Floats

    def __len__(self) -> int:
        """Return the number of prospects."""
        return len(self.prospect)


def landmark_cohort(
    study: Study, human_events: HumanEvents, settings: MeasureSettings, among: Bools
) -> LandmarkCohort:
    """Gather the prospects of a landmark analysis.

    Parameters
    ----------
    among : ndarray of bool, shape (n_prospects,)
        The prospects to look at.
    """
    follow_up = study.follow_up
    at = follow_up.first_seen + round(settings.landmark_days * DAY)
    until = at + round(settings.horizon_days * DAY)
    stratum, active_at = _state_before(
        human_events.offsets, human_events.changed_at, human_events.stratum, at
    )
    recent = active_at >= at - round(settings.active_within_days * DAY)
    chosen = np.flatnonzero(
        among & (follow_up.ended_at > at) & (until <= study.until) & (stratum >= 0) & recent
    )
    at, until = at[chosen], until[chosen]
    band = np.searchsorted(RECENCY_BANDS, (at - active_at[chosen]) / DAY, side="right")
    converted = follow_up.converted[chosen] & (follow_up.converted_at[chosen] < until)
    length = (follow_up.converted_at[chosen] - follow_up.first_seen[chosen]) / DAY
    return LandmarkCohort(
        prospect=chosen,
        at=at,
        stratum=stratum[chosen] + N_STRATA * band,
        converted=converted,
        days=np.where(converted, length, np.nan),
        value=np.where(converted, np.nan_to_num(follow_up.value[chosen]), 0.0),
        lifetime_value=np.where(follow_up.converted[chosen], follow_up.lifetime_value[chosen], 0.0),
    )


def stratum_counts(landmark: LandmarkCohort, completed: Bools) -> tuple[Floats, Floats]:
    """Count conversions and prospects of each stratum, completers first.

    Returns
    -------
    cases, people : ndarray of float64, shape (2, n_strata)
    """
    size = N_STRATA * (len(RECENCY_BANDS) + 1)
    cell = np.where(completed, 0, size) + landmark.stratum
    people = np.bincount(cell, minlength=2 * size).reshape(2, size)
    cases = np.bincount(cell[landmark.converted], minlength=2 * size).reshape(2, size)
    return cases.astype(np.float64), people.astype(np.float64)


def landmark_ratio(landmark: LandmarkCohort, completed: Bools, *, confidence: float) -> Ratio:
    """Compare the risk of completers with that of comparable others."""
    cases, people = stratum_counts(landmark, completed)
    return pooled_risk_ratio((cases[0], cases[1]), (people[0], people[1]), confidence=confidence)


@njit(cache=True, nogil=True)
def _state_before(offsets, changed_at, stratum, at):  # type: ignore[no-untyped-def]
    """Find each prospect's stratum and latest doing known before an instant; -1 without one."""
    found = np.full(len(at), -1, np.int64)
    active_at = np.zeros(len(at), np.int64)
    for p in range(len(at)):
        for i in range(offsets[p], offsets[p + 1]):
            if changed_at[i] >= at[p]:
                break
            found[p], active_at[p] = stratum[i], changed_at[i]
    return found, active_at
