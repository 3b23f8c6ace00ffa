"""Calibration by segment and stage: what is planted is found, what is not is not called wrong."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from microconv.evaluation.backtest import backtest
from microconv.evaluation.evaluate import evaluate
from microconv.evaluation.metrics import Predictions
from microconv.evaluation.segments import calibration_test, segment_metrics, segments_of, split
from microconv.features.matrix import column_names
from microconv.features.training_set import TrainingSet, locate_snapshots, snapshots_to_pandas
from microconv.histories.folds import Fold
from microconv.histories.load import load_histories
from microconv.histories.snapshots import cohort_snapshots
from microconv.histories.visible import visible_events
from microconv.model.training_rows import TrainingConfig
from microconv.ranking.next_step import journey_progress
from microconv.settings import EvaluateSettings
from microconv.storage.log import MemoryLog
from worlds.logs import JOURNEY
from worlds.ranking import END, START, settings, world
from worlds.training_sets import MODEL, mondays, planted_set

SETTINGS = EvaluateSettings(list_size=20, bootstrap=20, seed=1)


def predictions_of(
    chance: np.ndarray, said: np.ndarray, *, seed: int, rows_each: int = 1
) -> Predictions:
    """Draw outcomes from chances, one draw a prospect, and say something else perhaps."""
    rng = np.random.default_rng(seed)
    prospect = np.repeat(np.arange(len(chance) // rows_each), rows_each)
    luck = rng.random(len(chance) // rows_each)[prospect]
    nothing = np.full(len(chance), np.nan)
    return Predictions(said, luck < chance, nothing, prospect, np.zeros(len(chance), np.int64))


def logistic(logit: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities."""
    return 1 / (1 + np.exp(-logit))


def test_the_segment_that_is_wrong_is_named_and_no_other():
    """Webinar leads convert twice as often as promised; on the whole hardly anything shows."""
    rng = np.random.default_rng(3)
    logit = rng.normal(-2, 1, 12_000)
    source = rng.choice(["webinar", "fair", "search", "partner"], 12_000, p=[0.1, 0.3, 0.3, 0.3])
    chance = logistic(logit + 0.7 * (source == "webinar"))
    predictions = predictions_of(chance, logistic(logit), seed=4)
    rows = pd.DataFrame({"fold": "a", "segment.source": source})
    found = {entry["segment"]: entry for entry in segment_metrics(predictions, rows, SETTINGS)}
    assert [name for name, entry in found.items() if entry["miscalibrated"]] == ["webinar"]
    wrong = found["webinar"]
    assert wrong["by"] == "source"
    assert wrong["rows"] == (source == "webinar").sum()
    assert wrong["conversions"] == predictions.converted[source == "webinar"].sum()
    assert wrong["predicted_rate"] == pytest.approx(logistic(logit[source == "webinar"]).mean())
    assert wrong["observed_rate"] > wrong["predicted_rate"] + 0.05
    assert wrong["calibration"]["intercept"]["low"] > 0
    assert wrong["calibration"]["ece"] > wrong["calibration"]["ece_chance_limit_by_prospect"]
    fine = found["fair"]["calibration"]
    assert fine["slope"]["low"] < 1 < fine["slope"]["high"]


def test_where_all_is_right_hardly_ever_a_segment_is_called_wrong():
    """Twelve segments tested: without correction every other world would have one; with it few."""
    raised, uncorrected = 0, 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        chance = logistic(rng.normal(-1.5, 1, 3000))
        rows = pd.DataFrame({"segment.source": rng.integers(0, 12, 3000).astype(str)})
        found = segment_metrics(predictions_of(chance, chance, seed=seed + 99), rows, SETTINGS)
        raised += any(entry["miscalibrated"] for entry in found)
        uncorrected += any(entry["p_value"] < 0.05 for entry in found)
    assert raised <= 5  # 1 expected; more than 5 of 25 happens once in a thousand
    assert uncorrected >= 6  # 11 expected


@pytest.mark.parametrize("rows_each", [1, 4])
def test_the_test_of_a_segment_keeps_its_level(rows_each):
    """Of 400 calibrated segments of some 40 conversions about 5 % fall below .05, repeats or no."""
    rejected = 0
    for seed in range(400):
        logit = np.random.default_rng(seed).normal(-1.5, 0.7, 200)
        chance = np.repeat(logistic(logit), rows_each)
        rejected += calibration_test(
            predictions_of(chance, chance, seed=seed, rows_each=rows_each)
        ) < (0.05)
    assert 8 <= rejected <= 34  # 20 expected; three standard errors are 13


