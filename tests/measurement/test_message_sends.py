"""Message sends: the state before each, and the response to it."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microconv.journey import JourneyMap
from microconv.measurement.study.message_sends import (
    NO_GOAL,
    message_goals,
    parse_goals,
)
from microconv.settings import JourneySettings
from microconv.storage.schema import MESSAGES
from worlds.logs import event, instant
from worlds.studies import sends_of, study_of

DAYS = 86_400

JOURNEY = JourneyMap.from_settings(
    JourneySettings.model_validate(
        {
            "steps": {
                "sent": {"kind": "exposure"},
                "opened": {"kind": "exposure"},
                "clicked": {"kind": "exposure"},
                "blog": {"kind": "micro", "stage": "awareness", "commitment": 1},
                "guide": {"kind": "micro", "stage": "consideration", "commitment": 2},
                "pricing": {"kind": "micro", "stage": "decision", "commitment": 4},
                "won": {"kind": "major"},
            }
        }
    )
)

LETTERS = pa.Table.from_pylist(
    [
        {"message_id": "one", "campaign_id": "nurture", "position": 1, "goal": "guide"},
        {"message_id": "two", "campaign_id": "nurture", "position": 2, "goal": "nonsense"},
        {"message_id": "three", "campaign_id": "nurture", "position": 3, "goal": None},
    ],
    schema=MESSAGES,
)


def day(number, seconds=0):
    """Return an instant so many days before the end of the study."""
    return instant(-number * DAYS + seconds)


def sent(*rows, response_days=4.0):
    """List the sends of some rows."""
    study = study_of(*rows, journey=JOURNEY, messages=LETTERS)
    return sends_of(study, response_days)


def of(message, name, at, **more):
    """Make an event that belongs to a message."""
    return event("ada", name, at, message_id=message, **more)


def test_the_state_is_what_was_seen_strictly_before_the_delivery():
    """A step known only later, or done at the very instant, was not known to the sender."""
    sends = sent(
        event("ada", "blog", day(30)),
        event("ada", "pricing", day(25), seen=day(20)),
        event("ada", "guide", day(20)),
        event("ada", "blog", day(29), human_probability=0.1),
        of("one", "sent", day(20)),
    )
    assert (sends.commitment[0], sends.stage[0], sends.steps_before[0]) == (1, 0, 1)
    assert JOURNEY.step_names[sends.last_step[0]] == "blog"


def test_a_response_comes_within_its_time():
    """At the delivery it counts, four days later to the second it does not."""
    for at, responded in ((day(20), True), (day(16, -1), True), (day(16), False), (day(21), False)):
        sends = sent(of("one", "sent", day(20)), event("ada", "guide", at))
        assert sends.responded.tolist() == [responded]


def test_a_click_before_its_message_was_opened_is_no_response():
    """That is what a scanner does, seconds after delivery, with every link of it."""
    scanned = (of("one", "sent", day(20)), of("one", "guide", day(20, 5)))
    assert not sent(*scanned, of("one", "opened", day(20, 60))).responded[0]
    read = (of("one", "sent", day(20)), of("one", "opened", day(20, 60)))
    sends = sent(*read, of("one", "guide", day(20, 70)))
    assert sends.responded[0]
    assert sends.clicked[0]


def test_where_no_open_is_recorded_a_click_is_a_response():
    """A log without opens cannot tell; then a click is a click."""
    sends = sent(of("one", "sent", day(20)), of("one", "guide", day(20, 5)))
    assert sends.responded[0]
    assert not sends.opened[0]


def test_a_message_is_counted_once_per_prospect():
    """Delivered twice it is one send; another message is another send."""
    sends = sent(
        of("one", "sent", day(20)), of("one", "sent", day(19)), of("two", "sent", day(18)),
        event("bob", "sent", day(17), message_id="one"),
    )  # fmt: skip
    assert sends.message.tolist() == [0, 1, 0]
    assert sends.goal.tolist() == [JOURNEY.code_of("guide"), NO_GOAL, JOURNEY.code_of("guide")]


def test_the_window_closes_when_the_time_to_respond_is_over():
    """Four days before the end it is closed, a second later it is not."""
    assert sent(of("one", "sent", day(4))).window_closed.tolist() == [True]
    assert sent(of("one", "sent", day(4, 1))).window_closed.tolist() == [False]


def test_without_messages_there_are_no_sends():
    """The sections say so; nothing fails."""
    study = study_of(event("ada", "sent", day(9), message_id="one"), journey=JOURNEY)
    assert len(sends_of(study)) == 0
    assert len(message_goals(study)) == 0


@pytest.mark.parametrize(
    ("cell", "goals"),
    [("guide", ["guide"]), ("guide, blog", ["guide", "blog"]), ("a|b+c", ["a", "b", "c"])],
)
def test_several_goals_may_stand_in_one_cell(cell, goals):
    """Exports write lists in many ways."""
    assert parse_goals(cell) == goals


names = st.sampled_from(["sent", "opened", "clicked", "blog", "guide", "pricing"])
letters = st.sampled_from([None, "one", "two"])
events = st.lists(
    st.tuples(st.sampled_from(["ada", "bob"]), names, letters, st.integers(0, 30), st.booleans()),
    max_size=25,
)


@given(events)
def test_the_kernel_agrees_with_a_plain_loop(drawn):
    """State and response, worked out again row by row."""
    rows = [
        event(
            who, name, day(40 - when, k), message_id=letter, seen=day(40 - when - 2 * late, k),
            event_id=f"{k:02d}",
        )
        for k, (who, name, letter, when, late) in enumerate(drawn)
    ]  # fmt: skip
    if not rows:
        return
    study = study_of(*rows, journey=JOURNEY, messages=LETTERS)
    sends = sends_of(study)
    found = [
        (int(w), int(m), int(level), int(n), int(o), bool(responded))
        for w, m, level, n, o, responded in zip(
            sends.prospect, sends.message, sends.commitment, sends.steps_before, sends.opens_before,
            sends.responded, strict=True,
        )
    ]  # fmt: skip
    assert found == list(_slow(rows))


def _slow(rows):
    """Work the sends out from the rows themselves."""
    places = {"one": 0, "two": 1}
    level = {"blog": 1, "guide": 2, "pricing": 4}
    people = sorted({row["prospect_id"] for row in rows})
    recorded = any(row["event_name"] == "opened" and row["message_id"] for row in rows)
    for who in people:
        mine = sorted(
            (row for row in rows if row["prospect_id"] == who),
            key=lambda row: (row["time"], row["event_id"]),
        )
        met = set()
        for row in mine:
            letter, start = row["message_id"], row["time"]
            if row["event_name"] not in ("sent", "opened", "clicked") or letter is None:
                continue
            if letter in met:
                continue
            met.add(letter)
            before = [r["event_name"] for r in mine if r["visible_at"] < start]
            done = [name for name in before if name in level]
            reads = [
                r["time"] for r in mine
                if r["event_name"] == "opened" and r["message_id"] == letter and r["time"] >= start
            ]  # fmt: skip
            answers = [
                r for r in mine
                if r["event_name"] == "guide" and letter == "one"
                and 0 <= (r["time"] - start).total_seconds() < 4 * DAYS
                and (
                    r["message_id"] != letter or not recorded
                    or any(at <= r["time"] for at in reads)
                )
            ]  # fmt: skip
            yield (
                people.index(who), places[letter], max([level[name] for name in done], default=0),
                len(done), before.count("opened"), bool(answers),
            )  # fmt: skip
