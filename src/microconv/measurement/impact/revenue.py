"""Revenue, lifetime value and length of the sales cycle: completers against comparable others.

The others are weighted so that their strata weigh as the completers' do. Money
is skewed, so intervals come from resampling, and beside the plain mean stands
one without the largest deals. Only converters have money, so only they are
resampled, each so many times as a Poisson draw of mean 1 says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from microconv.measurement.impact.landmark import LandmarkCohort, stratum_counts
from microconv.measurement.study.study import Bools, Floats

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
