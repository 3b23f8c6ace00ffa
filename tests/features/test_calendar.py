"""Calendar: the oracle, a worked week, and no trace of the date."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import oracle
from features.hand_made_snapshots import (
    any_snapshot,
    assert_matches_oracle,
    columns_of,
    make_snapshot,
)
from microconv.features.families import calendar

MONDAY = datetime(2024, 6, 3, tzinfo=UTC)


def actions_at(*instants: datetime):
    """Make a snapshot of Monday 2024-06-10 with blogs read at these instants."""
    as_of = MONDAY + timedelta(days=7)
    return make_snapshot(
        *(("blog", (as_of - at) / timedelta(days=1)) for at in instants), as_of=as_of
    )


@given(st.lists(any_snapshot(), min_size=1, max_size=4))
def test_hours_and_weekdays_are_those_of_the_datetimes(snapshots):
    """Shares, entropy and direction, for any history."""
    assert_matches_oracle(calendar.FAMILY, oracle.calendar, snapshots)


@pytest.mark.parametrize("actions", [calendar.FEW - 1, calendar.FEW, calendar.FEW + 1])
def test_tabulated_and_computed_logarithms_are_equal(actions):
    """On either side of the size at which the kernel stops using the table."""
    every = actions_at(*(MONDAY + timedelta(hours=2.3 * n) for n in range(actions)))
    assert_matches_oracle(calendar.FAMILY, oracle.calendar, [every])


@pytest.mark.parametrize(
    ("at", "office", "weekend"),
    [
        pytest.param(MONDAY.replace(hour=9), 1, 0, id="Monday as the office opens"),
        pytest.param(MONDAY.replace(hour=8, minute=59), 0, 0, id="a minute before"),
        pytest.param(MONDAY.replace(hour=16, minute=59), 1, 0, id="a minute before it closes"),
        pytest.param(MONDAY.replace(hour=17), 0, 0, id="as it closes"),
        pytest.param(datetime(2024, 6, 7, 12, tzinfo=UTC), 1, 0, id="Friday noon"),
        pytest.param(datetime(2024, 6, 8, 0, tzinfo=UTC), 0, 1, id="Saturday's first instant"),
        pytest.param(datetime(2024, 6, 9, 23, 59, tzinfo=UTC), 0, 1, id="Sunday's last minute"),
    ],
)
def test_office_hours_are_weekdays_from_nine_to_five(at, office, weekend):
    """UTC, first instant in, last instant out."""
    found = columns_of(calendar.FAMILY, actions_at(at))
    assert found["calendar.office.share"] == office
    assert found["calendar.weekend.share"] == weekend


def test_a_worked_day():
    """Actions at 00:00, 06:30, 06:45 and 12:00: two of four at six; entropy 1.5 bits."""
    found = columns_of(
        calendar.FAMILY,
        actions_at(
            MONDAY,
            MONDAY.replace(hour=6, minute=30),
            MONDAY.replace(hour=6, minute=45),
            MONDAY.replace(hour=12),
        ),
    )
    blocks = ("00_06", "06_12", "12_18", "18_24")
    assert [found[f"calendar.hours_{b}.share"] for b in blocks] == [0.25, 0.5, 0.25, 0]
    assert found["calendar.hour.entropy"] == 1.5
    assert found["calendar.hour.sin"] == pytest.approx(0.5)  # (0 + 1 + 1 + 0) / 4
    assert found["calendar.hour.cos"] == pytest.approx(0, abs=1e-7)  # (1 + 0 + 0 - 1) / 4


def test_without_an_action_every_column_is_nan():
    """Emails sent at night say nothing of the prospect's hours."""
    found = columns_of(calendar.FAMILY, make_snapshot(("sent", 3), ("won", 2), ("guide", 1, 0.1)))
    assert all(math.isnan(value) for value in found.values())
