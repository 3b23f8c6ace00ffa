"""Events of every accepted kind give the same list."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import microconv
from microconv.errors import EventLogError, MissingInputError, TimeError
from microconv.ranking.event_inputs import RawExports, as_table, open_events
from microconv.settings import IngestSettings
from microconv.storage.log import MemoryLog
from microconv.storage.schema import LOG_FORMAT
from worlds.logs import event, log_of
from worlds.ranking import END, settings, trained, world

SCORE = settings().score


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Make the DataFrame a user would have, instants with their zone."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            columns[name] = pd.Series(column.cast(pa.int64()).to_pandas(), dtype="Int64")
            columns[name] = pd.to_datetime(columns[name], unit="us", utc=True)
        else:
            columns[name] = column.cast(
                pa.string() if pa.types.is_dictionary(column.type) else column.type
            ).to_pandas()
    return pd.DataFrame(columns)


def score(events: Any, prospects: Any = None, **more: Any) -> pd.DataFrame:
    """Rank as a user would."""
    return microconv.score(
        events, model=trained(), as_of=END, prospects=prospects, settings=SCORE, **more
    )


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    """Rank the world from its sorted log in memory."""
    return score(world())


def write_log(folder: Path, events: pa.Table, prospects: pa.Table) -> Path:
    """Write the world as a log of one bucket."""
    for name, table in (("events", events), ("prospects", prospects)):
        (folder / name).mkdir(parents=True)
        pq.write_table(table, folder / name / "0000.parquet")
    names = pd.Series(events["event_name"].cast(pa.string()).to_pylist()).value_counts()
    source = {"name": "all", "complete_until": END.isoformat(), "event_names": names.to_dict()}
    facts = {
        "format": LOG_FORMAT,
        "buckets": 1,
        "event_names": names.to_dict(),
        "sources": [source],
    }
    (folder / "log.json").write_text(json.dumps(facts))
    return folder


KINDS: dict[str, Callable[[pa.Table, Path], Any]] = {
    "Arrow table": lambda table, _: table,
    "DataFrame": lambda table, _: frame_of(table),
    "Ibis table": lambda table, folder: ibis.duckdb.connect().read_parquet(
        _written(table, folder / "events.parquet")
    ),
    "Parquet file": lambda table, folder: _written(table, folder / "events.parquet"),
    "text path": lambda table, folder: str(_written(table, folder / "events.parquet")),
}


def _written(table: pa.Table, path: Path) -> Path:
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_events_in_any_order_gives_the_same_list(
    kind: str, expected: pd.DataFrame, tmp_path: Path
) -> None:
    """Rows shuffled, columns shuffled: the same list, bit for bit."""
    log = world()
    random = np.random.default_rng(3)
    events = log.events.take(random.permutation(len(log.events)))
    events = events.select(list(random.permutation(events.column_names)))
    people = log.prospects.take(random.permutation(len(log.prospects)))
    found = score(KINDS[kind](events, tmp_path), people)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_log_on_disk_gives_the_same_list(expected: pd.DataFrame, tmp_path: Path) -> None:
    """A folder brings its prospects with it."""
    folder = write_log(tmp_path / "log", world().events, world().prospects)
    pd.testing.assert_frame_equal(score(folder), expected, check_exact=True)
    pd.testing.assert_frame_equal(score(str(folder)), expected, check_exact=True)


def test_prospects_may_be_a_dataframe(expected: pd.DataFrame) -> None:
    """What is known of prospects is read like the events."""
    found = score(frame_of(world().events), frame_of(world().prospects))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_saved_model_gives_the_same_list(expected: pd.DataFrame, tmp_path: Path) -> None:
    """By its folder, as text or path."""
    trained().save(tmp_path / "model")
    found = microconv.score(
        world(), model=str(tmp_path / "model"), as_of=END.isoformat(), settings=SCORE
    )
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_the_frame_carries_the_account_of_who_is_left_out(expected: pd.DataFrame) -> None:
    """A caller who only wants the DataFrame can still ask it."""
    left_out = expected.attrs["left_out"]
    assert len(expected) + sum(left_out.values()) == 300
    assert expected.attrs["scored"] == len(expected) + left_out["below_the_limit"]
    assert expected.attrs["as_of"] == "2024-06-03T00:00:00+00:00"


def test_what_a_reader_must_know_is_warned_of() -> None:
    """A log that stopped ten days ago still gives a list, not silently."""
    rows = [event("ada", "pricing", END - timedelta(days=10))]
    with pytest.warns(UserWarning, match="what happened since is missing"):
        frame = score(MemoryLog(log_of(*rows).events, world().prospects))
    assert frame.attrs["notes"] == [frame.attrs["notes"][0]]


def test_raw_exports_are_ingested_and_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same events as a CSV export with its description; the temporary log is gone after."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    exports = tmp_path / "exports"
    exports.mkdir()
    events = frame_of(world().events)[["prospect_id", "time", "event_name", "event_id", "value"]]
    events.to_csv(exports / "events.csv", index=False)
    frame_of(world().prospects).to_csv(exports / "prospects.csv", index=False)
    fields = {name: name for name in ("prospect_id", "time", "event_id", "value")}
    description = IngestSettings.model_validate(
        {
            "input_dir": "elsewhere",
            "plausible_from": "2023-01-01T00:00:00Z",
            "plausible_until": "2025-01-01T00:00:00Z",
            "buckets": 2,
            "sources": [
                {
                    "name": "all",
                    "format": "table",
                    "files": "events.csv",
                    "complete_until": END,
                    "columns": {**fields, "event": "event_name"},
                },
                {
                    "name": "people",
                    "format": "prospects",
                    "files": "prospects.csv",
                    "columns": {
                        name: name for name in ("prospect_id", "known_at", "owner", "name")
                    },
                    "attributes": ["company_size", "source"],
                },
            ],
        }
    )
    found = score(RawExports(exports, description))
    same = score(world())
    assert {*found.columns} - {*same.columns} == {"account_id", "email"}  # mapped to nothing
    pd.testing.assert_frame_equal(found[same.columns], same, check_exact=True)
    assert [path.name for path in tmp_path.iterdir()] == ["exports"]


@pytest.mark.parametrize(
    ("events", "error", "says"),
    [
        pytest.param("nowhere.parquet", MissingInputError, "no event log", id="gone"),
        pytest.param(42, EventLogError, "a int is none of these", id="a number"),
        pytest.param(pd.DataFrame({"time": []}), EventLogError, "`prospect_id`", id="columns"),
        pytest.param(
            pd.DataFrame({"prospect_id": ["a"], "time": [pd.Timestamp("2024-06-01")],
                          "event_name": ["blog"]}),
            TimeError, "no time zone", id="naive",
        ),
    ],
)  # fmt: skip
def test_what_is_no_table_of_events_is_refused(events, error, says, tmp_path, monkeypatch) -> None:
    """In the caller's words, with the way out."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=says):
        score(events)


