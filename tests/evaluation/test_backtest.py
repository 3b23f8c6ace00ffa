"""The backtest: what each fold may know, and what comes back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from microconv.errors import EventLogError, NotEnoughDataError
from microconv.evaluation.backtest import PREDICTIONS, Backtest, backtest
from microconv.evaluation.evaluate import evaluate
from microconv.features.training_set import FittedColumns, TrainingSet
from microconv.histories.folds import Fold
from microconv.model.training_rows import TrainingConfig, known_labels
from microconv.settings import EvaluateSettings
from worlds.training_sets import MODEL, mondays, planted_set, reordered, with_outcomes

CONFIG = TrainingConfig(MODEL, timedelta(days=30), threads=1)
DATES = mondays(16)
FOLDS = (
    Fold(train=DATES[:6], test=DATES[11:13]),
    Fold(train=DATES[:8], test=DATES[13:15]),
)
PLANTED = planted_set(prospects=150, dates=16)
MODELS = (
    "base_rate", "recency", "activity", "opens", "points", "forest",
    "trees", "hazard", "regression", "ensemble",
)  # fmt: skip


@dataclass(frozen=True)
class Watched(TrainingSet):
    """A training set that writes down what the fitted families were shown."""

    shown: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def fit_columns(self, train: np.ndarray, labels: np.ndarray) -> FittedColumns:
        """Remember, then do the real thing."""
        self.shown.append((train, labels))
        return super().fit_columns(train, labels)


@cache
def done() -> Backtest:
    """Return the backtest of the planted set, made once."""
    return backtest(PLANTED, FOLDS, CONFIG)


@cache
def frame() -> pd.DataFrame:
    """Return its predictions."""
    return done().predictions.to_pandas()


def probabilities(of: Backtest) -> np.ndarray:
    """Return every probability, in the order of the table."""
    return of.predictions["probability"].to_numpy()


def test_every_model_is_asked_about_the_same_rows():
    """The test rows of each fold, once per model, by prospect and instant."""
    snapshots = PLANTED.snapshots[["prospect_id", "as_of", "converted"]]
    for fold in FOLDS:
        test = snapshots["as_of"].isin([pd.Timestamp(as_of) for as_of in fold.test])
        expected = snapshots[test].sort_values(["prospect_id", "as_of"]).reset_index(drop=True)
        for model in MODELS:
            rows = frame()[(frame()["fold"] == fold.name) & (frame()["model"] == model)]
            got = rows[["prospect_id", "as_of", "converted"]].reset_index(drop=True)
            pd.testing.assert_frame_equal(got, expected)
    kept = done().predictions.select(PREDICTIONS.names)
    assert kept.schema.equals(PREDICTIONS)
    assert set(frame()["model"]) == set(MODELS)


def test_every_answer_is_a_probability():
    """No nan, nothing outside [0, 1]."""
    assert frame()["probability"].between(0, 1).all()


def test_a_fold_learns_only_outcomes_known_before_its_first_test():
    """Known at the first test instant, not when the log ends; so too for fitted families."""
    for fold in FOLDS:
        watched = Watched(**PLANTED.__dict__)
        backtest(watched, [fold], CONFIG)
        train, labels = watched.shown[-1]
        assert np.array_equal(labels, known_labels(PLANTED.snapshots, fold.test[0]))
        snapshots = PLANTED.snapshots["as_of"][train]
        assert set(snapshots) == {pd.Timestamp(as_of) for as_of in fold.train}


def test_what_happens_after_a_fold_was_trained_changes_no_probability_of_it():
    """Flip every label that was not known by the first test: identical results."""
    first, begins = FOLDS[:1], pd.Timestamp(FOLDS[0].test[0])
    known = (PLANTED.snapshots["known_at"] < begins).to_numpy()
    converted = PLANTED.snapshots["converted"].to_numpy(bool)
    turned = with_outcomes(PLANTED, np.where(known, converted, ~converted))
    late = (turned.snapshots["known_at"] < begins).to_numpy() & ~known
    turned.snapshots.loc[late, "known_at"] = begins
    other = backtest(turned, first, CONFIG)
    assert np.array_equal(probabilities(other), probabilities(backtest(PLANTED, first, CONFIG)))


def test_a_window_still_open_teaches_what_is_known_of_it():
    """Only the hazard learns from it: what came of it by the first test, and nothing later."""
    begins = pd.Timestamp(FOLDS[0].test[0])
    as_of = PLANTED.snapshots["as_of"]
    still_open = ((as_of < begins) & (as_of + pd.Timedelta(days=30) > begins)).to_numpy()
    known = (PLANTED.snapshots["known_at"] < begins).to_numpy()
    converted = PLANTED.snapshots["converted"].to_numpy(bool)
    assert (still_open & known).sum() > 5
    silent = with_outcomes(PLANTED, converted & ~(still_open & known))
    one, two = (backtest(s, FOLDS[:1], CONFIG).predictions.to_pandas() for s in (PLANTED, silent))
    changed = {
        model: not np.array_equal(rows["probability"], two.loc[rows.index, "probability"])
        for model, rows in one.groupby("model", observed=True)
    }
    assert changed["hazard"]
    assert not changed["trees"]
    assert not changed["regression"]


def test_the_order_of_the_rows_changes_no_bit():
    """The number of buckets decides it."""
    other = reordered(PLANTED, np.random.default_rng(1).permutation(len(PLANTED)))
    assert backtest(other, FOLDS[:1], CONFIG).predictions.equals(
        backtest(PLANTED, FOLDS[:1], CONFIG).predictions
    )


def test_prospects_who_trained_nothing_are_marked():
    """By hand from the dates: no row of theirs before the test, its window closed or open."""
    for fold in FOLDS:
        rows = frame()[(frame()["fold"] == fold.name) & (frame()["model"] == "ensemble")]
        trained = PLANTED.snapshots["as_of"] < pd.Timestamp(fold.test[0])
        known = set(PLANTED.snapshots["prospect_id"][trained])
        assert rows["unseen"].tolist() == [who not in known for who in rows["prospect_id"]]


def test_the_notes_say_how_each_fold_came_about():
    """Dates, rows and base rate as they were known, for the report and the model card."""
    facts = done().notes["folds"][FOLDS[0].name]
    train = PLANTED.snapshots["as_of"].isin([pd.Timestamp(a) for a in FOLDS[0].train])
    known = known_labels(PLANTED.snapshots, FOLDS[0].test[0])[train.to_numpy()]
    assert facts["train_rows"] == train.sum()
    assert facts["train_base_rate"] == pytest.approx(known.mean())
    assert facts["test"] == [as_of.isoformat() for as_of in FOLDS[0].test]


def test_a_fold_that_nobody_could_learn_from_is_skipped_with_its_reason():
    """Its first dates hold no conversion; the other fold is evaluated all the same."""
    early = (PLANTED.snapshots["as_of"] < pd.Timestamp(DATES[6])).to_numpy()
    converted = PLANTED.snapshots["converted"].to_numpy(bool)
    rest = backtest(with_outcomes(PLANTED, converted & ~early), FOLDS, CONFIG)
    assert "None of the" in rest.notes["skipped"][FOLDS[0].name]
    assert set(rest.predictions["fold"].to_pylist()) == {FOLDS[1].name}


def test_a_fold_in_which_nobody_converts_later_is_kept():
    """Leaving it out for how it ended would flatter every estimate over all folds."""
    late = (PLANTED.snapshots["as_of"] >= pd.Timestamp(FOLDS[1].test[0])).to_numpy()
    converted = PLANTED.snapshots["converted"].to_numpy(bool)
    both = backtest(with_outcomes(PLANTED, converted & ~late), FOLDS, CONFIG)
    assert set(both.notes["folds"]) == {fold.name for fold in FOLDS}


def test_a_fold_without_a_conversion_is_evaluated_without_a_nan(tmp_path):
    """From outcomes to the report: what cannot be said of it is null, and all else is finite."""
    late = (PLANTED.snapshots["as_of"] >= pd.Timestamp(FOLDS[1].test[0])).to_numpy()
    converted = PLANTED.snapshots["converted"].to_numpy(bool)
    both = backtest(with_outcomes(PLANTED, converted & ~late), FOLDS, CONFIG)
    done = evaluate(both, EvaluateSettings(list_size=20, bootstrap=20, seed=1))
    done.write(tmp_path / "evaluation.json", tmp_path / "plots")
    strict = {"parse_constant": pytest.fail}  # NaN and Infinity are no JSON
    report = json.loads((tmp_path / "evaluation.json").read_text(), **strict)
    figures = report["models"]["ensemble"]["folds"]
    assert figures[FOLDS[1].name]["auc"]["value"] is None
    assert figures[FOLDS[0].name]["auc"]["value"] > 0.5


def only(converted: bool) -> TrainingSet:
    """Return the planted set with one outcome for everybody."""
    return with_outcomes(PLANTED, np.full(len(PLANTED), converted))


@pytest.mark.parametrize(
    ("training_set", "folds", "says"),
    [
        pytest.param(only(False), FOLDS, "nothing to learn from", id="no conversions"),
        pytest.param(only(True), FOLDS, "limited to customers", id="only converters"),
        pytest.param(PLANTED, (), "no outcome window has closed", id="no closed window"),
        pytest.param(
            PLANTED,
            (Fold(train=(DATES[0] - timedelta(days=70),), test=DATES[13:15]),),
            "None of the 1 folds can be trained",
            id="no fold left",
        ),
    ],
)
def test_nothing_to_learn_from_is_said_in_one_sentence(training_set, folds, says):
    """What, how many, and the way out."""
    with pytest.raises(NotEnoughDataError, match=says):
        backtest(training_set, folds, CONFIG)


def test_predictions_and_notes_come_back_from_the_file(tmp_path):
    """One file holds both: a metric can change without fitting anything again."""
    done().write(tmp_path / "predictions.parquet")
    again = Backtest.read(tmp_path / "predictions.parquet")
    assert again.predictions.equals(done().predictions)
    assert again.notes == done().notes


def test_another_parquet_file_is_an_error(tmp_path):
    """A table of snapshots is no backtest."""
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(EventLogError, match="does not contain the predictions"):
        Backtest.read(tmp_path / "other.parquet")
