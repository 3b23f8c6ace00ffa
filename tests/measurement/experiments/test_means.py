"""Differences of means: CUPED against regression, revenue against another bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import bootstrap

from microconv.measurement.experiments.means import cuped_difference, revenue_difference


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
    found = cuped_difference(one, other, confidence=0.95)
    assert found.difference == pytest.approx(fitted.params[1])
    assert (found.low, found.high) == pytest.approx(tuple(fitted.conf_int()[1]), rel=0.02)


def test_it_removes_the_variance_that_the_covariate_explains():
    """With slope 1.5 that is 1.5² / (1.5² + 1) = 69 %, and the interval shrinks by its root."""
    one, other = planted(np.random.default_rng(2), 20_000, 0.0, 1.5)
    found = cuped_difference(one, other, confidence=0.95)
    assert found.variance_removed == pytest.approx(1.5**2 / (1.5**2 + 1), abs=0.01)
    plain = 2 * 1.96 * np.sqrt(2 * (1.5**2 + 1) / 20_000)
    assert found.high - found.low == pytest.approx(plain * np.sqrt(1 / (1.5**2 + 1)), rel=0.03)


@pytest.mark.parametrize(
    "sides",
    [
        ((np.array([1.0]), np.array([2.0])), (np.array([1.0, 0.0]), np.array([1.0, 2.0]))),
        ((np.array([1.0, 0.0]), np.ones(2)), (np.array([1.0, 0.0]), np.ones(2))),
    ],
    ids=["one unit", "no activity before"],
)
def test_there_is_no_adjustment_without_variation_before(sides):
    """Then there is only the plain difference."""
    assert cuped_difference(*sides, confidence=0.95) is None


def spending(rng, n, share, scale):
    """Draw revenue: most pay nothing, some a log-normal amount."""
    return np.where(rng.random(n) < share, rng.lognormal(3, 1, n) * scale, 0.0)


def test_the_interval_is_scipys_bootstrap_over_all_units():
    """Drawing only the payers is the same bootstrap as drawing all, without the zeros."""
    rng = np.random.default_rng(1)
    one, other = spending(rng, 900, 0.2, 1.3), spending(rng, 1100, 0.15, 1.0)
    ours = revenue_difference(one, other, confidence=0.9, resamples=20_000, seed=1)
    theirs = bootstrap(
        (one, other), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        confidence_level=0.9, n_resamples=4000, method="percentile", rng=2,
    ).confidence_interval  # fmt: skip
    assert ours.difference == pytest.approx(one.mean() - other.mean())
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.06 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.06 * width)


def test_one_huge_order_does_not_decide_the_winsorized_figure():
    """A single order of a million moves the mean and must not move the winsorized one."""
    rng = np.random.default_rng(2)
    one, other = spending(rng, 5000, 0.1, 1.0), spending(rng, 5000, 0.1, 1.0)
    usual = revenue_difference(one, other, confidence=0.95, resamples=500, seed=1)
    one[np.flatnonzero(one)[0]] = 1e6
    found = revenue_difference(one, other, confidence=0.95, resamples=500, seed=1)
    assert found.difference > 150
    assert abs(found.winsorized - usual.winsorized) < 1


def test_too_few_payers_give_no_interval():
    """Nine payers say too little about the amounts that did not occur."""
    few = np.r_[np.full(9, 50.0), np.zeros(500)]
    assert revenue_difference(few, few, confidence=0.95, resamples=200, seed=1) is None
