"""Confidence intervals and ratios, against R, statsmodels and hand calculations."""

from __future__ import annotations

from math import exp, isnan, log, sqrt

import numpy as np
import pytest

from microconv.measurement.stats.intervals import (
    benjamini_hochberg,
    pooled_rate_ratio,
    pooled_risk_ratio,
    rate_ratio,
    wilson_interval,
)

ILL_WELL = np.array(
    [
        (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619),
        (33, 5036, 47, 5761), (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892),
        (29, 7470, 45, 7232), (17, 1699, 65, 1600), (186, 50448, 141, 27197), (5, 2493, 3, 2338),
        (27, 16886, 29, 17825),
    ],
    dtype=float,
)  # fmt: skip
"""Thirteen trials of a vaccine: ill and well, vaccinated and not (metafor's `dat.bcg`)."""


def test_wilson_by_hand():
    """8 of 10 at 95 %: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)."""
    z, p, n = 1.959964, 0.8, 10
    middle, half = p + z**2 / (2 * n), z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = wilson_interval([8, 0], [10, 0], confidence=0.95)
    assert low[0] == pytest.approx((middle - half) / (1 + z**2 / n), abs=1e-6)
    assert high[0] == pytest.approx((middle + half) / (1 + z**2 / n), abs=1e-6)
    assert np.isnan([low[1], high[1]]).all()


def test_the_pooled_risk_ratio_equals_that_of_r():
    """R: metafor::rma.mh(measure="RR", data=dat.bcg) gives 0.6353 [0.5881, 0.6862]."""
    a, b, c, d = ILL_WELL.T
    found = pooled_risk_ratio((a, c), (a + b, c + d), confidence=0.95)
    assert log(found.ratio) == pytest.approx(-0.4537, abs=5e-5)
    assert (found.ratio, found.low, found.high) == pytest.approx((0.6353, 0.5881, 0.6862), abs=5e-5)


def test_the_pooled_risk_ratio_equals_that_of_statsmodels():
    """Its estimate; it has no interval of its own."""
    from statsmodels.stats.contingency_tables import StratifiedTable

    random = np.random.default_rng(2)
    tables = random.integers(1, 40, (7, 4)).astype(float)
    a, b, c, d = tables.T
    reference = StratifiedTable([table.reshape(2, 2) for table in tables])
    found = pooled_risk_ratio((a, c), (a + b, c + d), confidence=0.9)
    assert found.ratio == pytest.approx(reference.riskratio_pooled)


def test_the_exact_rate_ratio_inverts_the_exact_test():
    """Each end of the interval is the ratio that a one-sided test just rejects."""
    from statsmodels.stats.rates import test_poisson_2indep as poisson_test

    found = rate_ratio((14, 21), (310.0, 1020.0), confidence=0.95)
    assert found.ratio == pytest.approx(14 / 310 / (21 / 1020))
    for end, side in ((found.low, "larger"), (found.high, "smaller")):
        test = poisson_test(14, 310, 21, 1020, value=end, method="exact-cond", alternative=side)
        assert test.pvalue == pytest.approx(0.025, rel=1e-6)


def test_no_event_on_one_side_leaves_the_interval_open():
    """Zero conversions are information; zero on both sides are none."""
    none = rate_ratio((0, 9), (50.0, 50.0), confidence=0.95)
    assert (none.ratio, none.low) == (0, 0)
    assert none.high == pytest.approx(1 / (1 / (1 - 0.025 ** (1 / 9)) - 1))
    assert isnan(rate_ratio((0, 0), (5.0, 5.0), confidence=0.95).ratio)


def test_the_pooled_rate_ratio_of_one_stratum_is_the_plain_one():
    """Variance of its logarithm: 1/a + 1/b."""
    found = pooled_rate_ratio(
        (np.array([30.0]), np.array([50.0])),
        (np.array([400.0]), np.array([900.0])),
        confidence=0.95,
    )
    ratio, width = 30 / 400 / (50 / 900), 1.959964 * sqrt(1 / 30 + 1 / 50)
    assert (found.ratio, found.low, found.high) == pytest.approx(
        (ratio, ratio * exp(-width), ratio * exp(width)), rel=1e-6
    )


def test_the_pooled_rate_ratio_agrees_with_poisson_regression():
    """The same model by maximum likelihood: close where strata are large."""
    import statsmodels.api as sm

    random = np.random.default_rng(4)
    exposed, other = random.uniform(2e3, 9e3, 6), random.uniform(2e3, 9e3, 6)
    base = random.uniform(0.01, 0.05, 6)
    a, b = random.poisson(1.8 * base * exposed), random.poisson(base * other)
    found = pooled_rate_ratio((a, b), (exposed, other), confidence=0.95)
    design = np.hstack([np.vstack([np.eye(6), np.eye(6)]), np.repeat([[1.0], [0.0]], 6, axis=0)])
    fitted = sm.GLM(
        np.append(a, b),
        design,
        family=sm.families.Poisson(),
        offset=np.log(np.append(exposed, other)),
    ).fit()
    assert log(found.ratio) == pytest.approx(fitted.params[-1], abs=0.01)
    spread = log(found.high / found.low) / (2 * 1.959964)
    assert spread == pytest.approx(fitted.bse[-1], rel=0.02)


def test_a_stratum_with_one_side_only_is_ignored():
    """Completers without similar others must not change the ratio."""
    a, b = np.array([30.0, 500.0]), np.array([50.0, 0.0])
    exposed, other = np.array([400.0, 600.0]), np.array([900.0, 0.0])
    found = pooled_rate_ratio((a, b), (exposed, other), confidence=0.95)
    assert found.ratio == pytest.approx(30 / 400 / (50 / 900))


def test_the_conservative_ratio_is_the_interval_end_nearer_to_one():
    """Sorting by it puts certain effects before large uncertain ones."""
    sure = rate_ratio((300, 200), (1000.0, 1000.0), confidence=0.95)
    assert sure.conservative == sure.low > 1
    assert rate_ratio((2, 1), (10.0, 10.0), confidence=0.95).conservative == 1


def test_benjamini_hochberg_by_hand():
    """Four made tests: 0.01 <= 1/4 · 5 %, 0.02 <= 2/4 · 5 %, 0.03 <= 3/4 · 5 %, 0.5 > 5 %."""
    found, q = benjamini_hochberg(np.array([0.5, np.nan, 0.03, 0.01, 0.02]), rate=0.05)
    assert found.tolist() == [False, False, True, True, True]
    assert q[3] == pytest.approx(0.04)
    assert isnan(q[1])