def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path) -> None:
    """Whoever passes a CSV learns how to ingest it."""
    (tmp_path / "events.csv").write_text("prospect_id,time\n")
    with pytest.raises(EventLogError, match="RawExports"):
        score(tmp_path / "events.csv")


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ("[]", "does not describe a log"),
        ('{"format": 2}', "has no `buckets`"),
        ("{", "damaged"),
        pytest.param(
            '{"format": 1, "buckets": 1}', "format 1; .* reads format 2. Ingest", id="old format"
        ),
    ],
)
def test_a_log_that_is_damaged_or_of_an_old_format_is_refused(facts, says, tmp_path: Path) -> None:
    """Before anything of it is read."""
    folder = write_log(tmp_path / "log", world().events, world().prospects)
    (folder / "log.json").write_text(facts)
    with pytest.raises(EventLogError, match=says):
        score(folder)


def test_a_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    """The folder of raw exports is not a log."""
    with pytest.raises(MissingInputError, match=r"no log\.json"):
        score(tmp_path)


@pytest.mark.parametrize(
    ("people", "error", "says"),
    [
        ({"prospect_id": ["a"]}, EventLogError, "no column `known_at`"),
        (
            {"prospect_id": ["a"], "known_at": [pd.Timestamp("2024-01-01")]},
            TimeError,
            "without a time zone",
        ),
    ],
)
def test_a_prospects_table_must_say_since_when(people, error, says) -> None:
    """Without `known_at` today's owner and size would be used for last year."""
    with pytest.raises(error, match=says):
        score(world().events, pd.DataFrame(people))


def test_zones_other_than_utc_are_the_same_instants() -> None:
    """A DataFrame in Berlin time is not shifted by two hours."""
    berlin = pd.DataFrame({"time": pd.to_datetime(["2024-06-01T12:00:00+02:00"])})
    assert berlin["time"].dt.tz is not None
    assert as_table(berlin)["time"][0].as_py().isoformat() == "2024-06-01T10:00:00+00:00"


def test_ties_in_what_was_known_do_not_depend_on_row_order() -> None:
    """Two rows known at one instant: sorted by content, whichever came first."""
    rows = pd.DataFrame(
        {"prospect_id": ["a", "a"], "known_at": pd.to_datetime(["2024-01-01T00:00:00Z"] * 2),
         "owner": ["Rosa", "Olga"]}
    )  # fmt: skip
    for order in (rows, rows[::-1]):
        with open_events(world().events[:1], prospects=order) as log:
            assert log.read_prospects(0)["owner"].to_pylist() == ["Olga", "Rosa"]
