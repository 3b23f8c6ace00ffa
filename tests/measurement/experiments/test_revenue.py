from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from microconv.measurement.experiments.revenue import compare_revenue


def spending(rng, n, share, scale):
    """Draw revenue: most pay nothing, some a log-normal amount."""
    return np.where(rng.random(n) < share, rng.lognormal(3, 1, n) * scale, 0.0)


def test_the_interval_is_scipys_bootstrap_over_all_units():
    """Drawing only the payers is the same bootstrap as drawing all, without the zeros."""
    rng = np.random.default_rng(1)
    one, other = spending(rng, 900, 0.2, 1.3), spending(rng, 1100, 0.15, 1.0)
    ours = compare_revenue(one, other, confidence=0.9, resamples=20_000, seed=1)
    theirs = bootstrap(
        (one, other), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        confidence_level=0.9, n_resamples=4000, method="percentile", rng=2,
    ).confidence_interval  # fmt: skip
    assert ours.difference == pytest.approx(one.mean() - other.mean())
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.06 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.06 * width)


def test_one_huge_order_does_not_carry_the_winsorized_figure():
    """A single order of a million moves the mean and must not move the winsorized one."""
    rng = np.random.default_rng(2)
    one, other = spending(rng, 5000, 0.1, 1.0), spending(rng, 5000, 0.1, 1.0)
    usual = compare_revenue(one, other, confidence=0.95, resamples=500, seed=1)
    one[np.flatnonzero(one)[0]] = 1e6
    found = compare_revenue(one, other, confidence=0.95, resamples=500, seed=1)
    assert found.difference > 150
    assert abs(found.winsorized - usual.winsorized) < 1


def test_too_few_payers_give_no_interval():
    """Nine payers cannot show what a resample of them never holds."""
    few = np.r_[np.full(9, 50.0), np.zeros(500)]
    assert compare_revenue(few, few, confidence=0.95, resamples=200, seed=1) is None
