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

from microconv.measurement.landmark import Landmark, tables_of
from microconv.measurement.study import Bools, Floats

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

    def sums(amount: Floats) -> Difference:
        return _difference(
            _totals(pair[0] * amount, resamples), _totals(pair[1] * amount, resamples), confidence
        )

    counted = [_totals(one * won, resamples) for one in pair]
    spent = [_totals(one * days, resamples) for one in pair]
    with np.errstate(divide="ignore", invalid="ignore"):
        means = [a / b for a, b in zip(spent, counted, strict=True)]
    return Money(
        revenue=sums(value),
        trimmed=sums(np.where(large, 0.0, value)),
        lifetime=sums(landmark.lifetime_value[resamples.rows]),
        cycle=_difference(means[0], means[1], confidence),
    )


def _totals(amount: Floats, resamples: Resamples) -> Floats:
    """Sum as it is, then over every resample."""
    return np.append(amount.sum(), resamples.times @ amount)


def _difference(ours: Floats, others: Floats, confidence: float) -> Difference:
    gap = (ours - others)[1:]
    gap = gap[np.isfinite(gap)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(gap, [tail, 1 - tail]) if len(gap) else (np.nan, np.nan)
    first, second = float(ours[0]), float(others[0])
    return Difference(first, second, first - second, float(low), float(high))
