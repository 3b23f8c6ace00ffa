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
import numpy.typing as npt
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


TRIMMED = 0.99
"""Deals above this quantile are left out of the trimmed mean."""


@dataclass(frozen=True)
class Difference:
    """Completers, comparable others, and the difference with its interval."""

    completers: float
    others: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class RevenueComparison:
    """What completers brought beyond comparable others, per prospect, and how much sooner.

    Attributes
    ----------
    revenue, revenue_trimmed, lifetime_value : Difference
        Money of the first conversion within the horizon, the same without the
        largest deals, and money of all conversions to the end of the study.
    sales_cycle_days : Difference
        Days from first seen to conversion, of those who converted in the horizon.
    """

    revenue: Difference
    revenue_trimmed: Difference
    lifetime_value: Difference
    sales_cycle_days: Difference


@dataclass(frozen=True)
class BootstrapDraws:
    """The converters of a landmark, and how often each stands in each resample.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_converters,)
        Positions in the landmark: converters in the horizon or later.
    times : ndarray of float32, shape (n_resamples, n_converters)
    """

    rows: npt.NDArray[np.int64]
    times: npt.NDArray[np.float32]


def draw_bootstrap(landmark: LandmarkCohort, n_resamples: int, *, seed: int) -> BootstrapDraws:
    """Draw the resamples once for all comparisons."""
    rows = np.flatnonzero(landmark.converted | (landmark.lifetime_value != 0))
    rng = np.random.default_rng(seed)
    times = rng.poisson(1.0, (n_resamples, len(rows))).astype(np.float32)
    return BootstrapDraws(rows, times)


def compare_revenue(
    landmark: LandmarkCohort, completed: Bools, resamples: BootstrapDraws, *, confidence: float
) -> RevenueComparison:
    """Compare completers with comparable others.

    Parameters
    ----------
    completed : ndarray of bool, shape (n,)
        Who had completed before the landmark.
    """
    _, people = stratum_counts(landmark, completed)
    both = (people[0] > 0) & (people[1] > 0)
    ours = people[0, both].sum()
    share = np.zeros(people.shape)
    if ours:
        share[0, both] = 1 / ours
        share[1, both] = people[0, both] / ours / people[1, both]
    side = np.where(completed, 0, 1)
    weight = share[side, landmark.stratum][resamples.rows]
    mine = completed[resamples.rows]
    pair = np.where(mine, weight, 0.0), np.where(mine, 0.0, weight)
    value = landmark.value[resamples.rows]
    large = value > np.quantile(value[value > 0], TRIMMED) if (value > 0).any() else value > 0
    won = landmark.converted[resamples.rows]
    days = np.where(won, landmark.days[resamples.rows], 0.0)

    amounts = (value, np.where(large, 0.0, value), landmark.lifetime_value[resamples.rows])
    columns = [one * amount for amount in (*amounts, won, days) for one in pair]
    totals = _totals(np.column_stack(columns), resamples)
    revenue, trimmed, lifetime, counted, spent = (totals[:, k : k + 2] for k in range(0, 10, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        means = spent / counted
    return RevenueComparison(
        revenue=_difference(revenue, confidence),
        revenue_trimmed=_difference(trimmed, confidence),
        lifetime_value=_difference(lifetime, confidence),
        sales_cycle_days=_difference(means, confidence),
    )


def _totals(columns: Floats, resamples: BootstrapDraws) -> Floats:
    """Sum each column as it is (first row), then over every resample, all in one product."""
    scale = np.maximum(np.abs(columns).max(axis=0, initial=0.0), 1e-300)
    again = resamples.times @ (columns / scale).astype(np.float32)
    return np.vstack([columns.sum(axis=0), again.astype(np.float64) * scale])


def _difference(totals: Floats, confidence: float) -> Difference:
    """Compare the two columns, completers and others, of sums or means."""
    ours, others = totals[:, 0], totals[:, 1]
    gap = (ours - others)[1:]
    gap = gap[np.isfinite(gap)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(gap, [tail, 1 - tail]) if len(gap) else (np.nan, np.nan)
    first, second = float(ours[0]), float(others[0])
    return Difference(first, second, first - second, float(low), float(high))
