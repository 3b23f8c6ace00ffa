"""Estimators of shares and ratios with their confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, nan, sqrt

import numpy as np
import numpy.typing as npt

from microconv.measurement.study.study import Floats


@dataclass(frozen=True)
class Ratio:
    """A ratio, its confidence interval, and the two-sided p-value of the ratio being 1.

    All nan where the data do not determine a ratio.
    """

    ratio: float
    low: float
    high: float
    p: float

    @property
    def conservative(self) -> float:
        """The end of the interval nearer to 1; 1 if the interval contains 1."""
        return self.low if self.low > 1 else self.high if self.high < 1 else 1.0


UNKNOWN = Ratio(nan, nan, nan, nan)


def wilson_interval(
    count: npt.ArrayLike, total: npt.ArrayLike, *, confidence: float
) -> tuple[Floats, Floats]:
    """Compute Wilson's confidence interval of shares; nan where the total is 0.

    Parameters
    ----------
    count, total : array_like, shape (n,)
        Successes and trials; may be sums of weights.
    confidence : float

    Returns
    -------
    low, high : ndarray of float64, shape (n,)
    """
    from statsmodels.stats.proportion import proportion_confint

    count, total = np.asarray(count, dtype=float), np.asarray(total, dtype=float)
    some = total > 0
    low, high = np.full(count.shape, nan), np.full(count.shape, nan)
    low[some], high[some] = proportion_confint(
        count[some], total[some], alpha=1 - confidence, method="wilson"
    )
    return low, high


def rate_ratio(
    events: tuple[float, float], time: tuple[float, float], *, confidence: float
) -> Ratio:
    """Compute the exact ratio of two Poisson rates, conditional on the total count.

    Parameters
    ----------
    events, time : tuple of float
        Events and person-time of the exposed, and of the comparator.
    confidence : float

    Returns
    -------
    Ratio
        With the Clopper-Pearson interval of the exposed share of the events.

    References
    ----------
    Przyborowski & Wilenski (1940), Biometrika 31, 313-323.
    """
    from scipy.stats import beta, binom

    (a, b), (exposed, other) = events, time
    if a + b == 0 or exposed <= 0 or other <= 0:
        return UNKNOWN
    tail = (1 - confidence) / 2
    share_low = float(beta.ppf(tail, a, b + 1)) if a else 0.0
    share_high = float(beta.ppf(1 - tail, a + 1, b)) if b else 1.0
    even = exposed / (exposed + other)
    p = 2 * min(binom.cdf(a, a + b, even), binom.sf(a - 1, a + b, even))

    def as_ratio(share: float) -> float:
        return share / (1 - share) * other / exposed if share < 1 else inf

    ratio = a / exposed / (b / other) if b else inf
    return Ratio(ratio, as_ratio(share_low), as_ratio(share_high), min(1.0, float(p)))


def pooled_rate_ratio(
    events: tuple[Floats, Floats], time: tuple[Floats, Floats], *, confidence: float
) -> Ratio:
    """Compute the Mantel-Haenszel ratio of rates (variance: Greenland & Robins 1985).

    Parameters
    ----------
    events, time : tuple of ndarray of float64, shape (n_strata,)
        Events and person-time of the exposed, and of the comparator.
    confidence : float

    Returns
    -------
    Ratio
    """
    (a, b), (exposed, other) = events, time
    both = (exposed > 0) & (other > 0)
    a, b, exposed, other = a[both], b[both], exposed[both], other[both]
    total = exposed + other
    over, under = float((a * other / total).sum()), float((b * exposed / total).sum())
    variance = float(((a + b) * exposed * other / total**2).sum())
    return _log_normal(over, under, variance, confidence)


def pooled_risk_ratio(
    cases: tuple[Floats, Floats], people: tuple[Floats, Floats], *, confidence: float
) -> Ratio:
    """Compute the Mantel-Haenszel ratio of risks (variance: Greenland & Robins 1985).

    Parameters
    ----------
    cases, people : tuple of ndarray of float64, shape (n_strata,)
        Cases, and all people, among the exposed and the comparator.
    confidence : float

    Returns
    -------
    Ratio
    """
    (a, c), (exposed, other) = cases, people
    both = (exposed > 0) & (other > 0)
    a, c, exposed, other = a[both], c[both], exposed[both], other[both]
    total = exposed + other
    over, under = float((a * other / total).sum()), float((c * exposed / total).sum())
    variance = float((((a + c) * exposed * other - a * c * total) / total**2).sum())
    return _log_normal(over, under, variance, confidence)


def _log_normal(over: float, under: float, variance: float, confidence: float) -> Ratio:
    """Build the ratio of two pooled sums, with a normal interval of its logarithm."""
    from scipy.stats import norm

    if over <= 0 or under <= 0:
        return UNKNOWN
    middle, spread = log(over / under), sqrt(variance / (over * under))
    width = float(norm.ppf((1 + confidence) / 2)) * spread
    p = float(2 * norm.sf(abs(middle) / spread)) if spread > 0 else nan
    return Ratio(exp(middle), exp(middle - width), exp(middle + width), p)


def benjamini_hochberg(p: Floats, *, rate: float) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Correct p-values for multiple tests (Benjamini & Hochberg).

    Parameters
    ----------
    p : ndarray of float64, shape (n_tests,)
        Tests with nan are not counted.
    rate : float
        False discovery rate.

    Returns
    -------
    significant : ndarray of bool, shape (n_tests,)
    q_value : ndarray of float64, shape (n_tests,)
    """
    from statsmodels.stats.multitest import multipletests

    made = np.isfinite(p)
    found, q = np.zeros(len(p), bool), np.full(len(p), nan)
    if made.any():
        found[made], q[made] = multipletests(p[made], alpha=rate, method="fdr_bh")[:2]
    return found, q
