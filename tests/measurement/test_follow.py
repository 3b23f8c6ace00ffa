from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from microconv.histories.arrays import DAY
from microconv.measurement.doings import DONE_BANDS, OPEN_BANDS, doings_of
from microconv.measurement.ever import ever_completed
from microconv.measurement.follow import follow, ground_of
from microconv.measurement.study import NEVER
from studies import HOUR, LENGTH, at, study_of
from worlds import JOURNEY, event, instant

WITHIN, EFFECT = 5, 4
"""In hours, as everything in the oracle."""

SEQUENCE = ("blog", "guide", "pricing")


def codes(steps):
    """Translate step names."""
    return np.array([JOURNEY.code_of(step) for step in steps], np.int16)


def followed(rows, steps=SEQUENCE):
    """Follow a sequence through hand-made rows."""
    study = study_of(*rows)
    doings = doings_of(study, min_human=0.5)
    everybody = np.ones(len(study), bool)
    spans = (WITHIN * HOUR, EFFECT * HOUR)
    ground = ground_of(doings, study.outlines, everybody)
    return study, follow(codes(steps), ground, spans=spans)


@st.composite
def histories(draw):
    """Draw prospects as lists of (hour, step); no ties, no late rows."""
    steps = st.sampled_from([*SEQUENCE, *SEQUENCE, "opened", "sent", "left", "won"])
    hours = st.lists(st.integers(0, LENGTH - 1), min_size=1, max_size=12, unique=True)
    people = {}
    for name in ("ada", "bob")[: draw(st.integers(1, 2))]:
        people[name] = [(hour, draw(steps)) for hour in sorted(draw(hours))]
    return people


def oracle(people, steps):
    """Say hour by hour, from all combinations of rows, what kind of time each hour is."""
    events, days = {}, {}
    together = {True: [0, 0.0, 0], False: [0, 0.0, 0]}
    for rows in people.values():
        ends = [hour for hour, step in rows if step in ("won", "left")]
        first, end = rows[0][0], min([*ends, LENGTH])
        if end <= first:
            continue
        won = (end, "won") in rows
        did = [(hour, step) for hour, step in rows if hour < end and step in SEQUENCE]
        opens = [hour for hour, step in rows if hour < end and step == "opened"]
        ways = [
            chosen[-1][0]
            for chosen in combinations(did, len(steps))
            if tuple(step for _, step in chosen) == steps and chosen[-1][0] - chosen[0][0] <= WITHIN
        ]

        def kind(hour, ways=ways):
            if any(way <= hour < way + EFFECT for way in ways):
                return "exposed"
            return "not yet" if not any(way <= hour for way in ways) else None

        def cell(hour, did=did, opens=opens):
            count = sum(1 for when, _ in did if when <= hour)
            band = 2 if count == 0 else 0  # within 30 hours a step is always recent
            opened = sum(1 for when in opens if when <= hour)
            return (
                sum(opened >= low for low in OPEN_BANDS),
                sum(count >= low for low in DONE_BANDS),
                band,
            )

        for hour in range(first, end):
            key = kind(hour), cell(hour)
            days[key] = days.get(key, 0) + 1 / 24
        if won:
            before = end - 1  # nothing happens between two hours
            state = (
                "exposed"
                if any(way < end < way + EFFECT for way in ways)
                else ("not yet" if not ways else None)
            )
            key = state, cell(before)
            events[key] = events.get(key, 0) + 1
        met = next(
            (
                hour
                for hour, _ in did
                if all(
                    any(step == each and hour - WITHIN <= when <= hour for when, step in did)
                    for each in steps
                )
            ),
            None,
        )
        if met is None:
            continue
        ordered = met in ways
        stop = met + EFFECT
        if not ordered:
            stop = min([stop, *ways])
        side = together[ordered]
        side[0] += 1
        side[1] += (min(stop, end) - met) / 24
        side[2] += won and end < stop
    return events, days, together


def by_cell(table):
    """Turn the two rows of a table of cells into kind and cell → value."""
    shape = (len(OPEN_BANDS) + 1, len(DONE_BANDS) + 1, 3)
    found = {}
    for row, kind in enumerate(("exposed", "not yet")):
        for place in np.flatnonzero(table[row]):
            cell = tuple(int(k) for k in np.unravel_index(place, shape))
            found[kind, cell] = table[row, place]
    return found


