"""The events a snapshot may see, against the rule written out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from microconv.histories.arrays import microseconds
from microconv.histories.load import concat_histories
from microconv.histories.visible import visible_events, visible_prefixes
from worlds.logs import AS_OF, JOURNEY, event, event_rows, histories_of, instant


def seen(histories, as_of=AS_OF):
    """List (prospect, step, time) of what is visible of everyone at an instant."""
    everyone = np.arange(len(histories))
    cut = np.full(len(histories), microseconds(as_of))
    visible = visible_events(histories, everyone, cut)
    ids = histories.prospect_ids.to_pylist()
    return [
        (ids[p], JOURNEY.step_names[visible.step[i]], visible.time[i])
        for p in everyone
        for i in range(visible.start[p], visible.end[p])
    ]


@given(rows=event_rows(-20 * 86_400, 86_400), shift=st.integers(-86_400, 86_400))
def test_exactly_the_events_visible_before_the_instant_are_seen_in_time_order(rows, shift):
    """`visible_at < as_of <= visible_until`, late rows and merges included."""
    as_of = instant(shift)
    expected = sorted(
        (row["prospect_id"], microseconds(row["time"]), row["event_name"])
        for row in rows
        if row["visible_at"] < as_of
        and (row["visible_until"] is None or as_of <= row["visible_until"])
    )
    found = seen(histories_of(*rows), as_of) if rows else []
    assert sorted((who, time, step) for who, step, time in found) == expected
    times = [(who, time) for who, _, time in found]
    assert times == sorted(times)


@given(past=event_rows(-20 * 86_400, -1, late=False), future=event_rows(0, 20 * 86_400))
def test_the_future_is_never_visible(past, future):
    """Rows at or after the instant, or known only then, are not there."""
    if past:
        assert seen(histories_of(*past, *future)) == seen(histories_of(*past))


def test_a_merge_shows_each_event_under_exactly_one_id_at_every_instant():
    """Ada's visit passes to Bob when the two are known to be one, with no gap and no overlap."""
    merged = instant(0)
    rows = [
        event("ada", "blog", instant(-500), visible_until=merged),
        event("bob", "blog", instant(-500), seen=merged),
    ]
    histories = histories_of(*rows)
    for seconds in (-100, 0, 1, 100):
        who = [row[0] for row in seen(histories, instant(seconds))]
        assert who == (["ada"] if seconds <= 0 else ["bob"])


@given(rows=event_rows(-20 * 86_400, 86_400))
def test_joined_buckets_show_what_each_showed_alone(rows):
    """Concatenating histories changes nothing of what is seen."""
    parts = [
        histories_of(*(row for row in rows if row["prospect_id"] == who))
        for who in ("ada", "bob", "cy")
        if any(row["prospect_id"] == who for row in rows)
    ]
    if parts:
        assert seen(concat_histories(parts)) == [row for part in parts for row in seen(part)]


def test_a_prefix_may_cut_a_tie_that_no_instant_could():
    """Two events of one instant: the prefix of length one sees the first only."""
    histories = histories_of(event("ada", "blog", instant(-5)), event("ada", "guide", instant(-5)))
    zero = np.zeros(1, np.int64)
    visible = visible_prefixes(histories, zero, zero + 1, zero + microseconds(instant(-5)))
    assert list(visible.step[visible.start[0] : visible.end[0]]) == [JOURNEY.code_of("blog")]
