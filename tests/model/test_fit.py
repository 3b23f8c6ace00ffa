"""Fitting an ensemble: what may be used, and that nothing else matters."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from microconv.errors import NotEnoughDataError
from microconv.features.training_set import FittedColumns, TrainingSet
from microconv.model.ensemble import EQUAL_WEIGHTS
from microconv.model.fit import fit_ensemble
from microconv.model.training_rows import TrainingConfig, known_labels, rows_at
from worlds.saved_parts import as_json, tree_texts
from worlds.training_sets import MODEL, mondays, planted_set, reordered, with_exits, with_outcomes

CONFIG = TrainingConfig(MODEL, timedelta(days=30), threads=1)


@dataclass(frozen=True)
class Watched(TrainingSet):
    """A training set that writes down what the fitted families were shown."""

    shown: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def fit_columns(self, train: np.ndarray, labels: np.ndarray) -> FittedColumns:
        """Remember, then do the real thing."""
        self.shown.append((train, labels))
        return super().fit_columns(train, labels)


def everything(training_set: TrainingSet) -> np.ndarray:
    """Mark every row."""
    return np.ones(len(training_set), dtype=bool)


def test_what_chooses_on_the_slice_learnt_only_what_was_known_when_it_began():
    """The choice sees closed windows and outcomes known by then; the refit sees all."""
    plain = planted_set()
    watched = Watched(**plain.__dict__)
    fitted = fit_ensemble(watched, everything(plain), CONFIG)
    (tried, known), (refitted, final) = watched.shown
    begins = mondays(12)[9]
    assert f"{begins:%Y-%m-%d}" in fitted.choice
    closed = plain.snapshots["as_of"] + pd.Timedelta(days=30) <= begins
    assert np.array_equal(tried, closed.to_numpy())
    assert np.array_equal(known, known_labels(plain.snapshots, begins))
    assert refitted.all()
    assert np.array_equal(final, plain.snapshots["converted"])


def test_conversions_known_after_training_ended_are_not_learnt():
    """A deal entered late is still open when the fold trains."""
    plain = planted_set()
    watched = Watched(**plain.__dict__)
    train = rows_at(plain.snapshots, mondays(12)[:8])
    fit_ensemble(watched, train, CONFIG, known_before=mondays(12)[8])
    assert np.array_equal(watched.shown[-1][1], known_labels(plain.snapshots, mondays(12)[8]))


def left_by_chance(training_set: TrainingSet) -> np.ndarray:
    """Mark a third of the rows."""
    return np.random.default_rng(5).random(len(training_set)) < 1 / 3


def test_leaving_is_learnt_where_the_settings_say_so_and_somebody_left():
    """The result states it; with the switch off nothing of it reaches the model."""
    plain = planted_set(prospects=150)
    leaving = with_exits(plain, left_by_chance(plain))
    off = replace(CONFIG, model=MODEL.model_copy(update={"competing_risks": False}))
    apart = fit_ensemble(leaving, everything(leaving), CONFIG)
    assert apart.ensemble.trees.competing
    assert "trees with leaving as a competing outcome" in apart.choice
    others = [
        fit_ensemble(leaving, everything(leaving), off),
        fit_ensemble(plain, everything(plain), CONFIG),
    ]
    assert tree_texts(others[0].ensemble) == tree_texts(others[1].ensemble)
    assert tree_texts(others[0].ensemble) != tree_texts(apart.ensemble)
    assert not any(fitted.ensemble.trees.competing for fitted in others)
    assert not any("leaving" in fitted.choice for fitted in others)


@pytest.mark.parametrize("late", [True, False])
def test_exits_known_after_training_ended_are_not_learnt(late):
    """Who has left by the fold's first instant and is known to have counts; nobody else does."""
    plain, until = planted_set(), mondays(12)[8]
    train = rows_at(plain.snapshots, mondays(12)[:8])
    left = left_by_chance(plain)
    soon = with_exits(plain, left, days=10)
    known = (soon.snapshots["exit_known_at"] < pd.Timestamp(until)).to_numpy()
    other = left.copy()
    changed = np.flatnonzero(train & left & (known != late))
    other[changed] = False
    assert len(changed) > 20
    one, two = (
        tree_texts(
            fit_ensemble(with_exits(plain, rows), train, CONFIG, known_before=until).ensemble
        )
        for rows in (left, other)
    )
    assert (one == two) is late


def test_the_order_of_the_rows_changes_no_bit():
    """It depends on how many buckets the log has."""
    plain = planted_set(prospects=150)
    plain = with_exits(plain, left_by_chance(plain))
    other = reordered(plain, np.random.default_rng(1).permutation(len(plain)))
    one, two = (fit_ensemble(s, everything(s), CONFIG).ensemble for s in (plain, other))
    assert as_json(one) == as_json(two)
    assert tree_texts(one) == tree_texts(two)


def test_the_number_of_threads_changes_no_bit():
    """The same model from one core or from two."""
    plain = planted_set(prospects=150)
    plain = with_exits(plain, left_by_chance(plain))
    one, two = (
        fit_ensemble(plain, everything(plain), replace(CONFIG, threads=threads)).ensemble
        for threads in (1, 2)
    )
    assert as_json(one) == as_json(two)
    assert tree_texts(one) == tree_texts(two)


def test_too_few_dates_give_equal_shares_and_say_so():
    """A short history trains all the same, and the result does not claim calibration."""
    plain = planted_set(prospects=600, dates=3)
    fitted = fit_ensemble(plain, everything(plain), CONFIG)
    ensemble = fitted.ensemble
    assert (ensemble.weights, ensemble.calibration.kind, ensemble.shift) == (
        EQUAL_WEIGHTS,
        "none",
        0.0,
    )
    assert "too few" in fitted.choice


def test_one_outcome_is_refused_before_anything_is_fitted():
    """The error comes at once, not after an hour."""
    plain = planted_set(prospects=20)
    with pytest.raises(NotEnoughDataError, match="None of the"):
        fit_ensemble(plain, ~plain.snapshots["converted"].to_numpy(bool), CONFIG)


def test_a_base_rate_that_fell_lately_lowers_the_level():
    """Models see no dates; the level of the latest ones is set after the refit."""
    plain = planted_set(prospects=600)
    late = (plain.snapshots["as_of"] >= pd.Timestamp(mondays(12)[9])).to_numpy()
    lost = late & (np.arange(len(plain)) % 2 == 0)
    fallen = with_outcomes(plain, plain.snapshots["converted"].to_numpy(bool) & ~lost)
    assert fit_ensemble(fallen, everything(fallen), CONFIG).ensemble.shift < -0.3