def test_a_segment_with_few_conversions_says_so_and_has_no_figures():
    """A slope from ten conversions is noise that somebody would act on."""
    happened = np.zeros(400, bool)
    happened[:40] = True
    nothing, who = np.full(400, np.nan), np.arange(400)
    predictions = Predictions(np.full(400, 0.1), happened, nothing, who, np.zeros(400, np.int64))
    words = np.where(np.arange(400) < 200, "a", "b").astype(object)
    words[30:40] = "b"
    rows = pd.DataFrame({"segment.source": words})
    found = {entry["segment"]: entry for entry in segment_metrics(predictions, rows, SETTINGS)}
    assert "10 of 210 rows converted; at least 25 rows" in found["b"]["reason"]
    assert "calibration" not in found["b"]
    assert "miscalibrated" not in found["b"]
    assert found["b"]["observed_rate"] == pytest.approx(10 / 210)
    assert "miscalibrated" in found["a"]


def test_many_numbers_become_thirds_and_rare_words_one():
    """1 to 300 in thirds at about 100 and 200; two words out of a thousand are others."""
    sizes = split(pd.Series(np.arange(1.0, 301.0)))
    assert sizes.value_counts().to_dict() == {"below 101": 100, "101 to 200": 99, "200 and more": 101}  # fmt: skip # noqa: E501
    words = split(pd.Series(["a"] * 600 + ["b"] * 398 + ["rare", "rarer"], dtype=object))
    assert words.value_counts().to_dict() == {"a": 600, "b": 398, "(other)": 2}
    assert split(pd.Series([None, "a"], dtype=object)).tolist() == ["(missing)", "a"]


def test_stage_and_attributes_are_those_known_when_asked():
    """The stage is the list's own; an attribute that changed later has its old value."""
    given, log = settings(), world()
    known, events = log.prospects, log.events
    since = pa.array([END - timedelta(days=20)] * len(known), known.schema.field("known_at").type)
    other = pa.array(["later"] * len(known), known.schema.field("source").type)
    at, what = (known.schema.get_field_index(name) for name in ("known_at", "source"))
    later = known.set_column(at, "known_at", since).set_column(what, "source", other)
    both = pa.concat_tables([known, later.cast(known.schema)])
    table = both.sort_by([("prospect_id", "ascending"), ("known_at", "ascending")])
    log = MemoryLog(events, table)
    histories = load_histories(log.read_events(0), JOURNEY, log.read_prospects(0))
    as_ofs = [START + timedelta(days=70), END - timedelta(days=5)]
    snapshots, _ = cohort_snapshots(histories, JOURNEY, given.snapshots, as_ofs, END)
    visible = visible_events(histories, *locate_snapshots(snapshots, histories))
    training_set = TrainingSet(
        snapshots_to_pandas(snapshots),
        column_names(JOURNEY, given.features, {}, fitted=False),
        np.empty((0, len(visible)), np.float32),
        visible,
        JOURNEY,
        given.features,
    )
    found = segments_of(training_set, np.arange(len(training_set)))
    stage = journey_progress(visible, JOURNEY).stage
    assert found["stage"].tolist() == [s or "(no step yet)" for s in stage]
    early = (training_set.snapshots["as_of"] == as_ofs[0]).to_numpy()
    assert early.any()
    assert (~early).any()
    first = dict(zip(known["prospect_id"].to_pylist(), known["source"].to_pylist(), strict=True))
    prospects = training_set.snapshots["prospect_id"].to_numpy()
    assert found["segment.source"][early].tolist() == [first[p] for p in prospects[early]]
    assert set(found["segment.source"][~early]) == {"later"}


def test_the_backtest_writes_segments_and_the_report_holds_them(tmp_path):
    """From the fold to the JSON: the categories of the planted set, as known, with figures."""
    dates = mondays(16)
    plain = planted_set(prospects=200, dates=16)
    folds = (Fold(train=dates[:6], test=dates[11:13]), Fold(train=dates[:8], test=dates[13:15]))
    done = backtest(plain, folds, TrainingConfig(MODEL, timedelta(days=30), threads=1))
    done.write(tmp_path / "predictions.parquet")
    again = type(done).read(tmp_path / "predictions.parquet")
    report = evaluate(again, SETTINGS).report
    pooled = report["models"]["ensemble"]["pooled"]
    for by in ("stage", "source"):
        entries = [entry for entry in report["segments"] if entry["by"] == by]
        assert sum(entry["rows"] for entry in entries) == pooled["rows"]
        assert sum(entry["conversions"] for entry in entries) == pooled["conversions"]
    names = {entry["segment"] for entry in report["segments"]}
    assert names == {"(no step yet)", "webinar", "fair", "search"}
    rows = plain.snapshots
    tested = rows["as_of"].isin([d for fold in folds for d in fold.test]).to_numpy()
    source = plain.visible.histories.attributes.table["source"].to_numpy()
    expected = (source[plain.visible.prospect[tested]] == "webinar").sum()
    (webinar,) = [entry for entry in report["segments"] if entry["segment"] == "webinar"]
    assert webinar["rows"] == expected
