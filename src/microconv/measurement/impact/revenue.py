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

from microconv.measurement.impact.landmark import Landmark, tables_of
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
class Money:
    """What completers brought beyond comparable others, per prospect, and how much sooner.

    Attributes
    ----------
    revenue, trimmed, lifetime : Difference
        Money of the first conversion within the horizon, the same without the
        largest deals, and money of all conversions to the end of the study.
    cycle : Difference
        Days from first seen to conversion, of those who converted in the horizon.
    """

    revenue: Difference
    trimmed: Difference
    lifetime: Difference
    cycle: Difference


@dataclass(frozen=True)
class Resamples:
    """The converters of a landmark, and how often each stands in each resample.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_converters,)
        Positions in the landmark: converters in the horizon or later.
    times : ndarray of float32, shape (n_resamples, n_converters)
    """

    rows: npt.NDArray[np.int64]
    times: npt.NDArray[np.float32]


def resample(landmark: Landmark, n_resamples: int, *, seed: int) -> Resamples:
    """Draw the resamples once for all comparisons."""
    rows = np.flatnonzero(landmark.converted | (landmark.lifetime_value != 0))
    rng = np.random.default_rng(seed)
    times = rng.poisson(1.0, (n_resamples, len(rows))).astype(np.float32)
    return Resamples(rows, times)


def compare_money(
    landmark: Landmark, completed: Bools, resamples: Resamples, *, confidence: float
) -> Money:
    """Compare completers with comparable others.

    Parameters
    ----------
    completed : ndarray of bool, shape (n,)
        Who had completed before the landmark.
    """
    _, people = tables_of(landmark, completed)
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
    return Money(
        revenue=_difference(revenue, confidence),
        trimmed=_difference(trimmed, confidence),
        lifetime=_difference(lifetime, confidence),
        cycle=_difference(means, confidence),
    )


def _totals(columns: Floats, resamples: Resamples) -> Floats:
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
