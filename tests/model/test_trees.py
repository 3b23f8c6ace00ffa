"""The trees that learn whether: two outcomes or three, one logit, reasons that add up."""

from __future__ import annotations

import re
from functools import cache

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from microconv.model import booster as booster_module
from microconv.model.booster import Booster
from microconv.model.hazard import Hazard
from microconv.model.trees import ConversionTrees, fit_trees, softplus
from microconv.settings import TreeSettings

SETTINGS = TreeSettings(num_iterations=40, learning_rate=0.1, min_data_in_leaf=10)


def journeys_end(rows: int, seed: int = 0):
    """Draw rows: one column makes convert, another makes leave, and of those few convert."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(6, rows)).astype(np.float32)
    values[2, ::9] = np.nan
    exits = rng.random(rows) < 1 / (1 + np.exp(1.5 - 2 * values[1]))
    stays = ~exits | (rng.random(rows) < 0.1)
    labels = stays & (rng.random(rows) < 1 / (1 + np.exp(1.5 - 2 * values[0])))
    return values, labels, exits, rng.uniform(0.2, 1, rows)


VALUES, LABELS, EXITS, WEIGHTS = journeys_end(1500)


@cache
def trees(*, competing: bool = True) -> ConversionTrees:
    """Grow the example's trees, once of each kind."""
    exits = EXITS if competing else None
    return fit_trees(VALUES, LABELS, WEIGHTS, SETTINGS, exits=exits, seed=1, threads=1)


def test_the_logit_is_that_of_lightgbms_own_probability_of_converting():
    """By its softmax, read straight from the text: stay, convert, leave."""
    booster = lightgbm.Booster(model_str=trees().booster.text)
    p = booster.predict(VALUES.T)
    assert p.shape == (1500, 3)
    assert trees().logit(VALUES) == pytest.approx(np.log(p[:, 1] / (1 - p[:, 1])), abs=1e-9)


def test_the_three_outcomes_are_learnt_each_for_itself():
    """A row's likeliest outcome is what came of it, of those who left without converting too."""
    values, labels, exits, _ = journeys_end(4000, seed=1)
    p = lightgbm.Booster(model_str=trees().booster.text).predict(values.T)
    left = exits & ~labels
    for outcome, happened in enumerate((~labels & ~left, labels, left)):
        assert roc_auc_score(happened, p[:, outcome]) > 0.7, outcome
    assert roc_auc_score(labels, trees().logit(values)) > 0.8


def test_the_mean_probability_of_converting_is_the_base_rate():
    """Weighed, as the rows were; leaving beside it moves no level."""
    p = 1 / (1 + np.exp(-trees().logit(VALUES)))
    assert np.average(p, weights=WEIGHTS) == pytest.approx(
        np.average(LABELS, weights=WEIGHTS), abs=0.01
    )


@pytest.mark.parametrize("competing", [True, False])
def test_contributions_sum_to_the_logit(competing):
    """A prospect's reasons add up, with two outcomes or three."""
    model = trees(competing=competing)
    assert model.competing is competing
    parts = model.contributions(VALUES)
    assert parts.shape == (1500, len(VALUES) + 1)
    assert np.abs(parts.sum(axis=1) - model.logit(VALUES)).max() < 1e-9


def test_what_speaks_for_leaving_speaks_against_converting():
    """The column that makes leave decides about converting by that alone."""
    parts = trees().contributions(VALUES)
    assert np.corrcoef(VALUES[0], parts[:, 0])[0, 1] > 0.7
    assert np.corrcoef(VALUES[1], parts[:, 1])[0, 1] < -0.5


@given(st.lists(st.integers(0, 1499), min_size=1, max_size=20))
def test_a_rows_logit_does_not_depend_on_the_rows_beside_it(rows):
    """One prospect alone, or in a million: identical logits."""
    together = trees().logit(np.ascontiguousarray(VALUES[:, rows]), threads=1)
    assert np.array_equal(together, trees().logit(VALUES, threads=1)[rows])


def test_the_text_and_the_logits_are_the_same_on_any_number_of_threads(monkeypatch):
    """Not a digit of any leaf."""
    monkeypatch.setattr(booster_module, "MAX_SINGLE_THREAD_CELLS", 0)
    values, labels, exits, weights = journeys_end(20_000)
    few = SETTINGS.model_copy(update={"num_iterations": 4})
    one, two = (
        fit_trees(values, labels, weights, few, exits=exits, seed=1, threads=threads)
        for threads in (1, 2)
    )
    assert one.booster.text == two.booster.text
    assert np.array_equal(one.logit(values, threads=1), one.logit(values, threads=2))


@pytest.mark.parametrize(
    ("left", "competing"), [(0, False), (24, False), (25, True), (1475, True), (1476, False)]
)
def test_leaving_is_an_outcome_where_enough_left_and_enough_stayed(left, competing):
    """Of 1,500 rows without a conversion but one: fewer than 25 of either make no third outcome."""
    labels = np.zeros(1501, bool)
    labels[-1] = True
    exits = np.arange(1501) < left
    exits[-1] = True  # converted nevertheless: no exit
    values = np.zeros((1, 1501), np.float32)
    ones = np.ones(1501)
    model = fit_trees(values, labels, ones, SETTINGS, exits=exits, seed=1, threads=1)
    assert model.competing is competing
    assert model.logit(values) == pytest.approx(np.full(1501, np.log(1 / 1500)), rel=1e-5)


def test_too_few_exits_change_no_bit():
    """With none, or with a few, the trees are those without exits."""
    few = np.arange(1500) < 10
    fitted = fit_trees(VALUES, LABELS, WEIGHTS, SETTINGS, exits=few, seed=1, threads=1)
    assert fitted.booster.text == trees(competing=False).booster.text


def test_who_converted_and_left_has_converted():
    """The sale counts, whatever was unsubscribed from beside it."""
    also = EXITS | LABELS
    fitted = fit_trees(VALUES, LABELS, WEIGHTS, SETTINGS, exits=also, seed=1, threads=1)
    assert fitted.booster.text == trees().booster.text


def test_nobody_to_score_is_no_error():
    """An empty cohort has an empty list."""
    assert trees().logit(VALUES[:, :0]).shape == (0,)
    assert trees().contributions(VALUES[:, :0]).shape == (0, len(VALUES) + 1)


def test_trees_of_other_outcomes_are_refused():
    """Two or four scores are somebody else's model."""
    text = re.sub(r"num_tree_per_iteration=\d", "num_tree_per_iteration=4", trees().booster.text)
    with pytest.raises(ValueError, match="trees with 4 scores: 1 or 3 are expected"):
        ConversionTrees(Booster(text))


def test_trees_with_three_scores_are_refused_as_a_hazard():
    """Two files of a model that changed places are refused, not scored."""
    rest = ([0, 30], [0, 0.1], 30)
    with pytest.raises(ValueError, match="trees with 3 scores: a hazard's have 1"):
        Hazard(trees().booster, *rest)
    assert Hazard(trees(competing=False).booster, *rest).horizon == 30


@pytest.mark.parametrize("x", [-1000.0, -1.0, 0.0, 1.0, 1000.0])
def test_softplus_is_the_log_of_one_plus_exp(x):
    """Without overflow on the way."""
    expected = max(x, 0) + np.log1p(np.exp(-abs(x)))
    assert softplus(np.array([x]))[0] == pytest.approx(expected, abs=1e-12)
