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
    answer,
    asked,
    assert_answers,
    filled,
    questions,
    visible_of,
)
from microconv.features.families import path

ALL_PAIRS = SETTINGS.model_copy(update={"pairs": "all", "sequences": (), "last_steps": 0})


@given(
    st.lists(
        questions(steps=("opened", "blog", "guide", "pricing", "reference")),
        min_size=1,
        max_size=4,
    )
)
def test_paths_are_what_trying_every_choice_of_events_finds(several):
    """Pairs, longer sequences, transitions and last steps, for any history."""
    assert_answers(path.FAMILY, oracle.path, several)


@given(st.lists(questions(steps=("blog", "guide", "pricing")), min_size=2, max_size=4))
def test_sequences_completed_again_and_again_are_told_by_their_first_completion(several):
    """Three steps alone, so that most histories complete most sequences more than once."""
    assert_answers(path.FAMILY, oracle.path, several)


@given(st.lists(questions(), min_size=1, max_size=4))
def test_all_pairs_are_every_ordered_pair_of_distinct_micro_steps(several):
    """Four micro steps make twelve pairs."""
    assert_answers(path.FAMILY, oracle.path, several, ALL_PAIRS)
    assert len(answer(path.FAMILY, several[0], ALL_PAIRS)) == 12 * 4


def test_the_first_completion_counts_from_its_latest_start():
    """Blog 9 and 6 days ago, pricing 5, blog 4, pricing 1: done 5 days ago, within 1 day."""
    found = answer(
        path.FAMILY, asked(("blog", 9), ("blog", 6), ("pricing", 5), ("blog", 4), ("pricing", 1))
    )
    assert found["path.blog>pricing.done"] == 1
    assert found["path.blog>pricing.since"] == 5
    assert found["path.blog>pricing.days"] == 1
    assert found["path.blog>pricing.next"] == 2
    assert found["path.pricing>blog.since"] == 4
    assert found["path.pricing>blog.days"] == 1


def test_other_events_may_lie_between_but_the_order_must_hold():
    """Blog, mail, guide, pricing completes blog > guide > pricing; not with the guide last."""
    in_order = asked(("blog", 9), ("sent", 8), ("guide", 7), ("opened", 5), ("pricing", 2))
    out_of_order = asked(("blog", 9), ("pricing", 7), ("guide", 2))
    done = answer(path.FAMILY, in_order)
    assert done["path.blog>guide>pricing.done"] == 1
    assert done["path.blog>guide>pricing.since"] == 2
    assert done["path.blog>guide>pricing.days"] == 7
    assert done["path.blog>pricing.next"] == 0
    not_done = answer(path.FAMILY, out_of_order)
    assert not_done["path.blog>guide>pricing.done"] == 0
    assert math.isnan(not_done["path.blog>guide>pricing.since"])
    assert math.isnan(not_done["path.blog>guide>pricing.days"])


def test_a_longer_sequence_counts_from_the_latest_start_of_its_first_completion():
    """Blogs 9 and 8 days ago, guide 6, blog 5, pricing 4, then all again: done 4 days ago in 4."""
    again = [("blog", 3), ("guide", 2), ("pricing", 1)]
    found = answer(
        path.FAMILY,
        asked(("blog", 9), ("blog", 8), ("guide", 6), ("blog", 5), ("pricing", 4), *again),
    )
    assert found["path.blog>guide>pricing.since"] == 4
    assert found["path.blog>guide>pricing.days"] == 4


def test_one_event_is_not_two_steps_of_a_sequence():
    """A step followed by itself needs two events; guide > blog > guide needs both guides."""
    once = answer(path.FAMILY, asked(("blog", 3), ("guide", 2), ("blog", 1)))
    twice = answer(path.FAMILY, asked(("guide", 4), ("blog", 3), ("guide", 2)))
    assert once["path.guide>guide.done"] == once["path.guide>blog>guide.done"] == 0
    assert once["path.guide>guide>blog.done"] == 0
    assert twice["path.guide>guide.done"] == twice["path.guide>blog>guide.done"] == 1
    assert twice["path.guide>guide.days"] == twice["path.guide>blog>guide.days"] == 2


def test_of_two_events_at_one_instant_the_logs_order_decides():
    """Exactly one of a>b and b>a is done, in no time."""
    found = answer(path.FAMILY, asked(("pricing", 3), ("blog", 3)))
    assert found["path.pricing>blog.done"] == 1
    assert found["path.pricing>blog.days"] == 0
    assert found["path.blog>pricing.done"] == 0


def test_exposures_complete_pairs_but_are_no_transition():
    """An opened mail before a guide is followed where the settings name it; it is no micro step."""
    found = answer(path.FAMILY, asked(("opened", 4), ("guide", 1)))
    assert found["path.opened>guide.done"] == 1
    assert "path.opened>guide.next" not in found


@pytest.mark.parametrize(("human_probability", "done"), [(0.5, 1), (0.4, 0)])
def test_a_scanners_click_completes_nothing(human_probability, done):
    """What a robot more likely did than a person is skipped."""
    found = answer(path.FAMILY, asked(("blog", 4), ("pricing", 1, human_probability)))
    assert found["path.blog>pricing.done"] == found["path.last=pricing"] == done


def test_the_last_steps_are_told_by_what_they_are_worth():
    """The latest micro event first; mails do not count; a third that never was is nan."""
    found = answer(path.FAMILY, asked(("pricing", 6), ("reference", 2), ("sent", 1)))
    assert [found[f"path.last_1.{what}"] for what in ("stage", "commitment", "days")] == [3, 4, 2]
    assert [found[f"path.last_2.{what}"] for what in ("stage", "commitment", "days")] == [2, 3, 6]
    assert math.isnan(found["path.last_3.stage"])
    assert {
        step for step in ("blog", "guide", "pricing", "reference") if found[f"path.last={step}"]
    } == {"reference"}


def test_nothing_asked_for_makes_no_columns():
    """No pairs, no sequences, no last steps."""
    settings = SETTINGS.model_copy(update={"pairs": "none", "sequences": (), "last_steps": 0})
    names, out = filled(path.FAMILY, visible_of([asked(("blog", 1))]), settings)
    assert names == []
    assert out.shape == (0, 1)


def test_many_rows_are_filled_like_one():
    """More rows than a kernel's block holds, all alike but one."""
    alike, other = asked(("blog", 5), ("pricing", 2)), asked(("pricing", 5))
    _, out = filled(path.FAMILY, visible_of([*[alike] * 5_000, other]))
    assert np.array_equal(out[:, :5_000], np.repeat(out[:, :1], 5_000, axis=1), equal_nan=True)
    assert not np.array_equal(out[:, 0], out[:, 5_000], equal_nan=True)
