"""Path: the oracle tries every choice of positions; worked orders, ties and repetitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import oracle
from features.hand_made_snapshots import (
    SETTINGS,
    any_snapshot,
    assert_matches_oracle,
    columns_of,
    fill_columns,
    make_snapshot,
    visible_of,
)
from microconv.features.families import path

ALL_PAIRS = SETTINGS.model_copy(update={"pairs": "all", "sequences": (), "last_steps": 0})


@given(
    st.lists(
        any_snapshot(steps=("opened", "blog", "guide", "pricing", "reference")),
        min_size=1,
        max_size=4,
    )
)
def test_path_columns_match_the_oracle(snapshots):
    """Pairs, longer sequences, transitions and last steps, for any history."""
    assert_matches_oracle(path.FAMILY, oracle.path, snapshots)


@given(st.lists(any_snapshot(steps=("blog", "guide", "pricing")), min_size=2, max_size=4))
def test_repeated_sequences_report_their_first_completion(snapshots):
    """Three steps alone, so that most histories complete most sequences more than once."""
    assert_matches_oracle(path.FAMILY, oracle.path, snapshots)


@given(st.lists(any_snapshot(), min_size=1, max_size=4))
def test_all_pairs_are_every_ordered_pair_of_distinct_micro_steps(snapshots):
    """Four micro steps make twelve pairs."""
    assert_matches_oracle(path.FAMILY, oracle.path, snapshots, ALL_PAIRS)
    assert len(columns_of(path.FAMILY, snapshots[0], ALL_PAIRS)) == 12 * 4


def test_the_first_completion_counts_from_its_latest_start():
    """Blog 9 and 6 days ago, pricing 5, blog 4, pricing 1: done 5 days ago, within 1 day."""
    found = columns_of(
        path.FAMILY,
        make_snapshot(("blog", 9), ("blog", 6), ("pricing", 5), ("blog", 4), ("pricing", 1)),
    )
    assert found["path.blog>pricing.done"] == 1
    assert found["path.blog>pricing.since"] == 5
    assert found["path.blog>pricing.days"] == 1
    assert found["path.blog>pricing.next"] == 2
    assert found["path.pricing>blog.since"] == 4
    assert found["path.pricing>blog.days"] == 1


def test_other_events_may_lie_between_but_the_order_must_hold():
    """Blog, mail, guide, pricing completes blog > guide > pricing; not with the guide last."""
    in_order = make_snapshot(("blog", 9), ("sent", 8), ("guide", 7), ("opened", 5), ("pricing", 2))
    out_of_order = make_snapshot(("blog", 9), ("pricing", 7), ("guide", 2))
    done = columns_of(path.FAMILY, in_order)
    assert done["path.blog>guide>pricing.done"] == 1
    assert done["path.blog>guide>pricing.since"] == 2
    assert done["path.blog>guide>pricing.days"] == 7
    assert done["path.blog>pricing.next"] == 0
    not_done = columns_of(path.FAMILY, out_of_order)
    assert not_done["path.blog>guide>pricing.done"] == 0
    assert math.isnan(not_done["path.blog>guide>pricing.since"])
    assert math.isnan(not_done["path.blog>guide>pricing.days"])


def test_a_longer_sequence_counts_from_the_latest_start_of_its_first_completion():
    """Blogs 9 and 8 days ago, guide 6, blog 5, pricing 4, then all again: done 4 days ago in 4."""
    again = [("blog", 3), ("guide", 2), ("pricing", 1)]
    found = columns_of(
        path.FAMILY,
        make_snapshot(("blog", 9), ("blog", 8), ("guide", 6), ("blog", 5), ("pricing", 4), *again),
    )
    assert found["path.blog>guide>pricing.since"] == 4
    assert found["path.blog>guide>pricing.days"] == 4


def test_one_event_is_not_two_steps_of_a_sequence():
    """A step followed by itself needs two events; guide > blog > guide needs both guides."""
    once = columns_of(path.FAMILY, make_snapshot(("blog", 3), ("guide", 2), ("blog", 1)))
    twice = columns_of(path.FAMILY, make_snapshot(("guide", 4), ("blog", 3), ("guide", 2)))
    assert once["path.guide>guide.done"] == once["path.guide>blog>guide.done"] == 0
    assert once["path.guide>guide>blog.done"] == 0
    assert twice["path.guide>guide.done"] == twice["path.guide>blog>guide.done"] == 1
    assert twice["path.guide>guide.days"] == twice["path.guide>blog>guide.days"] == 2


def test_the_order_of_the_log_decides_between_simultaneous_events():
    """Exactly one of a>b and b>a is done, in no time."""
    found = columns_of(path.FAMILY, make_snapshot(("pricing", 3), ("blog", 3)))
    assert found["path.pricing>blog.done"] == 1
    assert found["path.pricing>blog.days"] == 0
    assert found["path.blog>pricing.done"] == 0


def test_exposures_complete_pairs_but_are_no_transition():
    """An opened mail before a guide is followed where the settings name it; it is no micro step."""
    found = columns_of(path.FAMILY, make_snapshot(("opened", 4), ("guide", 1)))
    assert found["path.opened>guide.done"] == 1
    assert "path.opened>guide.next" not in found


@pytest.mark.parametrize(("human_probability", "done"), [(0.5, 1), (0.4, 0)])
def test_a_scanners_click_completes_nothing(human_probability, done):
    """An event that a bot more likely did than a person is skipped."""
    found = columns_of(path.FAMILY, make_snapshot(("blog", 4), ("pricing", 1, human_probability)))
    assert found["path.blog>pricing.done"] == found["path.last=pricing"] == done


def test_the_last_steps_have_stage_commitment_and_age():
    """The latest micro event first; emails do not count; a third that never was is nan."""
    found = columns_of(path.FAMILY, make_snapshot(("pricing", 6), ("reference", 2), ("sent", 1)))
    assert [found[f"path.last_1.{what}"] for what in ("stage", "commitment", "days")] == [3, 4, 2]
    assert [found[f"path.last_2.{what}"] for what in ("stage", "commitment", "days")] == [2, 3, 6]
    assert math.isnan(found["path.last_3.stage"])
    assert {
        step for step in ("blog", "guide", "pricing", "reference") if found[f"path.last={step}"]
    } == {"reference"}


def test_empty_settings_make_no_columns():
    """No pairs, no sequences, no last steps."""
    settings = SETTINGS.model_copy(update={"pairs": "none", "sequences": (), "last_steps": 0})
    names, out = fill_columns(path.FAMILY, visible_of([make_snapshot(("blog", 1))]), settings)
    assert names == []
    assert out.shape == (0, 1)


def test_many_rows_are_filled_like_one():
    """More rows than a kernel's block holds, all alike but one."""
    alike, other = make_snapshot(("blog", 5), ("pricing", 2)), make_snapshot(("pricing", 5))
    _, out = fill_columns(path.FAMILY, visible_of([*[alike] * 5_000, other]))
    assert np.array_equal(out[:, :5_000], np.repeat(out[:, :1], 5_000, axis=1), equal_nan=True)
    assert not np.array_equal(out[:, 0], out[:, 5_000], equal_nan=True)
