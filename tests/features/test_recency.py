"""Recency: the oracle, worked days, bots and what never happened."""

from __future__ import annotations

import math
from datetime import UTC, datetime

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
from microconv.features.families import recency


@given(st.lists(any_snapshot(), min_size=1, max_size=4))
def test_recency_columns_match_the_oracle(snapshots):
    """Every step, and any of them, for any history."""
    assert_matches_oracle(recency.FAMILY, oracle.recency, snapshots)


def test_days_are_counted_from_as_of():
    """As of 2024-06-03 12:00, pricing on 06-01 00:00 and 05-04 12:00: 2.5 and 30 days."""
    found = columns_of(
        recency.FAMILY,
        make_snapshot(
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


def test_a_step_that_never_happened_is_nan():
    """Neither a large number nor zero, for the step and, without events, for any."""
    found = columns_of(recency.FAMILY, make_snapshot(("blog", 1)))
    assert math.isnan(found["recency.pricing.last"])
    assert math.isnan(found["recency.pricing.first"])
    assert all(math.isnan(value) for value in columns_of(recency.FAMILY, make_snapshot()).values())


@pytest.mark.parametrize(("human_probability", "days"), [(0.5, 1), (0.49, 9)])
def test_bot_events_are_ignored(human_probability, days):
    """A click that is more likely a scanner's leaves the last visit where it was."""
    found = columns_of(recency.FAMILY, make_snapshot(("guide", 9), ("guide", 1, human_probability)))
    assert found["recency.guide.last"] == found["recency.(any).last"] == days
