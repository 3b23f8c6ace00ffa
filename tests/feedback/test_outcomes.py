"""Past lists joined with a log: the window is the list's own, and only closed ones count."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from microconv.errors import MissingInputError
from microconv.feedback.list_audit import AuditInputs, audit_past_lists
from microconv.feedback.outcomes import find_outcomes
from microconv.feedback.past_lists import read_past_lists
from microconv.feedback.retraining import retrain
from microconv.settings import LeakageCheckSettings
from microconv.storage.files import md5_of
from worlds.logs import JOURNEY
from worlds.ranking import END, on_disk, settings, trained, world

MONDAY = END - timedelta(days=60)


def lay_down(folder: Path, as_of=MONDAY, horizon: float = 30, learnt_until=None, **columns) -> Path:
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
    lay_down(tmp_path / "a", rank=range(1, len(who) + 1), prospect_id=who, probability=0.1)
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
    lay_down(tmp_path / "old", rank=[1], prospect_id=["p001@example.com"], probability=[0.1])
    recent = END - timedelta(days=29)
    lay_down(tmp_path / "new", recent, rank=[1], prospect_id=["p001@example.com"],
             probability=[0.1])  # fmt: skip
    lists, _ = read_past_lists(tmp_path)
    told = find_outcomes(log, lists, JOURNEY)
    assert len(told.rows) == 1
    assert list(told.open_until.values()) == [recent + timedelta(days=30)]


def test_a_list_that_its_model_had_learnt_from_proves_nothing(log, tmp_path):
    """Somebody tries the new model on last month: of course it is right."""
    one = {"rank": [1], "prospect_id": ["p001@example.com"], "probability": [0.1]}
    later = (MONDAY + timedelta(days=1)).isoformat()
    lay_down(tmp_path / "in", learnt_until=later, **one)
    lay_down(tmp_path / "out", MONDAY - timedelta(days=1), learnt_until=MONDAY.isoformat(), **one)
    lay_down(tmp_path / "fair", MONDAY + timedelta(days=1), learnt_until=later, **one)
    lists, _ = read_past_lists(tmp_path)
    told = find_outcomes(log, lists, JOURNEY)
    assert len(told.trained_later) == 2
    assert len(told.rows) == 1


def test_whoever_is_no_longer_in_the_log_is_counted(log, tmp_path):
    """A prospect whose data were erased has no outcome; nobody may take that for a no."""
    lay_down(tmp_path / "a", rank=[1, 2], prospect_id=["p001@example.com", "erased"],
             probability=[0.1, 0.2])  # fmt: skip
    lists, _ = read_past_lists(tmp_path)
    told = find_outcomes(log, lists, JOURNEY)
    assert told.without_outcome == {"no_longer_in_the_log": 1, "merged_since": 0}
    assert told.rows["prospect_id"].tolist() == ["p001@example.com"]


def test_a_list_that_was_changed_is_named_and_left_out(tmp_path):
    """Nobody's promises are held against rows that somebody edited."""
    lay_down(tmp_path / "good", rank=[1], prospect_id=["a"], probability=[0.1])
    bad = lay_down(tmp_path / "bad", rank=[1, 2], prospect_id=["a", "b"], probability=[0.1, 0.2])
    (bad / "prospects.parquet").write_bytes(b"other")
    lists, refused = read_past_lists(tmp_path)
    assert [past.manifest["list_id"] for past in lists] == [f"{MONDAY:%Y%m%d}-1"]
    assert list(refused) == ["bad"]
    assert "does not match the manifest" in refused["bad"]


def test_a_list_that_lies_there_twice_counts_once(tmp_path):
    """A job that ran twice made one promise."""
    for name in ("first", "again"):
        lay_down(tmp_path / name, rank=[1], prospect_id=["a"], probability=[0.1])
    assert len(read_past_lists(tmp_path)[0]) == 1


def test_a_folder_without_lists_is_refused(tmp_path):
    """An audit of nothing would be a clean bill of health."""
    with pytest.raises(MissingInputError, match="There is no list below"):
        read_past_lists(tmp_path)


def test_lists_with_and_without_grades_lie_side_by_side(log, tmp_path):
    """The first lists came from a model that was not ready, and graded nobody."""
    lay_down(tmp_path / "a", rank=[1], prospect_id=["p001@example.com"], probability=[0.1])
    lay_down(tmp_path / "b", MONDAY - timedelta(days=7), rank=[1], grade=["A"],
             prospect_id=["p002@example.com"], probability=[0.1])  # fmt: skip
    lists, _ = read_past_lists(tmp_path)
    assert find_outcomes(log, lists, JOURNEY).rows["grade"].fillna("none").tolist() == ["A", "none"]


def findings_of(log, folder: Path, model=None) -> dict:
    """Audit all lists of a folder."""
    lists, refused = read_past_lists(folder)
    return audit_past_lists(AuditInputs(lists, log, model), settings(), refused=refused)


def test_promises_that_are_ten_times_too_high_ask_for_a_new_model(log, tmp_path):
    """What came is a tenth of what was said: sales would stop believing."""
    who = everyone()
    lay_down(tmp_path / "a", rank=range(1, len(who) + 1), prospect_id=who, probability=0.9)
    told = findings_of(log, tmp_path)
    assert told["retrain"]["answer"] == "yes"
    assert "90.0% were promised" in told["retrain"]["reasons"][0]


def test_too_few_conversions_say_nothing(log, tmp_path):
    """Three converted of ten: nobody can tell luck from skill."""
    won = wins()[lambda w: (w["time"] >= MONDAY) & (w["time"] < MONDAY + timedelta(days=30))]
    some = sorted(set(won["prospect_id"]))[:3]
    lay_down(tmp_path / "a", rank=[1, 2, 3], prospect_id=some, probability=[0.01] * 3)
    told = findings_of(log, tmp_path)
    assert told["retrain"] == {
        "answer": "cannot tell",
        "reasons": ["3 conversions on past lists are too few to say whether promises come true."],
    }


def test_shift_compares_with_what_the_model_learnt_from(log, tmp_path):
    """Rates are counted over the cohorts of the lists, columns over everyone asked."""
    who = everyone()
    lay_down(tmp_path / "a", rank=range(1, len(who) + 1), prospect_id=who, probability=0.1)
    told = findings_of(log, tmp_path, trained())["drift"]
    assert told["columns"] == len(trained().columns)
    assert told["then"]["as_of"] == trained().facts.last.isoformat().replace("+00:00", "Z")
    assert told["base_rate"]["then"] == trained().facts.base_rate
    assert 0 < told["base_rate"]["now"] < 1
    assert told["largest"] == dict(sorted(told["largest"].items(), key=lambda item: -item[1]))


STILL = {"overall": None, "calibration": None, "drift": None}


@pytest.mark.parametrize(
    ("findings", "answer"),
    [
        (STILL, "cannot tell"),
        (STILL | {"drift": {"base_rate": {"index": 0.2, "now": 0.1, "then": 0.02},
                            "drifted_columns": 0, "columns": 9}}, "yes"),
        (STILL | {"drift": {"base_rate": {"index": None}, "drifted_columns": 2, "columns": 9}},
         "yes"),
        (STILL | {"drift": {"base_rate": {"index": 0.01}, "drifted_columns": 0, "columns": 9}},
         "cannot tell"),
    ],
    ids=["nothing closed", "base rate", "columns", "nothing moved"],
)  # fmt: skip
def test_a_changed_world_asks_for_a_new_model_before_any_list_is_over(findings, answer):
    """Nobody need wait 30 days to see that everything is different."""
    assert retrain(findings, LeakageCheckSettings())["answer"] == answer
