"""Follow-up, visibility and segments of the study data."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

from microconv.errors import NotEnoughDataError
from microconv.histories.arrays import NEVER, microseconds
from microconv.measurement.study.load import assign_mining_half, load_study
from microconv.storage.log import MemoryLog
from microconv.storage.schema import MESSAGES
from worlds.logs import AS_OF, JOURNEY, event, event_rows, instant, log_of
from worlds.studies import study_of

DAYS = 86_400


def day(number):
    """Return midnight so many days before AS_OF."""
    return instant(-number * DAYS)


def test_a_prospect_is_at_risk_from_first_seen_until_the_first_of_conversion_exit_and_end():
    """Censoring decides every rate: a conversion after an exit is not one while at risk."""
    study = study_of(
        event("ada", "blog", day(9)),
        event("ada", "won", day(5), value=100.0),
        event("ada", "won", day(2), value=50.0),
        event("bob", "blog", day(8)),
        event("cy", "sent", day(7)),
        event("cy", "left", day(6)),
        event("cy", "won", day(3), value=30.0),
    )
    follow_up = study.follow_up
    assert study.prospect_ids.to_pylist() == ["ada", "bob", "cy"]
    assert follow_up.first_seen.tolist() == [microseconds(day(k)) for k in (9, 8, 7)]
    assert follow_up.ended_at.tolist() == [microseconds(day(k)) for k in (5, 0, 6)]
    assert follow_up.converted.tolist() == [True, False, False]
    assert follow_up.converted_at.tolist() == [microseconds(day(5)), NEVER, microseconds(day(3))]
    assert follow_up.value[0] == 100
    assert follow_up.lifetime_value.tolist() == [150, 0, 30]


def test_an_outcome_recorded_late_counts_and_a_late_visit_does_not():
    """Outcomes are complete by when they happened; visits are known when they are seen."""
    study = study_of(
        event("ada", "blog", day(9)),
        event("ada", "won", day(1), seen=instant(3 * DAYS)),
        event("ada", "pricing", day(1), seen=instant(0)),
        event("ada", "guide", instant(0)),
    )
    assert [JOURNEY.step_names[code] for code in study.step] == ["blog", "won"]


def test_a_merged_prospect_counts_once():
    """The loser's events are in the log twice; at the end they belong to the winner alone."""
    rows = [
        event("ada", "won", day(5), visible_until=day(3)),
        event("bob", "won", day(5), seen=day(3), known_at=day(5)),
    ]
    assert study_of(*rows).prospect_ids.to_pylist() == ["bob"]
    assert study_of(*rows, until=day(4)).prospect_ids.to_pylist() == ["ada"]


def test_an_anonymous_visit_counts_from_when_the_visitor_was_identified():
    """Otherwise a prospect would be at risk before they were known."""
    study = study_of(
        event("ada", "blog", day(9), seen=day(4)),
        event("ada", "guide", day(4)),
    )
    assert study.follow_up.first_seen.tolist() == [microseconds(day(4))]
    assert study.time.tolist() == [microseconds(day(9)), microseconds(day(4))]


def test_the_text_columns_become_codes():
    """Message, campaign, variant and client, each null where the row has none."""
    messages = pa.Table.from_pylist(
        [{"message_id": "m1", "goal": "guide"}, {"message_id": "m2", "goal": "blog"}],
        schema=MESSAGES,
    )
    study = study_of(
        event("ada", "sent", day(9), message_id="m2", variant="B", campaign_id="spring"),
        event("ada", "opened", day(8), message_id="other", variant="A", client="Safari"),
        event("ada", "blog", day(7)),
        messages=messages,
    )
    assert study.message.tolist() == [1, -1, -1]
    assert study.variant.text().tolist() == ["B", "A", None]
    assert study.campaign.text().tolist() == ["spring", None, None]
    assert study.client.text().tolist() == [None, "Safari", None]


def test_a_segment_is_what_was_known_when_the_prospect_was_first_seen():
    """An attribute filled in after the conversion would explain it."""
    rows = [event(name, "blog", day(5)) for name in ("ada", "bob", "cy")]
    prospects = pa.table(
        {
            "prospect_id": ["ada", "ada", "bob"],
            "known_at": pa.array([day(9), day(1), day(4)], pa.timestamp("us", tz="UTC")),
            "source": ["fair", "customer", "web"],
        }
    )
    log = MemoryLog(log_of(*rows).events, prospects)
    study = load_study(log, JOURNEY, observed_until=AS_OF)
    assert study.segments["source"].text().tolist() == ["fair", None, None]


def test_a_number_is_cut_at_its_quartiles():
    """Four groups of the same size are what a table can show."""
    rows = [event(f"p{k}", "blog", day(5)) for k in range(8)]
    prospects = pa.table(
        {
            "prospect_id": [f"p{k}" for k in range(8)],
            "known_at": pa.array([day(9)] * 8, pa.timestamp("us", tz="UTC")),
            "size": [float(k) for k in range(8)],
        }
    )
    study = load_study(MemoryLog(log_of(*rows).events, prospects), JOURNEY, observed_until=AS_OF)
    assert study.segments["size"].codes.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_the_halves_are_about_equal_and_do_not_depend_on_other_prospects():
    """A prospect that changed halves would be used for both mining and testing."""
    ids = pa.array([f"p{k}" for k in range(4000)])
    half = assign_mining_half(ids)
    assert abs(half.mean() - 0.5) < 0.03
    assert assign_mining_half(ids.slice(100, 50)).tolist() == half[100:150].tolist()


def test_a_log_without_mapped_events_is_an_error():
    """The message tells users that no event name is mapped to a step."""
    with pytest.raises(NotEnoughDataError, match=r"journey\.steps"):
        study_of(event("ada", "nonsense", day(5)))


@given(past=event_rows(-90 * DAYS, -1), future=event_rows(0, 90 * DAYS))
def test_events_after_the_end_change_nothing(past, future):
    """The measurement looks back from one instant."""
    anchor = event("zoe", "blog", day(3))
    for number, row in enumerate(future):
        row["event_id"] = f"later {number}"
        row["visible_at"] = row["known_at"] = max(row["visible_at"], row["time"])
    early = [row for row in past if (row["visible_until"] or AS_OF) >= row["visible_at"]]
    without, with_future = study_of(anchor, *early), study_of(anchor, *early, *future)
    assert without.prospect_ids.equals(with_future.prospect_ids)
    for name in ("offsets", "time", "seen_at", "step", "value"):
        np.testing.assert_array_equal(getattr(without, name), getattr(with_future, name))
    assert with_future.until == microseconds(AS_OF)
    assert timedelta(microseconds=with_future.until - with_future.start) > timedelta(0)
