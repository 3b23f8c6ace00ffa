"""What an opened row tells: every reason with its weight, and nothing from the future."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from microconv.histories.arrays import microseconds
from microconv.ranking.explanations.details import MAX_STEPS, recent_steps
from microconv.ranking.list_columns import DETAIL_COLUMNS
from microconv.ranking.output.lists import ListFiles, Provenance, write_list
from microconv.ranking.rank import ListOptions, rank_prospects
from microconv.settings import EngineSettings
from microconv.storage.schema import MESSAGES
from worlds.logs import AS_OF, JOURNEY, event, event_rows, log_of
from worlds.ranking import END, SplitLog, on_disk, settings, trained, trained_on_events, world

DAY = timedelta(days=1)


def rank(log=None, *, as_of=END, limit=20, threads=None, **rules):
    """Rank the world, or another log, with details."""
    given = type(settings().score).model_validate(settings().score.model_dump() | rules)
    score = given.model_copy(update={"limit": limit})
    return rank_prospects(
        log or world(),
        model=trained_on_events() if getattr(log, "prospects", ...) is None else trained(),
        as_of=as_of,
        settings=score,
        engine=EngineSettings(threads=threads),
        options=ListOptions(details=True),
    )


def told(*rows, prospect="ada"):
    """Tell the latest steps of one prospect of a hand-made log."""
    listed = {0: [prospect]}
    return recent_steps(log_of(*rows), 0, journey=JOURNEY, as_of=AS_OF, listed=listed)[prospect]


def test_the_steps_are_told_the_latest_first_with_what_they_came_through() -> None:
    """By hand: two steps of Ada's, of which a scanner may have made one; a mail is counted."""
    rows = [
        event("ada", "sent", AS_OF - 5 * DAY),
        event(
            "ada",
            "blog",
            AS_OF - 4 * DAY,
            message_id="m1",
            campaign_id="c1",
            human_probability=0.25,
        ),
        event("ada", "pricing", AS_OF - 2 * DAY),
        event("bob", "guide", AS_OF - 3 * DAY),
    ]
    assert told(*rows) == {
        "steps": [
            [microseconds(AS_OF - 2 * DAY), "pricing", None, None, 1.0],
            [microseconds(AS_OF - 4 * DAY), "blog", "m1", "c1", 0.25],
        ],
        "earlier": 0,
        "exposures": 1,
    }


@pytest.mark.parametrize(
    "row",
    [
        event("ada", "pricing", AS_OF),
        event("ada", "pricing", AS_OF - 2 * DAY, seen=AS_OF),
        event("ada", "pricing", AS_OF - 2 * DAY, visible_until=AS_OF - timedelta(seconds=1)),
        event("ada", "no such step", AS_OF - 2 * DAY),
    ],
    ids=["at the instant itself", "known too late", "merged away before", "no step"],
)
def test_what_a_feature_may_not_see_is_not_told(row) -> None:
    """The reader calls by it: the law of time holds for the page as for the model."""
    blog = event("ada", "blog", AS_OF - 4 * DAY)
    assert told(blog, row) == told(blog)


def test_a_step_is_told_up_to_the_instant_of_a_merge() -> None:
    """At `visible_until` itself it still stands under this name, and not yet under the other."""
    row = event("ada", "pricing", AS_OF - 2 * DAY, visible_until=AS_OF)
    assert [step[1] for step in told(row)["steps"]] == ["pricing"]


def test_many_steps_are_cut_and_counted() -> None:
    """Of 23 steps the latest 20 are told, and that there were 3 before."""
    rows = [event("ada", "blog", AS_OF - k * DAY) for k in range(1, 24)]
    its = told(*rows)
    assert [step[0] for step in its["steps"]] == [
        microseconds(AS_OF - k * DAY) for k in range(1, MAX_STEPS + 1)
    ]
    assert its["earlier"] == 3


@given(rows=event_rows(-40 * 86_400, 10 * 86_400))
def test_what_is_told_is_what_was_visible(rows) -> None:
    """A slow and obvious oracle over any log: late, merged and future events among the others."""
    log = log_of(*rows)
    names = ["ada", "bob", "cy"]
    found = recent_steps(log, 0, journey=JOURNEY, as_of=AS_OF, listed={0: names})
    for name in names:
        seen = [
            row
            for row in sorted(rows, key=lambda row: (row["time"], row["known_at"], row["event_id"]))
            if row["prospect_id"] == name
            and row["visible_at"] < AS_OF
            and (row["visible_until"] is None or row["visible_until"] >= AS_OF)
        ]
        mine = [row for row in seen if row["event_name"] not in ("sent", "opened")]
        assert found[name]["exposures"] == len(seen) - len(mine)
        assert found[name]["earlier"] == max(0, len(mine) - MAX_STEPS)
        assert [(step[0], step[1]) for step in found[name]["steps"]] == [
            (microseconds(row["time"]), row["event_name"]) for row in mine[::-1][:MAX_STEPS]
        ]


