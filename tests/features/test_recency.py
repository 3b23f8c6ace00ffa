"""Recency: the oracle, worked days, robots and what never happened."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import oracle
from features.hand_made_snapshots import answer, asked, assert_answers, questions
from microconv.features.families import recency


@given(st.lists(questions(), min_size=1, max_size=4))
def test_recency_is_the_age_of_the_youngest_and_the_oldest_event(several):
    """Every step, and any of them, for any history."""
    assert_answers(recency.FAMILY, oracle.recency, several)


def test_days_are_counted_from_the_instant_asked_at():
    """Asked on 2024-06-03 12:00, pricing on 06-01 00:00 and 05-04 12:00: 2.5 and 30 days."""
    found = answer(
        recency.FAMILY,
        asked(
            ("pricing", 30),
            ("sent", 4),
            ("pricing", 2.5),
            as_of=datetime(2024, 6, 3, 12, tzinfo=UTC),
        ),
    )
    assert found["recency.pricing.last"] == 2.5
    assert found["recency.pricing.first"] == 30
    assert found["recency.sent.last"] == found["recency.sent.first"] == 4
    assert found["recency.(any).last"] == 2.5
    assert found["recency.(any).first"] == 30
    assert found["recency.pricing.reached"] == 0
    assert found["recency.sent.reached"] == 26


def test_what_never_happened_has_no_day():
    """Neither a large number nor zero: nan, for the step and, without events, for any."""
    found = answer(recency.FAMILY, asked(("blog", 1)))
    assert math.isnan(found["recency.pricing.last"])
    assert math.isnan(found["recency.pricing.first"])
    assert all(math.isnan(value) for value in answer(recency.FAMILY, asked()).values())


@pytest.mark.parametrize(("human_probability", "days"), [(0.5, 1), (0.49, 9)])
def test_a_robot_is_not_recent(human_probability, days):
    """A click that is more likely a scanner's leaves the last visit where it was."""
    found = answer(recency.FAMILY, asked(("guide", 9), ("guide", 1, human_probability)))
    assert found["recency.guide.last"] == found["recency.(any).last"] == days
