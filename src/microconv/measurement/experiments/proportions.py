"""Proportions: comparing two of them, and testing the sizes of arms (sample ratio mismatch)."""

from __future__ import annotations

from dataclasses import dataclass

from microconv.measurement.experiments.units import Floats, Ints

MIN_EXPECTED = 5
"""With a smaller expected count Fisher's exact test replaces the normal approximation."""

SAMPLE_RATIO_ALPHA = 0.001
"""Below this p-value the arms count as mismatched: one false alarm in a thousand experiments."""


@dataclass(frozen=True)
class Comparison:
    """How much more often something happened in one group than in another.

    Attributes
    ----------
    difference, low, high : float
        Of the proportions, with Newcombe's hybrid score interval.
    ratio, ratio_low, ratio_high : float or None
        Of the proportions, with the adjusted log interval; None where the
        other group's count is 0.
    p_value : float
        Two-sided: the pooled score test, Fisher's exact test for small counts.
    """

    difference: float
    low: float
    high: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    p_value: float


def compare_proportions(
    one: tuple[int, int], other: tuple[int, int], *, confidence: float
) -> Comparison:
    """Compare the proportion of one group with that of another.

    Parameters
    ----------
    one, other : (int, int)
        Count and size (at least 1).
    confidence : float

    Returns
    -------
    Comparison
        Of `one` minus, and over, `other`.

    Notes
    -----
    Newcombe, Statistics in Medicine 17 (1998), method 10.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    alpha = 1 - confidence
    low, high = confint_proportions_2indep(*one, *other, method="newcomb", alpha=alpha)
    share, base = one[0] / one[1], other[0] / other[1]
    ratio: tuple[float | None, float | None, float | None] = (None, None, None)
    if other[0] > 0:
        ends = confint_proportions_2indep(
            *one, *other, compare="ratio", method="log-adjusted", alpha=alpha
        )
        ratio = (share / base, float(ends[0]), float(ends[1]))
    return Comparison(share - base, float(low), float(high), *ratio, p_value=_test(one, other))


def _test(one: tuple[int, int], other: tuple[int, int]) -> float:
    from scipy.stats import fisher_exact
    from statsmodels.stats.proportion import proportions_ztest

    pooled = (one[0] + other[0]) / (one[1] + other[1])
    if min(one[1], other[1]) * min(pooled, 1 - pooled) < MIN_EXPECTED:
        table = [[one[0], one[1] - one[0]], [other[0], other[1] - other[0]]]
        return float(fisher_exact(table).pvalue)
    return float(proportions_ztest([one[0], other[0]], [one[1], other[1]])[1])


@dataclass(frozen=True)
class SampleRatio:
    """Expected sizes of the arms, and the chi-square test of the observed ones.

    Attributes
    ----------
    expected : ndarray of float64, shape (n_arms,)
    p_value : float
    mismatch : bool
    """

    expected: Floats
    p_value: float
    mismatch: bool


def check_sample_ratio(sizes: Ints, shares: Floats) -> SampleRatio:
    """Test the sizes of the arms against their intended shares.

    A mismatch means that units are missing from an arm, or were added to it,
    for a reason that may be related to the outcome: then no difference between
    the arms can be trusted.

    Parameters
    ----------
    sizes : ndarray of int64, shape (n_arms,)
    shares : ndarray of float64, shape (n_arms,)
        Intended; need not add up to 1.

    Returns
    -------
    SampleRatio

    Examples
    --------
    >>> import numpy as np
    >>> check_sample_ratio(np.array([500, 520]), np.array([1.0, 1.0])).mismatch
    False
    >>> check_sample_ratio(np.array([5800, 4200]), np.array([1.0, 1.0])).mismatch
    True
    """
    from scipy.stats import chisquare

    expected = sizes.sum() * shares / shares.sum()
    p_value = float(chisquare(sizes, expected).pvalue)
    return SampleRatio(expected, p_value, p_value < SAMPLE_RATIO_ALPHA)
