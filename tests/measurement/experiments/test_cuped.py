from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from microconv.measurement.experiments.cuped import adjust


def planted(rng, n, effect, slope):
    """Draw two arms whose outcome follows a covariate from before."""
    sides = []
    for shift in (effect, 0.0):
        before = rng.standard_normal(n)
        sides.append((shift + slope * before + rng.standard_normal(n), before))
    return sides


def test_the_adjusted_difference_is_that_of_a_regression_on_arm_and_covariate():
    """Ordinary least squares on arm and covariate makes the same adjustment."""
    one, other = planted(np.random.default_rng(1), 400, 0.3, 1.5)
    arm = np.repeat([1.0, 0.0], 400)
    design = sm.add_constant(np.column_stack([arm, np.concatenate([one[1], other[1]])]))
    fitted = sm.OLS(np.concatenate([one[0], other[0]]), design).fit()
    found = adjust(one, other, confidence=0.95)
    assert found.difference == pytest.approx(fitted.params[1])
    assert (found.low, found.high) == pytest.approx(tuple(fitted.conf_int()[1]), rel=0.02)


def test_it_takes_out_the_share_of_variance_that_the_covariate_explains():
    """With slope 1.5 that is 1.5² / (1.5² + 1) = 69 %, and the interval shrinks by its root."""
    one, other = planted(np.random.default_rng(2), 20_000, 0.0, 1.5)
    found = adjust(one, other, confidence=0.95)
    assert found.variance_removed == pytest.approx(1.5**2 / (1.5**2 + 1), abs=0.01)
    plain = 2 * 1.96 * np.sqrt(2 * (1.5**2 + 1) / 20_000)
    assert found.high - found.low == pytest.approx(plain * np.sqrt(1 / (1.5**2 + 1)), rel=0.03)


@pytest.mark.parametrize(
    "sides",
    [
        ((np.array([1.0]), np.array([2.0])), (np.array([1.0, 0.0]), np.array([1.0, 2.0]))),
        ((np.array([1.0, 0.0]), np.ones(2)), (np.array([1.0, 0.0]), np.ones(2))),
    ],
    ids=["one unit", "nobody did anything before"],
)
def test_nothing_is_adjusted_where_there_is_nothing_to_adjust_by(sides):
    """Then the plain difference stands alone, and no figure is made up."""
    assert adjust(*sides, confidence=0.95) is None
