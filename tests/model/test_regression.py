"""The regression: its formula, its preparation, identical results."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_limits

from microconv.model.logistic import sigmoid
from microconv.model.regression import Regression, _missing_patterns, fit_regression
from microconv.settings import RegressionSettings
from worlds.saved_parts import as_json, through_json

SETTINGS = RegressionSettings(inverse_penalty=0.5)


def example(rows: int = 400, columns: int = 6, *, seed: int = 0):
    """Draw columns with gaps, one of them constant and one empty, and labels that follow them."""
    rng = np.random.default_rng(seed)
    values = rng.gamma(1.0, 3.0, (columns, rows)).astype(np.float32)
    values[1] *= -1
    values[2, rng.random(rows) < 0.4] = np.nan
    values[-2] = 7
    values[-1] = np.nan
    labels = rng.random(rows) < sigmoid(np.log1p(values[0]) - 1.5 + 1.5 * np.isnan(values[2]))
    return values, labels, rng.uniform(0.2, 1, rows)


VALUES, LABELS, WEIGHTS = example()


@cache
def model() -> Regression:
    """Fit the example, once."""
    return fit_regression(VALUES, LABELS, WEIGHTS, SETTINGS)


CELLS = st.one_of(
    st.floats(width=32, allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1.0, 7.0])
)


@given(st.lists(st.tuples(*[CELLS] * len(VALUES)), min_size=1, max_size=8))
def test_every_logit_is_the_sum_that_the_formula_says(rows):
    """The formula of the docstring, cell by cell in plain Python; never nan or infinite."""
    values = np.array(rows, dtype=np.float32).T
    for row, logit in zip(rows, model().logit(values), strict=True):
        expected = model().intercept
        for k, cell in enumerate(row):
            if math.isfinite(cell):
                x = math.copysign(math.log1p(abs(float(np.float32(cell)))), cell)
                x = min(max(x, model().low[k]), model().high[k])
                expected += model().weight[k] * (x - model().centre[k]) / model().scale[k]
            else:
                expected += model().missing[k]
        assert math.isfinite(logit)
        assert logit == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_without_gaps_it_is_scikit_learns_regression_on_the_squashed_columns():
    """The preparation is a standard one; the quantile clip barely moves it."""
    values = np.abs(VALUES[[0, 1, 3]])
    pipeline = make_pipeline(
        FunctionTransformer(np.log1p), StandardScaler(), LogisticRegression(C=0.5, tol=1e-8)
    )
    pipeline.fit(values.T.astype(float), LABELS, logisticregression__sample_weight=WEIGHTS)
    ours = sigmoid(fit_regression(values, LABELS, WEIGHTS, SETTINGS).logit(values))
    theirs = pipeline.predict_proba(values.T.astype(float))[:, 1]
    assert np.abs(ours - theirs).max() < 0.01


def test_being_missing_has_its_own_say():
    """Somebody who never came is not somebody who came the usual time ago."""
    rng = np.random.default_rng(1)
    gone = rng.random(4000) < 0.5
    column = np.where(gone, np.nan, rng.exponential(5, 4000)).astype(np.float32)
    labels = rng.random(4000) < np.where(gone, 0.8, 0.1)
    free = RegressionSettings(inverse_penalty=1e4)
    p = sigmoid(fit_regression(column[None], labels, np.ones(4000), free).logit(column[None]))
    assert p[gone].mean() == pytest.approx(labels[gone].mean(), abs=0.01)
    assert p[~gone].mean() == pytest.approx(labels[~gone].mean(), abs=0.01)


def test_columns_missing_together_share_one_coefficient():
    """Ten columns of one step that never happened are one fact, not ten."""
    twin = np.stack([VALUES[2], VALUES[2] * 2, VALUES[0]])
    assert _missing_patterns(twin) == [[0, 1]]
    fitted = fit_regression(twin, LABELS, WEIGHTS, SETTINGS)
    assert fitted.missing[0] == fitted.missing[1] != 0
    assert fitted.missing[2] == 0


def test_constant_and_empty_columns_say_nothing():
    """They carry no weight, whatever turns up in them later."""
    assert model().weight[-2:].tolist() == model().missing[-2:].tolist() == [0, 0]
    changed = VALUES.copy()
    changed[-2:] = 1e30
    assert np.array_equal(model().logit(changed), model().logit(VALUES))


def test_a_rare_column_survives_the_clip():
    """A step that one in two thousand took must not be clipped to nothing."""
    values = np.zeros((1, 4000), np.float32)
    values[0, :2] = 1
    labels = np.arange(4000) < 400
    fitted = fit_regression(values, labels, np.ones(4000), RegressionSettings(inverse_penalty=100))
    never, once = fitted.logit(np.float32([[0, 1]]))
    assert once > never


def test_only_constant_columns_leave_the_base_rate():
    """There is nothing else to predict from."""
    labels = np.array([True, False, False, False])
    fitted = fit_regression(np.ones((2, 4), np.float32), labels, np.ones(4), SETTINGS)
    assert sigmoid(fitted.logit(np.zeros((2, 1), np.float32)))[0] == pytest.approx(0.25)


@given(st.lists(st.integers(0, VALUES.shape[1] - 1), max_size=40))
def test_a_rows_score_does_not_depend_on_the_rows_beside_it(rows):
    """One prospect alone, or in a million: identical logits."""
    alone = np.array([model().logit(VALUES[:, [row]])[0] for row in rows])
    assert np.array_equal(model().logit(np.ascontiguousarray(VALUES[:, rows])), alone)


def test_contributions_sum_to_the_logit():
    """Each column's share and the intercept are all there is."""
    parts = model().contributions(VALUES)
    assert parts.shape == (VALUES.shape[1], len(VALUES) + 1)
    assert np.allclose(parts.sum(axis=1), model().logit(VALUES), rtol=0, atol=1e-12)


def test_json_keeps_identical_values():
    """The artefact holds the regression as numbers in JSON."""
    again = through_json(model())
    assert np.array_equal(again.logit(VALUES), model().logit(VALUES))


def test_the_fit_is_the_same_on_any_number_of_threads():
    """BLAS adds these rows up in another order with two threads; the fit allows it one."""
    values = np.random.default_rng(0).normal(size=(20, 100_000)).astype(np.float32)
    labels, weights = values[0] + values[1] > values[2] + 1, np.ones(100_000)
    fits = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            fits.append(as_json(fit_regression(values, labels, weights, SETTINGS)))
    assert fits[0] == fits[1]