@example(people={"ada": [(0, "blog"), (1, "guide"), (3, "guide")]}, steps=SEQUENCE[:2])
@example(people={"ada": [(0, "guide"), (1, "blog"), (2, "guide")]}, steps=SEQUENCE[:2])
@given(people=histories(), steps=st.sampled_from([SEQUENCE, SEQUENCE[:2], SEQUENCE[1:][::-1]]))
def test_every_hour_and_conversion_is_counted_as_a_slow_reading_counts_it(people, steps):
    """Person-time is what every rate ratio stands on."""
    rows = [event(name, step, at(hour)) for name, done in people.items() for hour, step in done]
    _, found = followed(rows, steps)
    events, days, together = oracle(people, steps)
    assert by_cell(found.days) == pytest.approx(
        {key: value for key, value in days.items() if key[0]}
    )
    assert by_cell(found.events) == {key: value for key, value in events.items() if key[0]}
    for side, ordered in enumerate((True, False)):
        assert found.together[side] == together[ordered][0]
        assert found.together_days[side] == pytest.approx(together[ordered][1])
        assert found.together_events[side] == together[ordered][2]


def test_a_completion_exposes_nobody_before_it_was_known():
    """A visit of hour 3, seen at hour 5, exposes from 5 to 3 + 4, and is nothing before."""
    rows = [
        event("ada", "sent", at(0)),
        event("ada", "blog", at(1)),
        event("ada", "guide", at(3), seen=at(5)),
        event("ada", "left", at(20)),
    ]
    _, found = followed(rows, ("blog", "guide"))
    assert found.days.sum(axis=1) * 24 == pytest.approx([2, 5])
    assert found.known_at.tolist() == [int(at(5).timestamp() * 1e6)]


def test_what_was_learnt_at_the_purchase_explains_no_purchase():
    """A buyer identified at the till had visited before, as others had who will never be known."""
    rows = [
        event("ada", "sent", at(0)),
        event("ada", "blog", at(1), seen=at(10)),
        event("ada", "guide", at(2), seen=at(10)),
        event("ada", "won", at(10)),
    ]
    study, found = followed(rows, ("blog", "guide"))
    assert study.outlines.converted.tolist() == [True]
    assert found.known_at.tolist() == [NEVER]
    assert found.events.sum(axis=1).tolist() == [0, 1]
    assert found.days.sum(axis=1) * 24 == pytest.approx([0, 10])


def test_a_dashboard_counts_what_came_after_the_purchase():
    """That is one of the ways in which it is wrong."""
    rows = [
        event("ada", "sent", at(0)),
        event("ada", "won", at(4)),
        event("ada", "blog", at(5)),
        event("ada", "guide", at(6)),
        event("bob", "guide", at(5)),
        event("bob", "blog", at(6)),
        event("cy", "blog", at(5)),
        event("cy", "guide", at(11)),
    ]
    study = study_of(*rows)
    everything = doings_of(study, min_human=0.5, at_risk=False)
    ever = ever_completed(codes(("blog", "guide")), everything, WITHIN * HOUR)
    assert ever.tolist() == [True, False, False]


def test_a_machine_completes_nothing():
    """A security scanner clicks every link."""
    rows = [
        event("ada", "blog", at(1), human=0.02),
        event("ada", "guide", at(2)),
    ]
    _, found = followed(rows, ("blog", "guide"))
    assert found.known_at.tolist() == [NEVER]


def test_time_is_divided_where_the_last_step_stops_being_recent():
    """A step on day 0, followed to day 40: 7 days fresh, 23 recent, 10 idle."""
    rows = [event("ada", "blog", instant(-40 * 86_400))]
    study = study_of(*rows)
    doings = doings_of(study, min_human=0.5)
    ground = ground_of(doings, study.outlines, np.ones(1, bool))
    found = follow(codes(("guide",)), ground, spans=(DAY, DAY))
    spent = by_cell(found.days)
    assert spent == pytest.approx(
        {("not yet", (0, 1, 0)): 7, ("not yet", (0, 1, 1)): 23, ("not yet", (0, 1, 2)): 10}
    )
