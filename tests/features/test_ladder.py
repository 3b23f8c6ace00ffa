"""Ladder: the oracle and a worked climb."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from features import oracle
from features.hand_made_snapshots import (
    any_snapshot,
    assert_matches_oracle,
    columns_of,
    make_snapshot,
)
from microconv.features.families import ladder


@given(st.lists(any_snapshot(), min_size=1, max_size=4))
def test_ladder_columns_match_the_oracle(snapshots):
    """Tops, jumps, skips and steps back, for any history."""
    assert_matches_oracle(ladder.FAMILY, oracle.ladder, snapshots)


def test_a_worked_climb():
    """Blog (1/1), reference (3/4), guide (2/2), reference again.

    One skip from stage 1 to 3; one step back; stages 2 to 3 is no skip. The
    top was reached 6 days ago, 3 days after the start, and seen last 2 days ago.
    """
    found = columns_of(
        ladder.FAMILY,
        make_snapshot(("blog", 9), ("reference", 6), ("sent", 5), ("guide", 4), ("reference", 2)),
    )
    assert found == {
        "ladder.stage.highest": 3,
        "ladder.commitment.highest": 4,
        "ladder.commitment.largest_jump": 3,
        "ladder.stage.skips": 1,
        "ladder.stage.steps_back": 1,
        "ladder.stage.days_since": 6,
        "ladder.stage.days_in": 4,
        "ladder.stage.days_to": 3,
        "ladder.commitment.days_since": 6,
    }


def test_a_prospect_who_only_went_down_has_a_negative_jump():
    """The largest rise of pricing (3), blog (1) is minus two."""
    found = columns_of(ladder.FAMILY, make_snapshot(("pricing", 3), ("blog", 1)))
    assert found["ladder.commitment.largest_jump"] == -2


def test_nothing_is_reached_before_the_first_action():
    """Emails, bots and outcomes are no action: nothing reached, and no days to tell."""
    found = columns_of(ladder.FAMILY, make_snapshot(("sent", 4), ("reference", 3, 0.2), ("won", 1)))
    assert found["ladder.stage.highest"] == found["ladder.commitment.highest"] == 0
    assert found["ladder.stage.skips"] == found["ladder.stage.steps_back"] == 0
    unknown = [name for name, value in found.items() if math.isnan(value)]
    assert len(unknown) == 5
