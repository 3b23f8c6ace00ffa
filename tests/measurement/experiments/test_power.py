from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from microconv.errors import SettingsError
from microconv.measurement.experiments.power import Design, detectable_effect, plan, units_needed


@pytest.mark.parametrize(
    ("design", "effect", "needed"),
    [
        (Design(0.50, power=0.90), 0.5, 77),  # power.prop.test(p1=.5, p2=.75, power=.9): 76.7
        (Design(0.10), 0.25, 2507),  # power.prop.test(p1=.1, p2=.125, power=.8): 2506.5
        (Design(0.10, arms=3), 0.25, 3035),  # ..., sig.level=.025): 3034.1 by the formula below
    ],
)
def test_the_size_is_the_one_that_r_gives(design, effect, needed):
    """Figures of R's `power.prop.test`, rounded up to whole units."""
    p, q = design.baseline, design.baseline * (1 + effect)
    level = norm.isf(design.alpha / (design.arms - 1) / 2)
    middle = (p + q) / 2
    spread = level * np.sqrt(2 * middle * (1 - middle))
    spread += norm.ppf(design.power) * np.sqrt(p * (1 - p) + q * (1 - q))
    assert np.ceil((spread / (p - q)) ** 2) == units_needed(design, effect)
    assert units_needed(design, effect) == pytest.approx(needed, abs=1)


def test_a_test_of_that_size_finds_the_effect_as_often_as_promised():
    """Eighty times in a hundred, drawn from the binomial directly."""
    size = units_needed(Design(0.10), 0.25)
    rng = np.random.default_rng(1)
    done = rng.binomial(size, [[0.125], [0.10]], (2, 4000)) / size
    pooled = done.mean(axis=0)
    z = (done[0] - done[1]) / np.sqrt(2 * pooled * (1 - pooled) / size)
    assert (np.abs(z) > norm.isf(0.025)).mean() == pytest.approx(0.8, abs=0.02)


def test_what_can_be_seen_is_the_inverse_of_what_is_needed():
    """Asked either way, the answer is one and the same."""
    design = Design(0.04, arms=4, power=0.9)
    assert detectable_effect(design, units_needed(design, 0.3)) == pytest.approx(0.3, abs=1e-3)
    assert detectable_effect(design, 2) is None


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: Design(0.0), "baseline"),
        (lambda: Design(0.1, arms=1), "arms"),
        (lambda: units_needed(Design(0.6), 0.9), "1.14"),
        (lambda: units_needed(Design(0.6), 0.0), "relative effect of 0"),
        (lambda: plan(Design(0.1), effect=None, units=None, per_day=None), "--effect"),
        (lambda: plan(Design(0.1), effect=0.1, units=None, per_day=0), "per_day"),
    ],
    ids=["no share", "one arm", "above all", "none", "nothing asked", "never"],
)
def test_what_cannot_be_planned_is_refused(call, word):
    """One sentence with the value that is wrong."""
    with pytest.raises(SettingsError, match=word):
        call()


def test_the_plan_says_how_long_it_takes():
    """2 × 2,507 units at 60 a day are 84 days."""
    (says,) = plan(Design(0.10), effect=0.25, units=None, per_day=60)
    assert "2,507" in says
    assert "84 days" in says
