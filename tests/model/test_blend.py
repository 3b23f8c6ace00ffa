"""The blend: its weight, its parts."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from microconv.model.blend import Blend, choose_weight
from microconv.model.boosted import Boosted, fit_boosted
from microconv.model.calibration import UNCALIBRATED, Calibration, sigmoid
from microconv.model.linear import Linear, fit_linear
from microconv.settings import BoostedSettings, LinearSettings

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(5, 600)).astype(np.float32)
VALUES[1, ::7] = np.nan
LABELS = RNG.random(600) < sigmoid(1.5 * VALUES[0])


@cache
def parts() -> tuple[Boosted, Linear]:
    """Fit trees and regression, once."""
    few = BoostedSettings(num_iterations=20)
    boosted = fit_boosted(VALUES, LABELS, np.ones(600), few, seed=1, threads=1)
    return boosted, fit_linear(VALUES, LABELS, np.ones(600), LinearSettings())


def said_and_happened(rows: int, seed: int, noise: tuple[float, float]):
    """Two opinions of one truth, each with its own noise; two rows a prospect."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1.5, rows)
    opinions = [truth + scale * rng.normal(size=rows) for scale in noise]
    return *opinions, rng.random(rows) < sigmoid(truth), np.arange(rows) // 2


def test_equals_are_averaged():
    """Two equally good models keep equal shares in most draws: noise moves nothing."""
    weights = [choose_weight(*said_and_happened(600, seed, (1, 1))) for seed in range(20)]
    assert sum(weight == 0.5 for weight in weights) >= 17


@pytest.mark.parametrize(("noise", "low", "high"), [((0.1, 4), 0.75, 1), ((4, 0.1), 0, 0.25)])
def test_a_much_worse_half_loses_its_say(noise, low, high):
    """The trees' share follows who was right."""
    assert low <= choose_weight(*said_and_happened(2000, 1, noise)) <= high


def test_the_logit_is_the_weighted_mean_plus_level():
    """By the formula, with numbers of the two parts."""
    blend = Blend(*parts(), 0.3, UNCALIBRATED, 0.2)
    trees, line = parts()
    expected = 0.3 * trees.logit(VALUES) + 0.7 * line.logit(VALUES) + 0.2
    assert blend.logit(VALUES) == pytest.approx(expected, abs=1e-12)
    assert blend.predict(VALUES) == pytest.approx(1 / (1 + np.exp(-expected)), abs=1e-12)


@pytest.mark.parametrize(
    "calibration",
    [
        UNCALIBRATED,
        Calibration("sigmoid", 0.6, 0.6, -0.3),
        Calibration("beta", 1.4, 0.5, 0.2),
        Calibration("beta", 0.0, 0.0, 0.2),
    ],
    ids=["none", "sigmoid", "beta", "flat"],
)
def test_contributions_sum_to_the_logit_through_any_calibration(calibration):
    """Reasons add up to the probability on the list."""
    blend = Blend(*parts(), 0.6, calibration, -0.1)
    split = blend.contributions(VALUES)
    assert np.allclose(split.sum(axis=1), blend.logit(VALUES), rtol=0, atol=1e-9)


def test_a_sigmoid_scales_contributions_by_its_slope():
    """An affine map of the logit is the same map of each part."""
    plain = Blend(*parts(), 0.6).contributions(VALUES)
    scaled = Blend(*parts(), 0.6, Calibration("sigmoid", 0.5, 0.5, 1.0)).contributions(VALUES)
    assert np.allclose(scaled[:, :-1], 0.5 * plain[:, :-1], rtol=0, atol=1e-9)
    assert np.allclose(scaled[:, -1], 0.5 * plain[:, -1] + 1.0, rtol=0, atol=1e-9)


def test_json_and_the_trees_text_keep_every_bit():
    """The artefact holds the blend as these two."""
    blend = Blend(*parts(), 0.35, Calibration("beta", 1.4, 0.5, 0.2), 0.05)
    again = Blend.from_json(blend.to_json(), blend.boosted.text)
    assert np.array_equal(again.logit(VALUES), blend.logit(VALUES))
