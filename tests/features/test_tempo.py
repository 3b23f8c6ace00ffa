"""Tempo: the oracle, a worked week, and what is no tempo at all."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import oracle
from features.hand_made_snapshots import (
    MINUTE,
    SETTINGS,
    any_snapshot,
    assert_matches_oracle,
    columns_of,
    fill_columns,
    make_snapshot,
    visible_of,
)
from microconv.features.families import tempo
from microconv.histories.arrays import DAY


@given(st.lists(any_snapshot(steps=("blog", "guide", "sent"), most=24), min_size=1, max_size=4))
def test_tempo_columns_match_the_oracle(snapshots):
    """Gaps, dates, sessions and paces, for any history."""
    assert_matches_oracle(tempo.FAMILY, oracle.tempo, snapshots)


@given(st.lists(st.integers(0, 9) | st.integers(0, 10**12), min_size=1, max_size=100))
def test_both_medians_are_the_median(gaps):
    """Both algorithms, with ties and either parity, on either side of `FEW`."""
    for find in (tempo._median_of_few, tempo._median_of_many):
        assert find(np.array(gaps, np.int64), len(gaps)) == statistics.median(gaps)


@pytest.mark.parametrize("actions", [tempo.FEW - 1, tempo.FEW, tempo.FEW + 1, tempo.FEW + 2])
def test_long_histories_match_the_oracle(actions):
    """On either side of the size at which the median algorithm changes."""
    snapshots = [
        make_snapshot(*(("blog", (n * n + 7 * n % 5) / 40 + 0.1) for n in reversed(range(actions))))
    ]
    assert_matches_oracle(tempo.FAMILY, oracle.tempo, snapshots)


def test_a_worked_history_has_worked_gaps():
    """Actions 9, 8, 6, 5 and 1 days ago: gaps of 1, 2, 1 and 4 days.

    Their median is (1 + 2) / 2; their mean is 2, so that the slope is
    (-1.5 · -1 - 0.5 · 0 + 0.5 · -1 + 1.5 · 2) / 5 = 0.8 days a gap.
    """
    found = columns_of(
        tempo.FAMILY,
        make_snapshot(("blog", 9), ("guide", 8), ("pricing", 6), ("guide", 5), ("blog", 1)),
    )
    gaps = {which: round(found[f"tempo.gap.{which}"], 6) for which in tempo.GAPS}
    assert gaps == {
        "last": 4,
        "min": 1,
        "median": 1.5,
        "max": 4,
        "trend": 0.8,
        "overdue": round(1 / 1.5, 6),
    }
    assert found["tempo.pace.7d/30d"] == pytest.approx((3 / 7) / (5 / 30))
    assert found["tempo.pace.0.5d/1d"] == 0


@pytest.mark.parametrize(
    ("minutes", "sessions"),
    [pytest.param(30, 1, id="a pause as long as allowed"), pytest.param(30.001, 2, id="longer")],
)
def test_a_session_ends_with_a_pause_longer_than_the_setting(minutes, sessions):
    """Half an hour is the same visit, half an hour and a bit is the next."""
    found = columns_of(
        tempo.FAMILY, make_snapshot(("blog", 2 + minutes * MINUTE / DAY), ("guide", 2))
    )
    assert found["tempo.sessions.7d"] == sessions
    assert found["tempo.sessions.1d"] == 0


def test_active_days_are_utc_dates():
    """As of midnight, 23:59 and 00:01 are two dates; 00:01 and 23:58 of one day are one."""
    a_minute = MINUTE / DAY
    over_midnight = columns_of(
        tempo.FAMILY, make_snapshot(("blog", 3 + a_minute), ("blog", 3 - a_minute))
    )
    same_day = columns_of(
        tempo.FAMILY, make_snapshot(("blog", 3 - a_minute), ("blog", 2 + 2 * a_minute))
    )
    assert over_midnight["tempo.active_days.7d"] == 2
    assert same_day["tempo.active_days.7d"] == 1


def test_exposures_bots_and_outcomes_do_not_change_the_tempo():
    """Emails, a bot's clicks and the outcome leave every column as it was."""
    actions = [("blog", 9), ("guide", 4), ("blog", 2)]
    noise = [("sent", 8), ("opened", 3), ("guide", 3, 0.4), ("won", 1)]
    among = make_snapshot(*sorted([*actions, *noise], key=lambda event: -event[1]))
    _, out = fill_columns(tempo.FAMILY, visible_of([make_snapshot(*actions), among]))
    np.testing.assert_array_equal(out[:, 0], out[:, 1])


def test_a_gap_that_does_not_exist_is_nan():
    """One action has no gap, two have no trend, two at once no pace to be overdue by."""
    one = columns_of(tempo.FAMILY, make_snapshot(("blog", 1)))
    two = columns_of(tempo.FAMILY, make_snapshot(("blog", 5), ("guide", 1)))
    at_once = columns_of(tempo.FAMILY, make_snapshot(("blog", 5), ("guide", 5)))
    assert all(math.isnan(one[f"tempo.gap.{which}"]) for which in tempo.GAPS)
    assert math.isnan(two["tempo.gap.trend"])
    assert two["tempo.gap.overdue"] == 0.25
    assert at_once["tempo.gap.median"] == 0
    assert math.isnan(at_once["tempo.gap.overdue"])
    assert math.isnan(columns_of(tempo.FAMILY, make_snapshot(("blog", 40)))["tempo.pace.7d/30d"])


def test_a_single_window_has_no_pace():
    """There is nothing to compare it with."""
    settings = SETTINGS.model_copy(update={"windows_days": (7,)})
    assert not [
        name for name in columns_of(tempo.FAMILY, make_snapshot(), settings) if "pace" in name
    ]
