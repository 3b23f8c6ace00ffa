"""Many rows, binned a block at a time: no second matrix, nothing lost, the same on any thread."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from microconv.features import row_view as row_view_module
from microconv.features.row_view import RowView
from microconv.model import booster
from microconv.model.booster import _bin_rows
from microconv.model.trees import fit_trees
from microconv.settings import TreeSettings

SETTINGS = TreeSettings(num_iterations=30, learning_rate=0.1, min_data_in_leaf=10)


@pytest.fixture
def many(monkeypatch):
    """Let 600 rows be many."""
    monkeypatch.setattr(booster, "MAX_ROWS_AT_ONCE", 600)
    monkeypatch.setattr(booster, "BIN_SAMPLE_ROWS", 400)
    monkeypatch.setattr(row_view_module, "BLOCK_ROWS", 256)
    monkeypatch.setattr(booster, "BLOCK_ROWS", 256)


def example(rows: int):
    """Draw rows whose label needs two columns at once; a third is missing here and there."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=(8, rows)).astype(np.float32)
    values[3, rng.random(rows) < 0.2] = np.nan
    labels = (values[0] * values[1] > 0) ^ (rng.random(rows) < 0.1)
    return values, labels, rng.uniform(0.2, 1, rows)


@pytest.mark.usefixtures("many")
def test_many_rows_teach_what_they_would_teach_at_once(monkeypatch):
    """Blocks and sampled bins rank fresh rows as well as the whole matrix does."""
    values, labels, weights = example(6000)
    learnt, fresh = slice(None, 3000), slice(3000, None)
    given = (values[:, learnt], labels[learnt], weights[learnt], SETTINGS)
    streamed = fit_trees(*given, seed=1, threads=1).logit(values[:, fresh])
    monkeypatch.setattr(booster, "MAX_ROWS_AT_ONCE", 10**6)
    whole = fit_trees(*given, seed=1, threads=1).logit(values[:, fresh])
    one, other = (roc_auc_score(labels[fresh], logit) for logit in (streamed, whole))
    assert other > 0.85
    assert one == pytest.approx(other, abs=0.02)


@pytest.mark.usefixtures("many")
def test_the_number_of_threads_changes_no_bit(monkeypatch):
    """The trees are grown with both threads from 100 million cells on."""
    monkeypatch.setattr(booster, "MAX_SINGLE_THREAD_CELLS", 0)
    values, labels, weights = example(3000)
    one, two = (
        fit_trees(values, labels, weights, SETTINGS, seed=1, threads=threads).booster.text
        for threads in (1, 2)
    )
    assert one == two


@pytest.mark.usefixtures("many")
def test_infinite_values_are_missing():
    """In a block as in the whole."""
    values, labels, weights = example(2000)
    infinite = np.where(np.isnan(values), np.float32(np.inf), values)
    one, two = (
        fit_trees(v, labels, weights, SETTINGS, seed=1, threads=1).booster.text
        for v in (values, infinite)
    )
    assert one == two


@pytest.mark.usefixtures("many")
def test_a_column_that_is_rare_in_the_sample_is_still_learnt_from():
    """In 400 of 4,000 rows thirty times a step is three times: too few, were it all there is."""
    values, labels, weights = example(4000)
    values[5] = 0
    values[5, ::100] = np.arange(1, 41)
    labels = np.where(values[5] > 0, True, labels & (np.arange(4000) % 4 == 0))
    settings = SETTINGS.model_copy(update={"feature_fraction": 1.0})
    grown = fit_trees(values, labels, weights, settings, seed=1, threads=1)
    assert grown.logit(values)[::100].mean() > grown.logit(values).mean() + 1


def test_the_floats_do_not_stand_twice():
    """Of 40 MB picked in another order not a third is ever held as a copy."""
    values = np.random.default_rng(0).random((40, 250_000), dtype=np.float32)
    picked = RowView((values,), np.arange(values.shape[1])[::-1].copy())
    target = {"label": np.arange(values.shape[1], dtype=np.float32) % 2}
    given = {"seed": 1, "num_threads": 1, "verbose": -1}
    tracemalloc.start()
    _bin_rows(picked, target, given).construct()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < values.nbytes / 3