def test_all_reasons_and_the_weaker_ones_move_the_average_to_the_probability() -> None:
    """The weights of every row, less their sum, leave one and the same intercept."""
    ranking = rank()
    details = ranking.details.to_pylist()
    sums = [
        sum(r["log_odds"] for r in row["reasons"]) + row["other_reasons_log_odds"]
        for row in details
    ]
    probability = ranking.frame["probability"].to_numpy()
    intercept = np.log(probability / (1 - probability)) - sums
    np.testing.assert_allclose(intercept, intercept[0], atol=1e-9)
    for row, reason in zip(details, ranking.frame["reason_1"], strict=True):
        weights = [abs(r["log_odds"]) for r in row["reasons"]]
        assert weights == sorted(weights, reverse=True)
        assert min(weights) >= 0.01
        arrow = "↑ " if row["reasons"][0]["log_odds"] > 0 else "↓ "
        assert reason == arrow + row["reasons"][0]["text"]


@pytest.mark.parametrize(
    "rules", [{}, {"capacities": {"owner": {"each": 1000}}}], ids=["plain", "two passes"]
)
def test_buckets_threads_and_passes_change_no_detail(rules) -> None:
    """However the list is made, the same is told of its rows."""
    expected = rank()
    found = rank(SplitLog(world(), 4), threads=2, **rules)
    assert found.frame["prospect_id"].tolist() == expected.frame["prospect_id"].tolist()
    assert found.details.equals(expected.details)
    assert found.details.schema.equals(DETAIL_COLUMNS)


def test_details_change_nothing_else() -> None:
    """The same list, with or without."""
    plain = rank_prospects(world(), model=trained(), as_of=END, limit=20)
    pd.testing.assert_frame_equal(
        rank().frame.drop(columns="grade"), plain.frame.drop(columns="grade"), check_exact=True
    )
    assert plain.details is None


@pytest.mark.parametrize("limit", [None, 5_001])
def test_a_list_without_end_has_no_details(limit) -> None:
    """A million rows with twenty steps each are no list that anybody opens."""
    assert rank(limit=limit).details is None


def test_nobody_listed_has_no_details() -> None:
    """An empty list keeps the columns."""
    log = log_of(event("ada", "won", AS_OF - DAY))
    assert rank(log, as_of=AS_OF).details.num_rows == 0


def test_a_message_is_called_by_the_subject_it_was_sent_with(tmp_path) -> None:
    """What a mail was about says more than its id; one that is sent later was not known."""
    log = on_disk(tmp_path / "log")
    rows = [
        event("ada", "blog", AS_OF - DAY, message_id="m1"),
        event("ada", "blog", AS_OF - 2 * DAY, message_id="m2"),
        event("ada", "blog", AS_OF - 3 * DAY, message_id="m3"),
    ]
    pq.write_table(log_of(*rows).events, tmp_path / "log" / "events" / "0000.parquet")
    messages = [
        {"message_id": "m1", "subject": "A checklist\nfor your week", "sent_at": AS_OF - 9 * DAY},
        {"message_id": "m2", "subject": "Of next week", "sent_at": AS_OF},
    ]
    pq.write_table(pa.Table.from_pylist(messages, MESSAGES), tmp_path / "log" / "messages.parquet")
    steps = rank(log, as_of=AS_OF).details["recent_steps"][0].as_py()
    assert [step["message"] for step in steps] == ["A checklist for your week", "m2", "m3"]


def test_details_are_written_where_they_have_room(tmp_path) -> None:
    """Parquet and JSON lines have them, row for row; a spreadsheet's cell has no room."""
    for name in ("log", "model"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    ranking = rank(limit=5)
    files = ListFiles.in_folder(tmp_path / "list")
    provenance = Provenance(tmp_path / "log", tmp_path / "model")
    manifest = write_list(ranking, provenance, files, valid_for=7 * DAY)
    table = pq.read_table(files.prospects)
    assert table.select(DETAIL_COLUMNS.names).equals(ranking.details)
    assert manifest["columns"] == table.column_names
    lines = [json.loads(line) for line in files.json_lines.read_text("utf-8").splitlines()]
    first = ranking.details["recent_steps"][0].as_py()
    assert [step["step"] for step in lines[0]["recent_steps"]] == [step["step"] for step in first]
    assert lines[0]["recent_steps"][0]["time"] == f"{first[0]['time']:%Y-%m-%dT%H:%M:%S.%fZ}"
    head = files.csv.read_text("utf-8-sig").splitlines()[0].split(",")
    assert not set(DETAIL_COLUMNS.names) & set(head)
