"""Completion rates, against counts by hand."""

from __future__ import annotations

from math import sqrt

import pyarrow as pa
import pytest

from microconv.measurement.funnel.completion import completion
from microconv.measurement.study.load import load_study
from microconv.settings import MeasureSettings
from microconv.storage.log import MemoryLog
from microconv.storage.schema import MESSAGES
from worlds.logs import AS_OF, JOURNEY, event, instant, log_of
from worlds.studies import sends_of, study_of

SETTINGS = MeasureSettings()
MESSAGE_ROWS = [
    {"message_id": "m1", "campaign_id": "spring", "position": 1, "goal": "guide"},
    {"message_id": "m2", "campaign_id": "spring", "position": 2, "goal": "guide"},
    {"message_id": "m3", "campaign_id": "spring", "position": 3, "goal": "nothing"},
]
MESSAGE_TABLE = pa.Table.from_pylist(MESSAGE_ROWS, schema=MESSAGES)


def day(number):
    """Return midnight so many days before AS_OF."""
    return instant(-number * 86_400)


def row(table, **keys):
    """Pick the one row with these values."""
    for name, value in keys.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def completed(study):
    """Measure completion, with ten days to respond to a message."""
    return completion(study, sends_of(study, 10), SETTINGS)


def test_a_step_is_completed_once_per_prospect_and_only_at_risk():
    """Ada twice, Bob after buying, Cy not: 1 of 3."""
    found = completed(
        study_of(
            event("ada", "guide", day(9)),
            event("ada", "guide", day(8)),
            event("bob", "blog", day(9)),
            event("bob", "won", day(5)),
            event("bob", "guide", day(4)),
            event("cy", "sent", day(9)),
        )
    )
    guide = row(found.tables["steps"], step="guide")
    assert (guide["completed"], guide["prospects"], guide["reached"]) == (1, 3, 2)
    z, p, n = 1.959964, 1 / 3, 3
    middle, half = p + z**2 / (2 * n), z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert guide["completed_low"] == pytest.approx((middle - half) / (1 + z**2 / n), abs=1e-6)
    assert row(found.tables["stages"], stage="awareness")["completed"] == 1
    assert "pricing" in found.missing[0]


def test_the_expected_number_of_people_is_next_to_the_raw_count():
    """Two clicks, each a machine's with 0.8 and 0.5: a person with 1 − 0.4."""
    found = completed(
        study_of(
            event("ada", "guide", day(9), human_probability=0.2),
            event("ada", "guide", day(8), human_probability=0.5),
        )
    )
    guide = row(found.tables["steps"], step="guide")
    assert guide["completed"] == 1
    assert guide["completed_by_people"] == pytest.approx(0.6)


def test_a_send_counts_once_its_response_window_is_over():
    """Ten days to respond from day 40 on; a send of day 5 is still open at the end."""
    found = completed(
        study_of(
            event("ada", "sent", day(40), message_id="m1"),
            event("ada", "guide", day(31)),  # in time
            event("bob", "sent", day(40), message_id="m1"),
            event("bob", "guide", day(30)),  # the tenth day is over
            event("cy", "sent", day(5), message_id="m1"),  # response window still open
            event("cy", "guide", day(4)),
            event("dee", "sent", day(40), message_id="m2"),
            event("dee", "sent", day(39), message_id="m3"),
            event("dee", "guide", day(38)),
            event("eve", "won", day(50)),
            event("eve", "sent", day(40), message_id="m1"),  # a customer, no longer at risk
            messages=MESSAGE_TABLE,
        )
    )
    positions = found.tables["positions"]
    assert row(positions, position=1)[["sends", "responses"]].tolist() == [2, 1]
    assert row(positions, position=2)[["sends", "responses"]].tolist() == [1, 1]
    assert 3 not in positions["position"].tolist()
    spring = row(found.tables["campaigns"], campaign_id="spring")
    assert spring[["sends", "responses"]].tolist() == [3, 2]
    guide = row(found.tables["steps"], step="guide")
    assert guide[["messaged", "responded"]].tolist() == [3, 2]


def test_segments_are_those_known_when_first_seen():
    """Attribute and month of arrival; missing values are a group of their own."""
    rows = [event("ada", "guide", day(9)), event("bob", "blog", day(9))]
    prospects = pa.table(
        {
            "prospect_id": ["ada"],
            "known_at": pa.array([day(9)], pa.timestamp("us", tz="UTC")),
            "source": ["fair"],
        }
    )
    study = load_study(
        MemoryLog(log_of(*rows).events, prospects), JOURNEY, observed_until=AS_OF, threads=1
    )
    found = completed(study)
    segments = found.tables["segments"]
    fair = row(segments, group="fair", step="guide")
    unknown = row(segments, group="(unknown)", step="guide")
    assert (fair["completed"], fair["prospects"]) == (1, 1)
    assert (unknown["completed"], unknown["prospects"]) == (0, 1)
    assert row(found.tables["months"], step="guide")["month"] == "2024-05"


def test_missing_data_are_named():
    """No messages, no attributes."""
    found = completed(study_of(event("ada", "guide", day(9))))
    sentences = " ".join(found.missing)
    assert "messages table" in sentences
    assert "No attribute" in sentences
    assert found.report()["tables"]["campaigns"] == []
