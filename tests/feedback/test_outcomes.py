"""Outcomes of past lists, and their audit: only lists whose window has closed count."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from microconv.errors import MissingInputError
from microconv.feedback.list_audit import AuditInputs, audit_past_lists
from microconv.feedback.outcomes import find_outcomes, read_past_lists
from microconv.feedback.retraining import advise_retraining
from microconv.settings import LeakageCheckSettings
from microconv.storage.files import md5_of
from worlds.logs import JOURNEY
from worlds.ranking import END, on_disk, settings, trained, world

MONDAY = END - timedelta(days=60)


def write_list(
    folder: Path, as_of=MONDAY, horizon: float = 30, learnt_until=None, **columns
) -> Path:
    """Write a list as `microconv score` does, of whichever prospects."""
    frame = pd.DataFrame({"rank": [], "prospect_id": [], "probability": []} | columns)
    folder.mkdir(parents=True)
    frame.to_parquet(folder / "prospects.parquet")
    manifest = {
        "format": 2,
        "list_id": f"{as_of:%Y%m%d}-{len(frame)}",
        "status": "champion",
        "as_of": as_of.isoformat(),
        "valid_until": (as_of + timedelta(days=7)).isoformat(),
        "horizon_days": horizon,
        "model": {"learnt_until": learnt_until},
        "files": {"prospects": md5_of(folder / "prospects.parquet")},
    }
    (folder / "prospects_manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Write the world to disk."""
    return on_disk(tmp_path_factory.mktemp("log") / "log")


def wins() -> pd.DataFrame:
    """Return every conversion of the world, straight from its table of events."""
    events = world().events.select(["prospect_id", "time", "event_name", "value"]).to_pandas()
    return events[events["event_name"].astype(str) == "won"]


def everyone() -> list[str]:
    """Return the id of every prospect."""
    return sorted(set(world().events["prospect_id"].to_pylist()))


def test_a_listed_prospect_converted_if_a_win_lies_in_the_window(log, tmp_path):
    """Counted from the table of events by hand: [as_of, as_of + horizon), and its value."""
    who = everyone()
    write_list(tmp_path / "a", rank=range(1, len(who) + 1), prospect_id=who, probability=0.1)
    lists, _ = read_past_lists(tmp_path)
    rows = find_outcomes(log, lists, JOURNEY).rows.set_index("prospect_id")
    end = MONDAY + timedelta(days=30)
    inside = wins()[lambda w: (w["time"] >= MONDAY) & (w["time"] < end)]
    assert set(rows.index[rows["converted"]]) == set(inside["prospect_id"])
    assert 3 < rows["converted"].sum() < len(rows) / 2
    worth = inside.groupby("prospect_id")["value"].sum()
    pd.testing.assert_series_equal(
        rows["value"].dropna().sort_index(), worth.sort_index(), check_names=False
    )


def test_a_window_that_is_still_open_is_not_counted(log, tmp_path):
    """Half a window's conversions would make every list look too hopeful."""
    write_list(tmp_path / "old", rank=[1], prospect_id=["p001@example.com"], probability=[0.1])
    recent = END - timedelta(days=29)
    write_list(tmp_path / "new", recent, rank=[1], prospect_id=["p001@example.com"],
             probability=[0.1])  # fmt: skip
    lists, _ = read_past_lists(tmp_path)
    result = find_outcomes(log, lists, JOURNEY)
    assert len(result.rows) == 1
    assert list(result.open_until.values()) == [recent + timedelta(days=30)]


def test_a_list_whose_model_was_trained_later_does_not_count(log, tmp_path):
    """A new model applied to last month has seen the outcomes."""
    one = {"rank": [1], "prospect_id": ["p001@example.com"], "probability": [0.1]}
    later = (MONDAY + timedelta(days=1)).isoformat()
    write_list(tmp_path / "in", learnt_until=later, **one)
    write_list(tmp_path / "out", MONDAY - timedelta(days=1), learnt_until=MONDAY.isoformat(), **one)
    write_list(tmp_path / "fair", MONDAY + timedelta(days=1), learnt_until=later, **one)
    lists, _ = read_past_lists(tmp_path)
    result = find_outcomes(log, lists, JOURNEY)
    assert len(result.trained_later) == 2
    assert len(result.rows) == 1


def test_whoever_is_no_longer_in_the_log_is_counted(log, tmp_path):
    """A prospect whose data were erased has no outcome, which is not a negative one."""
    write_list(tmp_path / "a", rank=[1, 2], prospect_id=["p001@example.com", "erased"],
             probability=[0.1, 0.2])  # fmt: skip
    lists, _ = read_past_lists(tmp_path)
    result = find_outcomes(log, lists, JOURNEY)
    assert result.without_outcome == {"no_longer_in_the_log": 1, "merged_since": 0}
    assert result.rows["prospect_id"].tolist() == ["p001@example.com"]


