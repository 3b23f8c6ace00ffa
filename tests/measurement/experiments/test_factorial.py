"""Factorial experiments, against regression and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from microconv.measurement.experiments.factorial import factor_effects, missing_combinations

ARMS = ("plain read", "plain go", "bold read", "bold go")
FACTORS = {
    "subject": dict(zip(ARMS, ("plain", "plain", "bold", "bold"), strict=True)),
    "cta": dict(zip(ARMS, ("read", "go", "read", "go"), strict=True)),
}
DONE, SIZE = np.array([200, 300, 250, 500]), np.array([2000, 1900, 2100, 2000])


def regression():
    """Fit the saturated linear model with sum-to-zero coding on the units."""
    rows = [
        {"y": float(k < done), "subject": FACTORS["subject"][arm], "cta": FACTORS["cta"][arm]}
        for arm, done, size in zip(ARMS, DONE, SIZE, strict=True)
        for k in range(size)
    ]
    return smf.ols("y ~ C(subject, Sum) * C(cta, Sum)", pd.DataFrame(rows)).fit(cov_type="HC0")


def test_main_effects_and_interaction_are_those_of_a_regression():
    """Sum-to-zero coding halves a main effect and quarters a two-by-two interaction."""
    subject, cta, both = factor_effects(FACTORS, ARMS, (DONE, SIZE), confidence=0.95)
    fitted = regression()
    names = [n for n in fitted.params.index if n != "Intercept"]
    main_subject, main_cta, together = (fitted.params[name] for name in names)
    assert subject.difference == pytest.approx(2 * abs(main_subject))
    assert cta.difference == pytest.approx(2 * abs(main_cta))
    assert both.difference == pytest.approx(4 * abs(together))
    reach = 1.96 * 4 * fitted.bse[names[2]]
    assert both.high - both.difference == pytest.approx(reach, rel=0.01)
    assert (subject.kind, both.kind) == ("main", "interaction")
    assert both.factor == "subject × cta"


def test_effects_by_hand():
    """Shares .10, .1579, .1190, .25: the CTA adds the mean of .0579 and .1310."""
    _, cta, both = factor_effects(FACTORS, ARMS, (DONE, SIZE), confidence=0.95)
    assert cta.difference == pytest.approx(((300 / 1900 - 0.1) + (0.25 - 250 / 2100)) / 2)
    assert both.difference == pytest.approx((0.25 - 250 / 2100) - (300 / 1900 - 0.1))
    assert cta.level == "go instead of read"


def test_a_third_factor_is_averaged_out():
    """Eight arms: an interaction of two factors is the mean over the third's levels."""
    arms = tuple(f"{a}{b}{c}" for a in "01" for b in "01" for c in "01")
    factors = {name: {arm: arm[k] for arm in arms} for k, name in enumerate("abc")}
    done = np.array([100, 110, 120, 130, 140, 150, 200, 230])
    size = np.full(8, 1000)
    found = {
        c.factor: c.difference for c in factor_effects(factors, arms, (done, size), confidence=0.9)
    }
    share = (done / size).reshape(2, 2, 2)
    expected = (share[1, 1] - share[1, 0] - share[0, 1] + share[0, 0]).mean()
    assert found["a × b"] == pytest.approx(expected)
    assert found["a"] == pytest.approx(share[1].mean() - share[0].mean())


def test_missing_combinations_are_listed():
    """Two factors that always change together cannot be separated."""
    factors = {"subject": {"A": "plain", "B": "bold"}, "cta": {"A": "read", "B": "go"}}
    assert missing_combinations(factors, ("A", "B")) == ["plain, go", "bold, read"]
    assert missing_combinations(FACTORS, ARMS) == []
