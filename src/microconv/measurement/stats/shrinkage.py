"""Empirical Bayes: how far to believe a rate that few were asked for.

A group's count is beta-binomial: its own rate is drawn from a beta distribution
of mean m and strength κ (worth κ asks), and answers are drawn from that rate. The
strength is found by maximum likelihood from how much groups differ beyond
chance; a group's rate is then (κ m + done) / (κ + asked).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microconv.measurement.study.study import Floats

WEAKEST, STRONGEST = 1.0, 1e6
"""Limits of the strength: groups that differ less than by chance have the strongest."""


@dataclass(frozen=True)
class ShrunkRates:
    """Rates of groups, drawn towards what was expected of them.

    Attributes
    ----------
    rate, low, high : ndarray of float64, shape (n_groups,)
        Posterior mean, and the ends of the posterior's central interval.
    """

    rate: Floats
    low: Floats
    high: Floats


def fit_prior_strength(done: Floats, asked: Floats, mean: Floats) -> float:
    """Find the strength that makes the counts of the groups likeliest.

    Parameters
    ----------
    done, asked : ndarray of float64, shape (n_groups,)
    mean : ndarray of float64, shape (n_groups,)
        What is expected of each group, strictly between 0 and 1.

    Returns
    -------
    float
        :data:`STRONGEST` where fewer than two groups were asked anything, as
        nothing shows that they differ.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import betaln

    some = (asked > 0) & np.isfinite(mean)
    if some.sum() < 2:
        return STRONGEST
    done, asked, mean = done[some], asked[some], mean[some]

    def against(log_strength: float) -> float:
        a, b = np.exp(log_strength) * mean, np.exp(log_strength) * (1 - mean)
        return -float((betaln(a + done, b + asked - done) - betaln(a, b)).sum())

    grid = np.linspace(np.log(WEAKEST), np.log(STRONGEST), 60)
    best = int(np.argmin([against(x) for x in grid]))
    around = (grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)])
    return float(np.exp(minimize_scalar(against, bounds=around, method="bounded").x))


def shrink_rates(
    done: Floats, asked: Floats, mean: Floats, *, strength: Floats | float, confidence: float
) -> ShrunkRates:
    """Draw the rates of groups towards what was expected of them.

    Examples
    --------
    >>> one = shrink(
    ...     np.array([1.0]), np.array([10.0]), np.array([0.3]), strength=20, confidence=0.95
    ... )
    >>> round(float(one.rate[0]), 4)  # (20 × 0.3 + 1) / (20 + 10)
    0.2333
    """
    from scipy.stats import beta

    a, b = strength * mean + done, strength * (1 - mean) + asked - done
    tail = (1 - confidence) / 2
    return ShrunkRates(a / (a + b), beta.ppf(tail, a, b), beta.ppf(1 - tail, a, b))
