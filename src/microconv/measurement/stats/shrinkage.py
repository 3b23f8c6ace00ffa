"""Empirical Bayes shrinkage of the response rates of groups (beta-binomial model).

A group's rate is drawn from a beta distribution with mean m and strength κ (as many trials as
the prior counts for); its successes are binomial. κ is estimated by maximum likelihood. The
shrunk rate of a group is (κ m + successes) / (κ + trials).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microconv.measurement.study.study import Floats

MIN_STRENGTH, MAX_STRENGTH = 1.0, 1e6
"""Bounds of the prior strength; groups that differ no more than by chance get the upper one."""


@dataclass(frozen=True)
class ShrunkRates:
    """Shrunk rates of groups.

    Attributes
    ----------
    rate, low, high : ndarray of float64, shape (n_groups,)
        Posterior mean and central posterior interval.
    """

    rate: Floats
    low: Floats
    high: Floats


def fit_prior_strength(successes: Floats, trials: Floats, mean: Floats) -> float:
    """Estimate the prior strength by maximum likelihood.

    Parameters
    ----------
    successes, trials : ndarray of float64, shape (n_groups,)
    mean : ndarray of float64, shape (n_groups,)
        Expected rate of each group, strictly between 0 and 1.

    Returns
    -------
    float
        :data:`MAX_STRENGTH` with fewer than two groups with trials.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import betaln

    some = (trials > 0) & np.isfinite(mean)
    if some.sum() < 2:
        return MAX_STRENGTH
    successes, trials, mean = successes[some], trials[some], mean[some]

    def negative_log_likelihood(log_strength: float) -> float:
        a, b = np.exp(log_strength) * mean, np.exp(log_strength) * (1 - mean)
        return -float((betaln(a + successes, b + trials - successes) - betaln(a, b)).sum())

    grid = np.linspace(np.log(MIN_STRENGTH), np.log(MAX_STRENGTH), 60)
    best = int(np.argmin([negative_log_likelihood(x) for x in grid]))
    around = (grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)])
    return float(
        np.exp(minimize_scalar(negative_log_likelihood, bounds=around, method="bounded").x)
    )


def shrink_rates(
    successes: Floats, trials: Floats, mean: Floats, *, strength: Floats | float, confidence: float
) -> ShrunkRates:
    """Shrink the rates of groups towards their expected rates.

    Parameters
    ----------
    successes, trials, mean : ndarray of float64, shape (n_groups,)
        As for :func:`fit_prior_strength`.
    strength : ndarray or float
        Prior strength, as the number of trials that it counts for.
    confidence : float

    Returns
    -------
    ShrunkRates

    Examples
    --------
    >>> one = shrink_rates(
    ...     np.array([1.0]), np.array([10.0]), np.array([0.3]), strength=20, confidence=0.95
    ... )
    >>> round(float(one.rate[0]), 4)  # (20 × 0.3 + 1) / (20 + 10)
    0.2333
    """
    from scipy.stats import beta

    a, b = strength * mean + successes, strength * (1 - mean) + trials - successes
    tail = (1 - confidence) / 2
    return ShrunkRates(a / (a + b), beta.ppf(tail, a, b), beta.ppf(1 - tail, a, b))
