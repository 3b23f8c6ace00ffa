"""Proportions: the difference and the ratio of two of them."""

from __future__ import annotations

from dataclasses import dataclass

MIN_EXPECTED = 5
"""With a smaller expected count Fisher's exact test replaces the normal approximation."""


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
