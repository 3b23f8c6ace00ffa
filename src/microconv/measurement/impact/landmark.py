"""Landmark analysis: conversion and revenue after one instant, by what was done before it.

Prospects who complete a sequence late had to stay at risk long enough to complete it. To avoid
that bias, the comparison starts at one instant for all: `landmark_days` after a prospect was
first seen. Prospects still at risk and recently active then are divided by what was known of
them *before* that instant, compared within strata of opens, micro-conversions and recency, and
followed for the same `horizon_days`, which must be over for everybody.

Revenue is compared at the completers' mix of strata. It is skewed, so intervals come from a
Poisson bootstrap, and there is a second figure without the largest deals. Only converters have
revenue, so only they are resampled.
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
"""Upper ends of the bands of days from the last activity to the landmark."""

TRIMMED = 0.99
"""Deals above this quantile are left out of the trimmed revenue."""


@dataclass(frozen=True)
class LandmarkCohort:
    """Prospects at risk and active at their landmark, with complete follow-up.

    Attributes
    ----------
    prospect : ndarray of int64, shape (n,)
        Position in the study.
    at : ndarray of int64, shape (n,)
        The landmark, µs since 1970.
    stratum : ndarray of int64, shape (n,)
    converted : ndarray of bool, shape (n,)
        Whether they converted within the horizon.
    days : ndarray of float64, shape (n,)
        From first seen to the conversion; nan without one within the horizon.
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
    """Select the prospects of the landmark analysis.

    Parameters
    ----------
    study : Study
    human_events : HumanEvents
        Events that became known while at risk.
    settings : MeasureSettings
    among : ndarray of bool, shape (n_prospects,)
        Prospects of the population.

    Returns
    -------
    LandmarkCohort
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


def _stratum_counts(landmark: LandmarkCohort, completed: Bools) -> tuple[Floats, Floats]:
    """Count conversions and prospects by stratum, of the completers, then of the others."""
    size = N_STRATA * (len(RECENCY_BANDS) + 1)
    cell = np.where(completed, 0, size) + landmark.stratum
    people = np.bincount(cell, minlength=2 * size).reshape(2, size)
    cases = np.bincount(cell[landmark.converted], minlength=2 * size).reshape(2, size)
    return cases.astype(np.float64), people.astype(np.float64)


def landmark_ratio(landmark: LandmarkCohort, completed: Bools, *, confidence: float) -> Ratio:
    """Compute the ratio of conversion risks of completers and others, pooled over strata.

    Parameters
    ----------
    landmark : LandmarkCohort
    completed : ndarray of bool, shape (n,)
        Who had completed the sequence before the landmark.
    confidence : float

    Returns
    -------
    Ratio
    """
    cases, people = _stratum_counts(landmark, completed)
    return pooled_risk_ratio((cases[0], cases[1]), (people[0], people[1]), confidence=confidence)


@njit(cache=True, nogil=True)
def _state_before(offsets, changed_at, stratum, at):  # type: ignore[no-untyped-def]
    """Return each prospect's stratum before an instant, -1 without one, and its last change."""
    found = np.full(len(at), -1, np.int64)
    active_at = np.zeros(len(at), np.int64)
    for p in range(len(at)):
        for i in range(offsets[p], offsets[p + 1]):
            if changed_at[i] >= at[p]:
                break
            found[p], active_at[p] = stratum[i], changed_at[i]
    return found, active_at


@dataclass(frozen=True)
class Difference:
    """Means of completers and of similar others, and their difference with its interval."""

    completers: float
    others: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class RevenueComparison:
    """Revenue per prospect and length of the sales cycle of completers and similar others.

    Attributes
    ----------
    revenue, revenue_trimmed, lifetime_value : Difference
        Value of the first conversion within the horizon, the same without the largest deals,
        and value of all conversions before the end of the study.
    sales_cycle_days : Difference
        Days from first seen to conversion, of prospects who converted within the horizon.
    """

    revenue: Difference
    revenue_trimmed: Difference
    lifetime_value: Difference
    sales_cycle_days: Difference


