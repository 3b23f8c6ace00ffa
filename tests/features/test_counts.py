"""Counts: the oracle, the edges of the windows, and a worked example."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import oracle
from features.hand_made_snapshots import (
    SETTINGS,
    any_snapshot,
    assert_matches_oracle,
    columns_of,
    make_snapshot,
)
from microconv.features.families import counts
from microconv.features.family import Spec
from microconv.histories.arrays import DAY
from worlds.logs import JOURNEY

MICROSECOND = 1 / DAY


@given(st.lists(any_snapshot(), min_size=1, max_size=4))
def test_counts_match_the_oracle(snapshots):
    """Every step, kind, stage and window, for any history."""
    assert_matches_oracle(counts.FAMILY, oracle.counts, snapshots)


@pytest.mark.parametrize(
    ("days", "inside"),
    [
        pytest.param(7, True, id="at the window's first instant"),
        pytest.param(7 + MICROSECOND, False, id="a microsecond too old"),
        pytest.param(7 - MICROSECOND, True, id="a microsecond younger"),
        pytest.param(MICROSECOND, True, id="just before as_of"),
    ],
)
def test_a_window_holds_its_first_instant_and_nothing_older(days, inside):
    """``as_of - 7 days <= t < as_of``."""
    found = columns_of(counts.FAMILY, make_snapshot(("pricing", days)))
    assert found["counts.pricing.7d"] == inside
    assert found["counts.pricing.30d"] == found["counts.pricing.ever"] == 1


def test_a_worked_history_is_counted_by_step_kind_and_stage():
    """A blog 40 days ago, a guide 8, pricing 6 days and 2 hours ago, emails 9 and 7 days ago."""
    found = columns_of(
        counts.FAMILY,
        make_snapshot(
            ("blog", 40),
            ("sent", 9),
            ("guide", 8),
            ("sent", 7),
            ("pricing", 6),
            ("pricing", 1 / 12),
        ),
    )
    windows = ["0.5d", "1d", "7d", "30d", "ever"]
    expected = {
        "blog": [0, 0, 0, 0, 1],
        "pricing": [1, 1, 2, 2, 2],
        "sent": [0, 0, 1, 2, 2],
        "kind=exposure": [0, 0, 1, 2, 2],
        "kind=micro": [1, 1, 2, 3, 4],
        "kind=major": [0, 0, 0, 0, 0],
        "stage=awareness": [0, 0, 0, 0, 1],
        "stage=consideration": [1, 1, 2, 3, 3],
    }
    for group, values in expected.items():
        assert [found[f"counts.{group}.{window}"] for window in windows] == values, group


def test_an_event_counts_as_the_probability_that_a_person_did_it():
    """A click with a human probability of one quarter is a quarter of a click."""
    found = columns_of(counts.FAMILY, make_snapshot(("guide", 3, 0.25), ("guide", 2, 1.0)))
    assert found["counts.guide.7d"] == found["counts.kind=micro.7d"] == 1.25


def test_what_leaves_a_window_changes_nothing_inside_the_narrower_ones():
    """An event moved from 20 days ago to a year ago touches only the windows between."""
    near = columns_of(counts.FAMILY, make_snapshot(("guide", 20), ("pricing", 3)))
    far = columns_of(counts.FAMILY, make_snapshot(("guide", 365), ("pricing", 3)))
    changed = {name for name in near if near[name] != far[name]}
    assert changed == {
        "counts.guide.30d",
        "counts.kind=micro.30d",
        "counts.stage=consideration.30d",
    }


def test_columns_are_named_by_group_and_window_in_order():
    """Steps first, then the kinds the journey has, then the stages."""
    names = counts.FAMILY.names(Spec(JOURNEY, SETTINGS, {}))
    assert names[:5] == [f"counts.sent.{w}" for w in ("0.5d", "1d", "7d", "30d", "ever")]
    assert len(names) == (8 + 4 + 3) * 5
