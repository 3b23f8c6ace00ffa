"""Two shares compared: difference and ratio with intervals, and a test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEW = 5
"""With an expected count below this the normal approximation gives way to Fisher's exact test."""


@dataclass(frozen=True)
class Comparison:
    """How much more often something happened in one group than in another.

    Attributes
    ----------
    difference, low, high : float
        Of the shares, with Newcombe's hybrid score interval.
    ratio, ratio_low, ratio_high : float or None
        Of the shares, with the log interval adjusted by a half; None where the
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


def share_interval(count: int, size: int, *, confidence: float) -> tuple[float, float]:
    """Give Wilson's score interval of a share.

    Examples
    --------
    >>> low, high = share_interval(81, 263, confidence=0.95)
    >>> round(low, 4), round(high, 4)  # Newcombe (1998), table I
    (0.2553, 0.3662)
    """
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(count, size, alpha=1 - confidence, method="wilson")
    return float(low), float(high)


def compare_shares(
    one: tuple[int, int], other: tuple[int, int], *, confidence: float
) -> Comparison:
    """Compare the share of one group with that of another.

    Parameters
    ----------
    one, other : (int, int)
        How many did it, and how many there are (at least 1).
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
    from scipy.stats import fisher_exact, norm

    pooled = (one[0] + other[0]) / (one[1] + other[1])
    if min(one[1], other[1]) * min(pooled, 1 - pooled) < FEW:
        table = [[one[0], one[1] - one[0]], [other[0], other[1] - other[0]]]
        return float(fisher_exact(table).pvalue)
    error = np.sqrt(pooled * (1 - pooled) * (1 / one[1] + 1 / other[1]))
    return float(2 * norm.sf(abs(one[0] / one[1] - other[0] / other[1]) / error))
