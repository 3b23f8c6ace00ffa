"""Events handed over in memory: what is checked, filled in and sorted."""

from __future__ import annotations

from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from microconv.errors import EventLogError, TimeError
from microconv.ingest.dataframes import canonical_events
from microconv.storage.schema import EVENTS
from worlds.exports import Exports, day, iso


def rows(**more: list[Any]) -> pa.Table:
    """Make three events out of order, with what is given added or changed."""
    columns = {
        "prospect_id": ["bob", "ada", "ada"],
        "time": [day(1), day(3), day(2)],
        "event_name": ["visit", "buy", "visit"],
    }
    return pa.table(columns | more)


def test_whatever_holds_the_events_the_log_is_the_same() -> None:
    """pandas, pyarrow, Ibis; any unit of time, categories, an index that means nothing."""
    table = rows()
    frame = table.to_pandas()
    frame["event_name"] = frame["event_name"].astype("category")
    frame["time"] = frame["time"].dt.tz_convert("Asia/Tokyo").astype("datetime64[ns, Asia/Tokyo]")
    frame.index = pd.Index([7, 7, 7])
    log = canonical_events(table)
    assert log.schema.equals(EVENTS)
    assert log["prospect_id"].to_pylist() == ["ada", "ada", "bob"]
    assert log["time"].to_pylist() == [day(2), day(3), day(1)]
    assert canonical_events(frame).equals(log)
    assert canonical_events(ibis.memtable(table)).equals(log)


def test_what_is_not_said_is_filled_in() -> None:
    """Known when it happened, visible when known, done by a person."""
    known = [day(4), None, None]
    first = canonical_events(rows(known_at=known)).to_pylist()[-1]
    assert first == first | {
        "prospect_id": "bob", "time": day(1), "known_at": day(4), "visible_at": day(4),
        "visible_until": None, "value": None, "human_probability": 1.0,
    }  # fmt: skip


def test_the_order_of_rows_does_not_show() -> None:
    """Ties are broken by what the rows say."""
    many = pd.DataFrame({
        "prospect_id": ["ada"] * 40, "time": [day(1)] * 40,
        "event_name": [f"e{n % 7}" for n in range(40)], "value": np.arange(40.0) % 5,
    })  # fmt: skip
    log = canonical_events(many)
    assert canonical_events(many.sample(frac=1, random_state=3)).equals(log)


def test_a_log_read_back_is_itself(exports: Exports) -> None:
    """Scoring a log in memory must see what scoring it from disk sees."""
    exports.write("a.csv", f"who,when,what\nada,{iso(2)},visit\nada,{iso(1)},visit\n")
    exports.ingest({"files": "a.csv"}, buckets=1)
    table = pa.Table.from_pylist(exports.events(), schema=EVENTS)
    assert canonical_events(table).equals(table)


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (rows().drop(["event_name"]), EventLogError, "no column `event_name`"),
        (rows().rename_columns(["prospect", "time", "event_name"]), EventLogError, "Did you mean"),
        (rows(time=[day(n).replace(tzinfo=None) for n in range(3)]), TimeError, "no time zone"),
        (rows(time=["2024-01-01"] * 3), TimeError, "not a timestamp"),
        (rows(known_at=[1, 2, 3]), TimeError, "`known_at`"),
        (rows(prospect_id=["ada", None, ""]), EventLogError, "2 of 3 events have no `prospect_id`"),
        (rows(time=[day(1), None, day(2)]), EventLogError, "1 of 3 events have no `time`"),
        (rows(value=["a", "b", "c"]), EventLogError, "`value`"),
        (rows(value=[1.0, float("inf"), None]), EventLogError, "1 of 3 .* finite .* inf in row 1"),
        (
            rows(human_probability=[0.0, 1.0, -0.5]),
            EventLogError,
            "1 of 3 .* 0 and 1.* -0.5 in row 2",
        ),
        (rows(human=[0.0, 1.0, 0.5]), EventLogError, "`human`.* `human_probability`.* Rename it"),
        (
            rows(time=pa.array([0, 1, 10**17], pa.timestamp("s", "UTC"))),
            TimeError,
            "`time` .* out of range",
        ),
    ],
    ids=[
        "missing",
        "misnamed",
        "naive",
        "text",
        "known_at",
        "nobody",
        "never",
        "value",
        "inf",
        "human_probability",
        "human",
        "year",
    ],
)
def test_a_table_that_breaks_the_contract_is_refused(
    table: pa.Table, error: type[Exception], message: str
) -> None:
    """In the words of the caller."""
    with pytest.raises(error, match=message):
        canonical_events(table)


def test_a_column_of_several_kinds_is_refused_by_name() -> None:
    """Ids read as numbers where they look like numbers are two people under one id."""
    frame = rows().to_pandas().assign(prospect_id=[7, "ada", "ada"])
    with pytest.raises(EventLogError, match=r"`prospect_id` holds values of several types"):
        canonical_events(frame)


def test_a_column_that_is_left_out_may_hold_anything() -> None:
    """A frame of events may have other columns; they are ignored."""
    frame = rows().to_pandas()
    log = canonical_events(frame.assign(payload=[{"a": 1}, 2, "x"]))
    assert log.equals(canonical_events(frame))


@pytest.mark.parametrize("empty", [pd.NaT, None, np.datetime64("NaT", "s")], ids=repr)
def test_a_column_of_instants_without_one_needs_no_zone(empty: object) -> None:
    """A log without merges has no `visible_until`; frames give that any type."""
    frame = rows().to_pandas()
    column = pd.Series([empty] * len(frame))
    assert canonical_events(frame.assign(visible_until=column)).equals(canonical_events(frame))


def test_no_events_are_an_empty_log() -> None:
    """Nothing to score is not an error here."""
    assert canonical_events(rows().slice(0, 0)).num_rows == 0
