"""CUPED: what is known from before the assignment takes noise out of the difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microconv.measurement.experiments.units import Floats


@dataclass(frozen=True)
class Adjusted:
    """A difference of means before and after the adjustment.

    Attributes
    ----------
    difference, low, high : float
        Adjusted, with Welch's interval.
    p_value : float
    variance_removed : float
        Share of the outcome's variance that the covariate explains, within arms.
    """

    difference: float
    low: float
    high: float
    p_value: float
    variance_removed: float


def adjust(
    one: tuple[Floats, Floats], other: tuple[Floats, Floats], *, confidence: float
) -> Adjusted | None:
    """Compare two means after taking out what a covariate from before explains.

    y − θ (x − mean of x), with θ = cov(x, y) / var(x) pooled within the arms.
    As x was fixed before the assignment the arms agree in it but for chance,
    so the adjustment moves no difference in expectation; a covariate from
    after the assignment would.

    Parameters
    ----------
    one, other : (ndarray, ndarray) of float64
        Outcome and covariate of each unit.
    confidence : float

    Returns
    -------
    Adjusted or None
        None where an arm has fewer than two units or the covariate is constant.

    Notes
    -----
    Deng, Xu, Kohavi and Walker, WSDM 2013.
    """
    from scipy.stats import ttest_ind

    if min(len(one[0]), len(other[0])) < 2:
        return None
    within = [(y - y.mean(), x - x.mean()) for y, x in (one, other)]
    spread = sum(float(x @ x) for _, x in within)
    scatter = sum(float(y @ y) for y, _ in within)
    if spread == 0 or scatter == 0:
        return None
    together = sum(float(x @ y) for y, x in within)
    theta = together / spread
    centre = np.concatenate([one[1], other[1]]).mean()
    y1, y2 = (y - theta * (x - centre) for y, x in (one, other))
    test = ttest_ind(y1, y2, equal_var=False)
    ends = test.confidence_interval(confidence)
    return Adjusted(
        float(y1.mean() - y2.mean()),
        float(ends.low),
        float(ends.high),
        float(test.pvalue),
        together**2 / (spread * scatter),
    )