@dataclass(frozen=True)
class BootstrapDraws:
    """Poisson bootstrap: the converters of a landmark cohort and their weights.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_converters,)
        Position in the cohort of the prospects who converted within the horizon or later.
    weights : ndarray of float32, shape (n_resamples, n_converters)
        How often each one is drawn in each resample.
    """

    rows: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]


def draw_bootstrap(landmark: LandmarkCohort, n_resamples: int, *, seed: int) -> BootstrapDraws:
    """Draw the resamples that all comparisons of a landmark cohort share.

    Parameters
    ----------
    landmark : LandmarkCohort
    n_resamples, seed : int

    Returns
    -------
    BootstrapDraws
    """
    rows = np.flatnonzero(landmark.converted | (landmark.lifetime_value != 0))
    rng = np.random.default_rng(seed)
    weights = rng.poisson(1.0, (n_resamples, len(rows))).astype(np.float32)
    return BootstrapDraws(rows, weights)


def compare_revenue(
    landmark: LandmarkCohort, completed: Bools, draws: BootstrapDraws, *, confidence: float
) -> RevenueComparison:
    """Compare revenue and sales cycle of completers and others, at the completers' strata.

    Parameters
    ----------
    landmark : LandmarkCohort
    completed : ndarray of bool, shape (n,)
        Who had completed the sequence before the landmark.
    draws : BootstrapDraws
    confidence : float

    Returns
    -------
    RevenueComparison
    """
    _, people = _stratum_counts(landmark, completed)
    both = (people[0] > 0) & (people[1] > 0)
    n_completers = people[0, both].sum()
    share = np.zeros(people.shape)
    if n_completers:
        share[0, both] = 1 / n_completers
        share[1, both] = people[0, both] / n_completers / people[1, both]
    side = np.where(completed, 0, 1)
    weight = share[side, landmark.stratum][draws.rows]
    chosen = completed[draws.rows]
    pair = np.where(chosen, weight, 0.0), np.where(chosen, 0.0, weight)
    value = landmark.value[draws.rows]
    large = value > np.quantile(value[value > 0], TRIMMED) if (value > 0).any() else value > 0
    converted = landmark.converted[draws.rows]
    days = np.where(converted, landmark.days[draws.rows], 0.0)

    amounts = (value, np.where(large, 0.0, value), landmark.lifetime_value[draws.rows])
    columns = [one * amount for amount in (*amounts, converted, days) for one in pair]
    totals = _totals(np.column_stack(columns), draws)
    revenue, trimmed, lifetime, counted, spent = (totals[:, k : k + 2] for k in range(0, 10, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        means = spent / counted
    return RevenueComparison(
        revenue=_difference(revenue, confidence),
        revenue_trimmed=_difference(trimmed, confidence),
        lifetime_value=_difference(lifetime, confidence),
        sales_cycle_days=_difference(means, confidence),
    )


def _totals(columns: Floats, draws: BootstrapDraws) -> Floats:
    """Sum each column as it is (first row), and over every resample, in one matrix product."""
    scale = np.maximum(np.abs(columns).max(axis=0, initial=0.0), 1e-300)
    resampled = draws.weights @ (columns / scale).astype(np.float32)
    return np.vstack([columns.sum(axis=0), resampled.astype(np.float64) * scale])


def _difference(totals: Floats, confidence: float) -> Difference:
    """Compute the difference of two columns, those of completers and others."""
    completers, others = totals[:, 0], totals[:, 1]
    resampled = (completers - others)[1:]
    resampled = resampled[np.isfinite(resampled)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail]) if len(resampled) else (np.nan, np.nan)
    first, second = float(completers[0]), float(others[0])
    return Difference(first, second, first - second, float(low), float(high))
