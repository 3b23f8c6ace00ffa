"""Person-time around completions, against a slow hour-by-hour oracle."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from microconv.histories.arrays import DAY, NEVER
from microconv.measurement.impact.person_time import (
    ever_completed,
    follow_sequence,
    total_person_time,
)
from microconv.measurement.study.human_events import OPEN_BANDS, STEP_BANDS, select_human_events
from worlds.logs import JOURNEY, event, instant
from worlds.studies import HOUR, LENGTH, at, study_of

WITHIN, EFFECT = 5, 4
"""In hours, as everything in the oracle."""

SEQUENCE = ("blog", "guide", "pricing")


def codes(steps):
    """Translate step names."""
    return np.array([JOURNEY.code_of(step) for step in steps], np.int16)


def followed(rows, steps=SEQUENCE):
    """Follow a sequence through hand-made rows."""
    study = study_of(*rows)
    human_events = select_human_events(study, min_human_probability=0.5)
    everybody = np.ones(len(study), bool)
    spans = (WITHIN * HOUR, EFFECT * HOUR)
    person_time = total_person_time(human_events, study.follow_up, everybody)
    return study, follow_sequence(codes(steps), person_time, spans=spans)


@st.composite
def histories(draw):
    """Draw prospects as lists of (hour, step, hour of becoming known); no ties of the first."""
    steps = st.sampled_from([*SEQUENCE, *SEQUENCE, "opened", "sent", "left", "won"])
    hours = st.lists(st.integers(0, LENGTH - 1), min_size=1, max_size=12, unique=True)
    people = {}
    for name in ("ada", "bob")[: draw(st.integers(1, 2))]:
        rows = people[name] = []
        for hour in sorted(draw(hours)):
            step, late = draw(steps), draw(st.sampled_from([0, 0, 1, 2, 5, 12]))
            seen = hour if step in ("left", "won") else min(hour + late, LENGTH - 1)
            rows.append((hour, step, seen))
    return people


def ways_of(rows, steps):
    """List the hours at which rows complete the steps in their order, by trying all."""
    return [
        chosen[-1][0]
        for chosen in combinations(rows, len(steps))
        if tuple(row[1] for row in chosen) == steps and chosen[-1][0] - chosen[0][0] <= WITHIN
    ]


def meeting_of(rows, steps):
    """Find the hour by which all the steps first lay together, in any order."""
    for hour in sorted(row[0] for row in rows if row[1] in steps):
        near = {row[1] for row in rows if hour - WITHIN <= row[0] <= hour}
        if set(steps) <= near:
            return hour
    return None


def oracle(people, steps):
    """Classify the time hour by hour from all combinations of what was known."""
    events, days = {}, {}
    order_prospects = {True: [0, 0.0, 0], False: [0, 0.0, 0]}
    for rows in people.values():
        ends = [hour for hour, step, _ in rows if step in ("won", "left")]
        first, end = min(seen for _, _, seen in rows), min([*ends, LENGTH])
        won = (end, "won", end) in rows
        met = None
        kinds = {}
        for hour in range(first, end):
            known = [row for row in rows if row[2] <= hour and row[1] in SEQUENCE]
            opens = sum(1 for row in rows if row[2] <= hour and row[1] == "opened")
            ways = ways_of(known, steps)
            if met is None and meeting_of(known, steps) is not None:
                met = meeting_of(known, steps)
                ordered = met in ways
            kind = "not yet" if not ways else None
            if any(hour < way + EFFECT for way in ways):
                kind = "exposed"
            cell = (
                sum(opens >= low for low in OPEN_BANDS),
                sum(len(known) >= low for low in STEP_BANDS),
                2 if not known else 0,  # within 30 hours a step is always recent
            )
            side = None
            if met is not None and hour < met + EFFECT and (ordered or not ways):
                side = ordered
            kinds[hour] = (kind, cell), side
            days[kind, cell] = days.get((kind, cell), 0) + 1 / 24
        sides = [side for _, side in kinds.values() if side is not None]
        if sides:
            order_prospects[sides[0]][0] += 1
            order_prospects[sides[0]][1] += len(sides) / 24
        if won and end > first:
            # What counts is the instant just before, and nothing happens between two hours.
            key, side = kinds[end - 1]
            events[key] = events.get(key, 0) + 1
            if side is not None:
                order_prospects[side][2] += 1
    return events, days, order_prospects


def by_cell(table):
    """Turn the two rows of a table of cells into kind and cell → value."""
    shape = (len(OPEN_BANDS) + 1, len(STEP_BANDS) + 1, 3)
    found = {}
    for row, kind in enumerate(("exposed", "not yet")):
        for place in np.flatnonzero(table[row]):
            cell = tuple(int(k) for k in np.unravel_index(place, shape))
            found[kind, cell] = table[row, place]
    return found


@example(people={"ada": [(0, "blog", 0), (1, "guide", 1), (3, "guide", 3)]}, steps=SEQUENCE[:2])
@example(people={"ada": [(0, "guide", 0), (1, "blog", 1), (2, "guide", 2)]}, steps=SEQUENCE[:2])
@example(people={"ada": [(0, "blog", 6), (1, "guide", 1), (3, "blog", 3)]}, steps=SEQUENCE[:2])
@given(people=histories(), steps=st.sampled_from([SEQUENCE, SEQUENCE[:2], SEQUENCE[1:][::-1]]))
def test_person_time_and_conversions_equal_those_of_a_slow_oracle(people, steps):
    """Every rate ratio is computed from person-time."""
    found = followed(rows_of(people), steps)[1]
    events, days, order_prospects = oracle(people, steps)
    assert by_cell(found.days) == pytest.approx(
        {key: value for key, value in days.items() if key[0]}
    )
    assert by_cell(found.events) == {key: value for key, value in events.items() if key[0]}
    for side, ordered in enumerate((True, False)):
        assert found.order_prospects[side] == order_prospects[ordered][0]
        assert found.order_days[side] == pytest.approx(order_prospects[ordered][1])
        assert found.order_events[side] == order_prospects[ordered][2]


def rows_of(people):
    """Make the rows of the log."""
    return [
        event(name, step, at(hour), seen=at(seen))
        for name, done in people.items()
        for hour, step, seen in done
    ]


def test_a_visit_matched_late_does_not_remove_time_already_counted():
    """Else only those who convert before it keep theirs, and nothing looks like something.

    The steps met in another order at hour 3, as far as anybody knew; at hour 6 an
    earlier visit turns out to be Ada's too, by which the order had been right.
    """
    rows = [
        event("ada", "guide", at(1)),
        event("ada", "blog", at(3)),
        event("ada", "blog", at(0), seen=at(6)),
        event("ada", "left", at(20)),
    ]
    _, found = followed(rows, ("blog", "guide"))
    assert found.order_prospects.tolist() == [0, 1]
    assert found.order_days * 24 == pytest.approx([0, 3])


def test_a_second_start_matched_late_does_not_delay_the_completion():
    """Known at hour 2 to be complete, and so exposed from then, whatever is matched at hour 5."""
    rows = [
        event("ada", "blog", at(0)),
        event("ada", "blog", at(1), seen=at(5)),
        event("ada", "guide", at(2)),
        event("ada", "left", at(20)),
    ]
    _, found = followed(rows, ("blog", "guide"))
    assert found.known_at.tolist() == [int(at(2).timestamp() * 1e6)]
    assert found.days.sum(axis=1) * 24 == pytest.approx([4, 2])


def test_a_completion_exposes_only_after_it_was_known():
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


def test_visits_identified_at_the_purchase_do_not_explain_it():
    """Other visitors are never identified, so counting those of buyers would be biased."""
    rows = [
        event("ada", "sent", at(0)),
        event("ada", "blog", at(1), seen=at(10)),
        event("ada", "guide", at(2), seen=at(10)),
        event("ada", "won", at(10)),
    ]
    study, found = followed(rows, ("blog", "guide"))
    assert study.follow_up.converted.tolist() == [True]
    assert found.known_at.tolist() == [NEVER]
    assert found.events.sum(axis=1).tolist() == [0, 1]
    assert found.days.sum(axis=1) * 24 == pytest.approx([0, 10])


def test_ever_completed_counts_events_after_the_purchase():
    """One of the reasons why the unadjusted ratio is wrong."""
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
    everything = select_human_events(study, min_human_probability=0.5, at_risk=False)
    ever = ever_completed(codes(("blog", "guide")), everything, within=WITHIN * HOUR)
    assert ever.tolist() == [True, False, False]


def test_events_by_bots_complete_nothing():
    """A security scanner clicks every link."""
    rows = [
        event("ada", "blog", at(1), human_probability=0.02),
        event("ada", "guide", at(2)),
    ]
    _, found = followed(rows, ("blog", "guide"))
    assert found.known_at.tolist() == [NEVER]


def test_time_is_divided_into_recency_bands():
    """A step on day 0, followed to day 40: 7 days fresh, 23 recent, 10 idle."""
    rows = [event("ada", "blog", instant(-40 * 86_400))]
    study = study_of(*rows)
    human_events = select_human_events(study, min_human_probability=0.5)
    person_time = total_person_time(human_events, study.follow_up, np.ones(1, bool))
    found = follow_sequence(codes(("guide",)), person_time, spans=(DAY, DAY))
    spent = by_cell(found.days)
    assert spent == pytest.approx(
        {("not yet", (0, 1, 0)): 7, ("not yet", (0, 1, 1)): 23, ("not yet", (0, 1, 2)): 10}
    )
