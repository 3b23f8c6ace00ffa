"""Calendar: the oracle, a worked week, and no trace of the date."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import oracle
from features.hand_made_snapshots import answer, asked, assert_answers, questions
from microconv.features.families import calendar

MONDAY = datetime(2024, 6, 3, tzinfo=UTC)


def acts_at(*instants: datetime):
    """Ask on Monday 2024-06-10 about blogs read at these instants."""
    as_of = MONDAY + timedelta(days=7)
    return asked(*(("blog", (as_of - at) / timedelta(days=1)) for at in instants), as_of=as_of)


@given(st.lists(questions(), min_size=1, max_size=4))
def test_hours_and_weekdays_are_those_of_the_datetimes(several):
    """Shares, entropy and direction, for any history."""
    assert_answers(calendar.FAMILY, oracle.calendar, several)


@pytest.mark.parametrize("acts", [calendar.FEW - 1, calendar.FEW, calendar.FEW + 1])
def test_logarithms_looked_up_and_worked_out_are_the_same(acts):
    """On either side of where the kernel begins to work them out."""
    every = acts_at(*(MONDAY + timedelta(hours=2.3 * n) for n in range(acts)))
    assert_answers(calendar.FAMILY, oracle.calendar, [every])


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
def test_the_office_is_open_on_weekdays_from_nine_to_five(at, office, weekend):
    """UTC, first instant in, last instant out."""
    found = answer(calendar.FAMILY, acts_at(at))
    assert found["calendar.office.share"] == office
    assert found["calendar.weekend.share"] == weekend


def test_a_worked_day():
    """Acts at 00:00, 06:30, 06:45 and 12:00: two of four at six; entropy 1.5 bits."""
    found = answer(
        calendar.FAMILY,
        acts_at(
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


def test_without_an_act_there_is_no_hour():
    """Mails sent at night say nothing of the prospect's hours."""
    found = answer(calendar.FAMILY, asked(("sent", 3), ("won", 2), ("guide", 1, 0.1)))
    assert all(math.isnan(value) for value in found.values())