def test_a_list_that_was_changed_is_named_and_left_out(tmp_path):
    """Outcomes must not be compared with edited rows."""
    write_list(tmp_path / "good", rank=[1], prospect_id=["a"], probability=[0.1])
    bad = write_list(tmp_path / "bad", rank=[1, 2], prospect_id=["a", "b"], probability=[0.1, 0.2])
    (bad / "prospects.parquet").write_bytes(b"other")
    lists, unreadable = read_past_lists(tmp_path)
    assert [past.manifest["list_id"] for past in lists] == [f"{MONDAY:%Y%m%d}-1"]
    assert list(unreadable) == ["bad"]
    assert "does not match the manifest" in unreadable["bad"]


def test_a_list_that_occurs_twice_counts_once(tmp_path):
    """A job that ran twice made the same list."""
    for name in ("first", "again"):
        write_list(tmp_path / name, rank=[1], prospect_id=["a"], probability=[0.1])
    assert len(read_past_lists(tmp_path)[0]) == 1


def test_a_folder_without_lists_is_an_error(tmp_path):
    """An audit of nothing would look like a pass."""
    with pytest.raises(MissingInputError, match="There is no list below"):
        read_past_lists(tmp_path)


def test_lists_with_and_without_grades_are_combined(log, tmp_path):
    """The first lists came from a model that was not ready, and graded nobody."""
    write_list(tmp_path / "a", rank=[1], prospect_id=["p001@example.com"], probability=[0.1])
    write_list(tmp_path / "b", MONDAY - timedelta(days=7), rank=[1], grade=["A"],
             prospect_id=["p002@example.com"], probability=[0.1])  # fmt: skip
    lists, _ = read_past_lists(tmp_path)
    assert find_outcomes(log, lists, JOURNEY).rows["grade"].fillna("none").tolist() == ["A", "none"]


def audit_of(log, folder: Path, model=None) -> dict:
    """Audit all lists of a folder."""
    lists, unreadable = read_past_lists(folder)
    return audit_past_lists(AuditInputs(lists, log, model), settings(), unreadable=unreadable)


def test_probabilities_ten_times_too_high_are_a_reason_to_retrain(log, tmp_path):
    """The observed rate is a tenth of the predicted one."""
    who = everyone()
    write_list(tmp_path / "a", rank=range(1, len(who) + 1), prospect_id=who, probability=0.9)
    result = audit_of(log, tmp_path)
    assert result["retrain"]["answer"] == "yes"
    assert "predicted that 90.0% convert" in result["retrain"]["reasons"][0]


def test_with_too_few_conversions_the_answer_is_unknown(log, tmp_path):
    """Three conversions may be luck."""
    won = wins()[lambda w: (w["time"] >= MONDAY) & (w["time"] < MONDAY + timedelta(days=30))]
    some = sorted(set(won["prospect_id"]))[:3]
    write_list(tmp_path / "a", rank=[1, 2, 3], prospect_id=some, probability=[0.01] * 3)
    result = audit_of(log, tmp_path)
    assert result["retrain"] == {
        "answer": "unknown",
        "reasons": [
            "3 conversions on past lists are too few to compare predicted and observed rates; "
            "10 are needed."
        ],
    }


def test_drift_compares_the_last_list_with_the_training_data(log, tmp_path):
    """Rates are those of the lists' cohorts, columns those of whole cohorts."""
    who = everyone()
    write_list(tmp_path / "a", rank=range(1, len(who) + 1), prospect_id=who, probability=0.1)
    result = audit_of(log, tmp_path, trained())["drift"]
    assert result["columns"] == len(trained().columns)
    assert result["training"]["as_of"] == trained().facts.last.isoformat().replace("+00:00", "Z")
    assert result["base_rate"]["training"] == trained().facts.base_rate
    assert 0 < result["base_rate"]["current"] < 1
    assert result["largest"] == dict(sorted(result["largest"].items(), key=lambda item: -item[1]))


EMPTY = {"overall": None, "calibration": None, "drift": None}


@pytest.mark.parametrize(
    ("findings", "answer"),
    [
        (EMPTY, "unknown"),
        (EMPTY | {"drift": {"base_rate": {"psi": 0.2, "current": 0.1, "training": 0.02},
                            "drifted_columns": 0, "columns": 9}}, "yes"),
        (EMPTY | {"drift": {"base_rate": {"psi": None}, "drifted_columns": 2, "columns": 9}},
         "yes"),
        (EMPTY | {"drift": {"base_rate": {"psi": 0.01}, "drifted_columns": 0, "columns": 9}},
         "unknown"),
    ],
    ids=["nothing closed", "base rate", "columns", "nothing moved"],
)  # fmt: skip
def test_drift_is_a_reason_to_retrain_before_any_window_has_closed(findings, answer):
    """There is no need to wait for the outcomes."""
    assert advise_retraining(findings, LeakageCheckSettings())["answer"] == answer
