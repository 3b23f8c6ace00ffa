"""The booster: identical results, and what it does with odd input."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from microconv.model import booster as module
from microconv.model.booster import Booster
from microconv.model.logistic import sigmoid
from microconv.model.trees import fit_trees
from microconv.settings import TreeSettings

SETTINGS = TreeSettings(num_iterations=30, learning_rate=0.1, min_data_in_leaf=10)


def example(rows: int, columns: int = 12):
    """Draw rows whose label needs two columns at once, which no line separates."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(columns, rows)).astype(np.float32)
    values[3, rng.random(rows) < 0.2] = np.nan
    labels = (values[0] * values[1] > 0) ^ (rng.random(rows) < 0.1)
    return values, labels, rng.uniform(0.2, 1, rows)


VALUES, LABELS, WEIGHTS = example(1500)


@cache
def trees() -> Booster:
    """Grow the trees of the example, once."""
    return fit_trees(VALUES, LABELS, WEIGHTS, SETTINGS, seed=1, threads=1).booster


def test_trees_see_what_needs_two_columns_at_once():
    """The planted interaction is found on rows that were not learnt from."""
    values, labels, _ = example(4000)
    fresh = slice(1500, None)
    assert roc_auc_score(labels[fresh], trees().raw(values[:, fresh])) > 0.8


def test_the_text_is_the_same_on_any_number_of_threads(monkeypatch):
    """Not a digit of any leaf, and no trace of the number itself."""
    monkeypatch.setattr(module, "MAX_SINGLE_THREAD_CELLS", 0)
    values, labels, weights = example(20_000)
    few = SETTINGS.model_copy(update={"num_iterations": 4})
    one, two = (
        fit_trees(values, labels, weights, few, seed=1, threads=threads).booster.text
        for threads in (1, 2)
    )
    assert one == two


def test_predictions_are_the_same_on_any_number_of_threads():
    """Scoring may use every core."""
    values, _, _ = example(20_000)
    assert np.array_equal(trees().raw(values, threads=1), trees().raw(values, threads=2))


def test_the_text_alone_gives_the_same_bits():
    """What is saved is what scored."""
    assert np.array_equal(Booster(trees().text).raw(VALUES), trees().raw(VALUES))


@given(st.lists(st.integers(0, VALUES.shape[1] - 1), min_size=1, max_size=20))
def test_a_rows_score_does_not_depend_on_the_rows_beside_it(rows):
    """One prospect alone, or in a million: identical scores."""
    together = trees().raw(np.ascontiguousarray(VALUES[:, rows]), threads=1)
    assert np.array_equal(together, trees().raw(VALUES, threads=1)[rows])


def test_contributions_sum_to_the_logit():
    """Tree SHAP is exact."""
    parts = trees().contributions(VALUES)
    assert parts.shape == (VALUES.shape[1], len(VALUES) + 1)
    assert np.allclose(parts.sum(axis=1), trees().raw(VALUES), rtol=0, atol=1e-9)


def test_infinite_values_count_as_missing():
    """A division by zero upstream is no information."""
    infinite, missing = VALUES.copy(), VALUES.copy()
    infinite[0, ::3], missing[0, ::3] = np.inf, np.nan
    infinite[1, ::5], missing[1, ::5] = -np.inf, np.nan
    assert np.array_equal(trees().raw(infinite), trees().raw(missing))
    fits = [
        fit_trees(v, LABELS, WEIGHTS, SETTINGS, seed=1, threads=1).booster.text
        for v in (infinite, missing)
    ]
    assert fits[0] == fits[1]


@pytest.mark.parametrize("rows", [2, 12])
def test_with_too_few_rows_for_a_split_everybody_has_the_base_rate(rows):
    """No leaf may hold so few: the answer is the weighted share of conversions."""
    values, labels, _ = example(rows)
    labels[:2] = True, False
    model = fit_trees(values, labels, np.ones(rows), SETTINGS, seed=1, threads=1).booster
    assert sigmoid(model.raw(values)) == pytest.approx(np.full(rows, labels.mean()))
    assert np.array_equal(Booster(model.text).raw(values), model.raw(values))


def test_nobody_to_score_is_no_error():
    """An empty cohort has an empty list."""
    assert trees().raw(VALUES[:, :0]).shape == (0,)
    assert trees().contributions(VALUES[:, :0]).shape == (0, len(VALUES) + 1)
