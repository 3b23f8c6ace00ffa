"""Exposure: the oracle and a worked campaign."""

from __future__ import annotations

import math

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
from microconv.features.families import exposure


@given(st.lists(any_snapshot(), min_size=1, max_size=4))
def test_exposure_columns_match_the_oracle(snapshots):
    """Responses, the unanswered and the last, for any history."""
    assert_matches_oracle(exposure.FAMILY, oracle.exposure, snapshots)


def test_a_worked_campaign():
    """Emails 20, 10, 5 and 0.25 days ago, a guide 9 days ago.

    In 7 days two emails and no action: (0 + 1/2) / (2 + 1). In 30 days four emails
    and one action: 1.5 / 5. Two emails came after the action.
    """
    found = columns_of(
        exposure.FAMILY,
        make_snapshot(("sent", 20), ("sent", 10), ("guide", 9), ("sent", 5), ("opened", 0.25)),
    )
    assert found["exposure.response.7d"] == pytest.approx(1 / 6)
    assert found["exposure.response.30d"] == pytest.approx(0.3)
    assert found["exposure.unanswered.ever"] == 2
    assert found["exposure.days.last"] == 0.25


def test_without_an_exposure_there_is_no_response():
    """Actions alone make no rate: nan in that window, not one and not infinite."""
    found = columns_of(exposure.FAMILY, make_snapshot(("sent", 10), ("guide", 1)))
    assert math.isnan(found["exposure.response.7d"])
    assert found["exposure.response.30d"] == 0.75
    nothing = columns_of(exposure.FAMILY, make_snapshot(("guide", 1)))
    assert math.isnan(nothing["exposure.days.last"])
    assert nothing["exposure.unanswered.ever"] == 0


def test_all_exposures_are_unanswered_until_the_first_action():
    """A scanner's click is no answer; an opened email counts as likely as a person opened it."""
    found = columns_of(
        exposure.FAMILY, make_snapshot(("sent", 8), ("guide", 7, 0.1), ("opened", 6, 0.25))
    )
    assert found["exposure.unanswered.ever"] == 1.25
    assert found["exposure.days.last"] == 8
