"""Sequential testing: the error over all looks, and an oracle that follows the blocks."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from microconv.measurement.experiments.sequential import confidence_sequence

DAYS, PER_DAY = 30, 40


def drawn(rng, rates, days=DAYS, per_day=PER_DAY):
    """Draw a test day by day: successes and units so far, of each arm."""
    arms = []
    for rate in rates:
        units = rng.binomial(2 * per_day, 0.5, days)
        arms.append((np.cumsum(rng.binomial(units, rate)), np.cumsum(units)))
    return arms


def looked_at_with_a_fixed_test(one, other):
    """Return whether a test for a fixed sample size is significant at any look."""
    (s, n), (t, m) = one, other
    pooled = (s + t) / (n + m)
    z = (s / n - t / m) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return bool((np.abs(z) > norm.isf(0.025)).any())


def test_daily_looks_at_aa_tests_are_significant_in_less_than_5_percent():
    """With a test for a fixed sample size it is more than one in five."""
    rng = np.random.default_rng(1)
    ours = fixed = 0
    for _ in range(120):
        one, other = drawn(rng, (0.1, 0.1))
        ours += confidence_sequence(one, other, confidence=0.95).significant[-1]
        fixed += looked_at_with_a_fixed_test(one, other)
    assert ours <= 6
    assert fixed >= 24


def test_all_looks_together_hold_the_true_difference():
    """One look outside the interval is a failure of the whole sequence."""
    rng = np.random.default_rng(2)
    failures = 0
    for _ in range(60):
        looks = confidence_sequence(*drawn(rng, (0.30, 0.22)), confidence=0.9)
        failures += bool(((looks.low > 0.08) | (looks.high < 0.08)).any())
    assert failures <= 6


def test_a_real_difference_is_found():
    """An interval that never excludes 0 would be valid too."""
    rng = np.random.default_rng(3)
    found = [
        confidence_sequence(*drawn(rng, (0.15, 0.10), days=60), confidence=0.95) for _ in range(20)
    ]
    assert sum(looks.significant[-1] for looks in found) >= 15
    widths = [looks.high[-1] - looks.low[-1] for looks in found]
    fixed = 2 * 1.96 * np.sqrt((0.15 * 0.85 + 0.1 * 0.9) / (60 * PER_DAY))
    assert np.median(widths) < 1.8 * fixed


def slow_evidence(d, one, other):
    """Multiply e-values block by block, the nearest pair found by a library's minimiser."""
    evidence, past = 0.0, np.zeros(4)
    for block in np.diff(np.array([*one, *other]), prepend=0, axis=1).T:
        s, n, t, m = block
        common = (past[0] + past[2] + 0.5) / (past[1] + past[3] + 1)
        weight = (1 - common) / common / 0.04
        p = (past[0] + weight * common) / (past[1] + weight)
        q = (past[2] + weight * common) / (past[3] + weight)

        def divergence(rate, p=p, q=q, n=n, m=m):
            pairs = ((p, rate + d, n), (q, rate, m))
            return sum(k * (a * log(a / b) + (1 - a) * log((1 - a) / (1 - b))) for a, b, k in pairs)

        limits = (max(0, -d) + 1e-12, min(1, 1 - d) - 1e-12)
        near = minimize_scalar(divergence, bounds=limits, options={"xatol": 1e-12}).x
        evidence += s * log(p / (near + d)) + (n - s) * log((1 - p) / (1 - near - d))
        evidence += t * log(q / near) + (m - t) * log((1 - q) / (1 - near))
        past += block
    return evidence


def test_the_ends_are_where_the_evidence_reaches_its_limit():
    """The ends solve log e(d) = log 20; the oracle walks the blocks with another minimiser."""
    one, other = drawn(np.random.default_rng(5), (0.4, 0.3), days=8)
    looks = confidence_sequence(one, other, confidence=0.95)
    for end in (looks.low[-1], looks.high[-1]):
        assert slow_evidence(end, one, other) == pytest.approx(log(20), abs=1e-3)


def test_an_arm_without_units_gives_no_difference():
    """Until both arms have units nearly every difference is possible."""
    looks = confidence_sequence(
        (np.array([3, 3]), np.array([10, 10])), (np.array([0, 4]), np.array([0, 12])),
        confidence=0.95,
    )  # fmt: skip
    assert np.isnan(looks.difference[0])
    assert looks.low[0] < -0.9
    assert looks.high[0] > 0.7
    assert not looks.significant.any()
