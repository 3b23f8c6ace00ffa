"""The model below the minimum: the journey's order first, the data by and by, never confident."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from microconv.features.training_set import TrainingSet
from microconv.model.fallback import commitment_points, fit_fallback
from microconv.model.fit import EnsembleFit, fit_ensemble
from microconv.model.regression import DesignMatrix
from microconv.model.training_rows import TrainingConfig
from microconv.settings import (
    FallbackSettings,
    ModelSettings,
    ReadinessSettings,
    RegressionSettings,
)
from worlds.few_conversions import (
    JOURNEY_IS_RIGHT,
    JOURNEY_IS_WRONG,
    NOTHING_PREDICTS,
    TEST_DATE,
    few_conversions,
)
from worlds.logs import JOURNEY

WORLDS = {"right": JOURNEY_IS_RIGHT, "wrong": JOURNEY_IS_WRONG, "nothing": NOTHING_PREDICTS}
ALWAYS, NEVER = 10**6, 1
"""Minimum of conversions with which the journey is always, or never, fallen back to."""


@cache
def fitted(
    conversions: int, seed: int, world: str, minimum: int
) -> tuple[TrainingSet, EnsembleFit]:
    """Learn from so few conversions."""
    training_set, train = few_conversions(conversions, seed=seed, truth=WORLDS[world])
    model = ModelSettings(seed=3, ready=ReadinessSettings(conversions=minimum))
    config = TrainingConfig(model, timedelta(days=30), threads=1)
    return training_set, fit_ensemble(training_set, train, config, known_before=TEST_DATE)


def predict(
    conversions: int, *, seed: int = 0, world: str = "right", minimum: int = ALWAYS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return everybody's probability and outcome, and who was trained on."""
    training_set, learnt = fitted(conversions, seed, world, minimum)
    train = (training_set.snapshots["as_of"] < TEST_DATE).to_numpy()
    converted = training_set.snapshots["converted"].to_numpy()
    return learnt.ensemble.predict(learnt.columns.values, threads=1), converted, train


def later(predicted: np.ndarray, converted: np.ndarray, train: np.ndarray) -> tuple:
    """Keep the later rows: their outcomes and probabilities."""
    return converted[~train], predicted[~train]


@pytest.mark.parametrize("conversions", [20, 60])
def test_few_conversions_do_better_by_the_journey_than_by_themselves(conversions):
    """Out of time: less log loss than the base rate, and than the ensemble of three base models."""
    for seed in (0, 1):
        predicted, converted, train = predict(conversions, seed=seed)
        happened, ours = later(predicted, converted, train)
        blended = later(*predict(conversions, seed=seed, minimum=NEVER))[1]
        base = np.full(len(happened), converted[train].mean())
        assert log_loss(happened, ours) < log_loss(happened, base)
        assert log_loss(happened, ours) < log_loss(happened, blended)


def test_twenty_conversions_keep_the_order_of_the_points():
    """As good as adding commitments up by hand, within .03 of AUC."""
    training_set, _ = fitted(20, 0, "right", ALWAYS)
    commitments = {"blog": 1, "guide": 2, "pricing": 3, "reference": 4}
    points = sum(
        commitment * (training_set.values[training_set.names.index(f"counts.{step}.30d")] > 0)
        for step, commitment in commitments.items()
    )
    happened, ours = later(*predict(20))
    _, by_hand = later(points, *predict(20)[1:])
    assert roc_auc_score(happened, ours) > roc_auc_score(happened, by_hand) - 0.03 > 0.58


def test_five_hundred_conversions_overrule_a_journey_that_is_wrong():
    """The prior holds until the data contradict it: here the most committed convert least."""
    few = roc_auc_score(*later(*predict(20, world="wrong")))
    many = roc_auc_score(*later(*predict(500, world="wrong")))
    assert many > 0.72
    assert many > few + 0.05


