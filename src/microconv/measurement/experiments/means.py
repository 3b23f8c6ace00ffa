"""Differences of means: CUPED-adjusted outcomes, and bootstrapped revenue per unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microconv.measurement.experiments.units import Floats

WINSORIZE_AT = 0.99
"""Amounts above this quantile of the payers' are cut to it in the winsorized figure."""

MIN_PAYERS = 10


@dataclass(frozen=True)
class AdjustedDifference:
    """A difference of means after adjustment for a covariate.

    Attributes
    ----------
    difference, low, high : float
        With Welch's interval.
    p_value : float
    variance_removed : float
        Share of the outcome's variance that the covariate explains, within arms.
    """

    difference: float
    low: float
    high: float
    p_value: float
    variance_removed: float


def cuped_difference(
    one: tuple[Floats, Floats], other: tuple[Floats, Floats], *, confidence: float
) -> AdjustedDifference | None:
    """Compare two means after removing the variance that a pre-period covariate explains.

    y − θ (x − mean of x), with θ = cov(x, y) / var(x) pooled within the arms.
    As x was fixed before the assignment, the arms agree in it but for chance,
    so the adjustment changes no difference in expectation; a covariate from
    after the assignment would.

    Parameters
    ----------
    one, other : (ndarray, ndarray) of float64
        Outcome and covariate of each unit.
    confidence : float

    Returns
    -------
    AdjustedDifference or None
        None where an arm has fewer than two units or the covariate is constant.

    Notes
    -----
    Deng, Xu, Kohavi and Walker, WSDM 2013.
    """
    from scipy.stats import ttest_ind

    if min(len(one[0]), len(other[0])) < 2:
        return None
    within = [(y - y.mean(), x - x.mean()) for y, x in (one, other)]
    x_squares = sum(float(x @ x) for _, x in within)
    y_squares = sum(float(y @ y) for y, _ in within)
    if x_squares == 0 or y_squares == 0:
        return None
    products = sum(float(x @ y) for y, x in within)
    theta = products / x_squares
    centre = np.concatenate([one[1], other[1]]).mean()
    y1, y2 = (y - theta * (x - centre) for y, x in (one, other))
    test = ttest_ind(y1, y2, equal_var=False)
    interval = test.confidence_interval(confidence)
    return AdjustedDifference(
        float(y1.mean() - y2.mean()),
        float(interval.low),
        float(interval.high),
        float(test.pvalue),
        products**2 / (x_squares * y_squares),
    )


@dataclass(frozen=True)
class RevenueDifference:
    """Revenue per unit of one arm minus another's.

    Attributes
    ----------
    difference, low, high : float
        With the percentile interval of the bootstrap over units.
    winsorized, winsorized_low, winsorized_high : float
        The same with the largest amounts cut to the quantile :data:`WINSORIZE_AT`,
        so that one huge order cannot decide it.
    """

    difference: float
    low: float
    high: float
    winsorized: float
    winsorized_low: float
    winsorized_high: float


def revenue_difference(
    one: Floats, other: Floats, *, confidence: float, resamples: int, seed: int
) -> RevenueDifference | None:
    """Compare revenue per unit by bootstrap.

    Parameters
    ----------
    one, other : ndarray of float64
        Revenue of each unit of the two arms; 0 where nothing was bought.
    confidence : float
    resamples, seed : int

    Returns
    -------
    RevenueDifference or None
        None where fewer than :data:`MIN_PAYERS` units paid in either arm: so few
        say too little about the amounts that did not occur.
    """
    paid = [values[values != 0] for values in (one, other)]
    if min(len(values) for values in paid) < MIN_PAYERS:
        return None
    limit = np.quantile(np.concatenate(paid), WINSORIZE_AT)
    rng = np.random.default_rng(seed)
    sizes = (len(one), len(other))
    figures = []
    for amounts in (paid, [np.minimum(values, limit) for values in paid]):
        means = [
            _resampled_means(values, size, resamples, rng)
            for values, size in zip(amounts, sizes, strict=True)
        ]
        gap = means[0] - means[1]
        low, high = np.quantile(gap, [(1 - confidence) / 2, (1 + confidence) / 2])
        centre = amounts[0].sum() / sizes[0] - amounts[1].sum() / sizes[1]
        figures += [float(centre), float(low), float(high)]
    return RevenueDifference(*figures)


def _resampled_means(paid: Floats, size: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Bootstrap the mean over `size` units of whom only some paid.

    A resample of all units holds a binomial number of payers, each any of the
    payers alike: drawing just those is the same bootstrap without the zeros.
    """
    payers = rng.binomial(size, len(paid) / size, resamples)
    sums = np.array([paid[rng.integers(0, len(paid), count)].sum() for count in payers])
    return sums / size
