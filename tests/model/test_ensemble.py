"""The ensemble: its weights, its parts."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from microconv.model.booster import Booster
from microconv.model.calibration import UNCALIBRATED, Calibration, Holdout
from microconv.model.ensemble import BASE_MODELS, EQUAL_WEIGHTS, Ensemble, choose_weights
from microconv.model.hazard import Hazard
from microconv.model.logistic import sigmoid
from microconv.model.regression import Regression, fit_regression
from microconv.model.trees import ConversionTrees, fit_trees
from microconv.settings import RegressionSettings, TreeSettings
from worlds.saved_parts import as_json

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(5, 600)).astype(np.float32)
VALUES[1, ::7] = np.nan
LABELS = RNG.random(600) < sigmoid(1.5 * VALUES[0])
SHARES = (0.3, 0.1, 0.6)


@cache
def parts() -> tuple[ConversionTrees, Hazard, Regression]:
    """Fit trees and regression, once; the hazard takes the trees' score for a log rate."""
    few = TreeSettings(num_iterations=20)
    trees = fit_trees(VALUES, LABELS, np.ones(600), few, seed=1, threads=1)
    hazard = Hazard(trees.booster, np.array([0.0, 10, 30]), np.array([0.0, 0.3, 0.5]), 30.0)
    return trees, hazard, fit_regression(VALUES, LABELS, np.ones(600), RegressionSettings())


def said_and_happened(rows: int, seed: int, noise: tuple[float, float, float]):
    """Three opinions of one truth, each with its own noise; two rows a prospect."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1.5, rows)
    opinions = {
        n: truth + s * rng.normal(size=rows) for n, s in zip(BASE_MODELS, noise, strict=True)
    }
    return opinions, Holdout(rng.random(rows) < sigmoid(truth), np.arange(rows) // 2)


def test_equals_are_averaged():
    """Equally good base models keep equal weights in most draws: noise moves nothing."""
    weights = [choose_weights(*said_and_happened(600, seed, (1, 1, 1))) for seed in range(20)]
    assert sum(chosen == EQUAL_WEIGHTS for chosen in weights) >= 15


def test_rows_that_weigh_nothing_have_no_say():
    """The right base model is wrong on every second row; without weight on those it wins."""
    opinions, holdout = said_and_happened(2000, 1, (0.1, 4.0, 4.0))
    odd = np.arange(2000) % 2 == 1
    right = opinions[BASE_MODELS[0]]
    opinions[BASE_MODELS[0]] = np.where(odd, -4 * right, right)
    weighed = Holdout(holdout.labels, holdout.prospects, np.where(odd, 0.0, 1.0))
    assert choose_weights(opinions, weighed)[0] >= 0.8
    assert choose_weights(opinions, holdout)[0] < 0.8


@pytest.mark.parametrize("right", range(3), ids=BASE_MODELS)
def test_voices_that_are_much_worse_lose_their_say(right):
    """The shares follow who was right."""
    noise = tuple(0.1 if position == right else 4.0 for position in range(3))
    chosen = choose_weights(*said_and_happened(2000, 1, noise))
    assert chosen[right] >= 0.8
    assert sum(chosen) == pytest.approx(1)


def test_the_logit_is_the_weighted_mean_plus_level():
    """By the formula, with numbers of the three parts."""
    ensemble = Ensemble(*parts(), SHARES, UNCALIBRATED, 0.2)
    trees, _, line = parts()
    rate = 0.5 * np.exp(trees.logit(VALUES))
    hazard = np.log((1 - np.exp(-rate)) / np.exp(-rate))
    expected = 0.3 * trees.logit(VALUES) + 0.1 * hazard + 0.6 * line.logit(VALUES) + 0.2
    assert ensemble.logit(VALUES) == pytest.approx(expected, abs=1e-9)
    assert ensemble.predict(VALUES) == pytest.approx(1 / (1 + np.exp(-expected)), abs=1e-9)


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
    ensemble = Ensemble(*parts(), SHARES, calibration, -0.1)
    split = ensemble.contributions(VALUES)
    assert np.allclose(split.sum(axis=1), ensemble.logit(VALUES), rtol=0, atol=1e-9)


def shares():
    """Draw any three shares that sum to 1, the corners (one base model alone) included."""
    parts = st.tuples(*[st.sampled_from([0.0, 1.0]) | st.floats(0, 1)] * 3)
    return parts.filter(lambda p: sum(p) > 0.01).map(lambda p: tuple(x / sum(p) for x in p))


@given(shares=shares())
def test_contributions_sum_to_the_voices_logit_for_every_mix(shares):
    """Before calibration, and by the base models' own scores: tree by tree and column by column."""
    trees, hazard, line = parts()
    rows = VALUES[:, :80]
    logits = [model.logit(rows) for model in (trees, hazard, line)]
    mixed = sum(share * logit for share, logit in zip(shares, logits, strict=True))
    split = Ensemble(*parts(), shares).contributions(rows)
    assert np.abs(split.sum(axis=1) - mixed).max() < 1e-9


@given(
    shares=shares(),
    slopes=st.tuples(st.floats(0, 3), st.floats(0, 3), st.floats(-2, 2)),
    level=st.floats(-2, 2),
)
def test_contributions_sum_to_the_list_s_logit_for_every_mix_and_calibration(shares, slopes, level):
    """After it too: the reasons add up to the list's probability."""
    ensemble = Ensemble(*parts(), shares, Calibration("beta", *slopes), level)
    rows = VALUES[:, :80]
    assert np.abs(ensemble.contributions(rows).sum(axis=1) - ensemble.logit(rows)).max() < 1e-9


def test_a_sigmoid_scales_contributions_by_its_slope():
    """An affine map of the logit is the same map of each part."""
    plain = Ensemble(*parts(), SHARES).contributions(VALUES)
    half = Calibration("sigmoid", 0.5, 0.5, 1.0)
    scaled = Ensemble(*parts(), SHARES, half).contributions(VALUES)
    assert np.allclose(scaled[:, :-1], 0.5 * plain[:, :-1], rtol=0, atol=1e-9)
    assert np.allclose(scaled[:, -1], 0.5 * plain[:, -1] + 1.0, rtol=0, atol=1e-9)


@pytest.mark.parametrize("shares", [SHARES, (0.0, 0.0, 1.0)])
def test_voices_that_have_been_heard_give_the_same_bits_as_asking_them(shares):
    """The backtest needs each base model's own figures, and scores each only once."""
    ensemble = Ensemble(*parts(), shares, Calibration("sigmoid", 0.8, 0.8, -0.2), 0.1)
    assert (ensemble.predict_from(ensemble.base_logits(VALUES)) == ensemble.predict(VALUES)).all()


def test_json_and_the_texts_of_the_trees_keep_identical_values():
    """The artefact holds the ensemble as these."""
    ensemble = Ensemble(*parts(), SHARES, Calibration("beta", 1.4, 0.5, 0.2), 0.05)
    trees, hazard, _ = parts()
    content = as_json(ensemble)
    content["hazard"]["booster"] = Booster(hazard.booster.text)
    content["trees"] = ConversionTrees(Booster(trees.booster.text))
    again = TypeAdapter(Ensemble).validate_python(content)
    assert np.array_equal(again.logit(VALUES), ensemble.logit(VALUES))