@pytest.mark.parametrize("conversions", [20, 60, 120])
def test_where_nothing_predicts_belief_costs_next_to_nothing(conversions):
    """A thousandth of log loss at most: the prior is weak."""
    predicted, converted, train = predict(conversions, world="nothing")
    happened, ours = later(predicted, converted, train)
    base = np.full(len(happened), converted[train].mean())
    assert log_loss(happened, ours) < log_loss(happened, base) + 0.001


@pytest.mark.parametrize("world", ["right", "wrong", "nothing"])
@pytest.mark.parametrize("conversions", [20, 60, 120, 500])
def test_nobody_is_promised_more_than_the_conversions_support(conversions, world):
    """What the top tenth of the training rows is promised on average is within reach.

    Within reach is what the 95 % Wilson interval of that tenth's own conversions holds or
    lies below its upper end: shrinking towards the base rate is what is meant to happen.
    """
    predicted, converted, train = predict(conversions, world=world)
    assert np.isfinite(predicted).all()
    assert ((predicted > 0) & (predicted < 1)).all()
    top = np.argsort(-predicted[train], kind="stable")[: train.sum() // 10]
    came = converted[train][top]
    _, high = proportion_confint(came.sum(), len(came), alpha=0.05, method="wilson")
    assert predicted[train][top].mean() <= high
    happened, ours = later(predicted, converted, train)
    top = np.argsort(-ours, kind="stable")[: len(ours) // 10]
    _, high = proportion_confint(happened[top].sum(), len(top), alpha=0.05, method="wilson")
    # how often anybody converts is itself only known from so few conversions
    _, most = proportion_confint(conversions, train.sum(), alpha=0.05, method="wilson")
    assert ours[top].mean() <= high * most / converted[train].mean()


def test_from_the_minimum_on_the_ensemble_is_used():
    """119 conversions are too few, 120 are not, and the choice states which it was."""
    minimum = ReadinessSettings().conversions
    few, enough = (fitted(n, 0, "right", minimum)[1] for n in (minimum - 1, minimum))
    assert few.ensemble.weights == (0.0, 0.0, 1.0)
    assert few.choice.startswith(
        "a prior from the stages and commitments of the journey, for there are 119"
    )
    assert few.ensemble.calibration.kind == "none"
    assert enough.ensemble.weights != (0.0, 0.0, 1.0)


def test_a_step_counts_by_commitment_and_stage():
    """Reference: commitment 4 of 5, stage 3 of 3: (.8 + 1) / 2. Blog: (.2 + 1/3) / 2."""
    names = ["counts.reference.0.5d", "counts.blog.ever", "counts.sent.30d", "counts.won.ever",
             "counts.stage=decision.30d", "recency.blog.last", "counts.guide.30d"]  # fmt: skip
    expected = [0.9, (0.2 + 1 / 3) / 2, 0, 0, 0, 0, (0.4 + 2 / 3) / 2]
    assert commitment_points(names, JOURNEY) == pytest.approx(expected)


def test_without_belief_it_is_scikit_learn_on_one_column_more():
    """Believing nothing, the points are one column among the others, with its own penalty."""
    rng = np.random.default_rng(5)
    values = rng.poisson(1.0, (4, 300)).astype(np.float32)
    values[3, ::3] = np.nan
    labels, weights = rng.random(300) < 0.2, rng.uniform(0.2, 1, 300)
    points = np.array([0.5, 1.0, 0, 0])
    settings = ModelSettings(
        seed=1,
        fallback=FallbackSettings(log_odds_per_sd=0, prior_sd=0.7),
        regression=RegressionSettings(inverse_penalty=0.04),
    )
    design = DesignMatrix.from_values(values)
    found = fit_fallback(design, labels, weights, points=points, settings=settings)
    x = design.matrix
    ahead = x[:, 0] * 0.5 * design.unit.scale[0] + x[:, 1] * design.unit.scale[1]
    ahead /= ahead.std()
    other = LogisticRegression(C=1, tol=1e-10, max_iter=10_000)
    other.fit(np.column_stack([0.7 * ahead, 0.2 * x]), labels, sample_weight=weights)
    expected = other.decision_function(np.column_stack([0.7 * ahead, 0.2 * x]))
    assert found.logit(values) == pytest.approx(expected, abs=1e-4)
