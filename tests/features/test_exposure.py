"""Exposure: the oracle and a worked campaign."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import oracle
from features.hand_made_snapshots import answer, asked, assert_answers, questions
from microconv.features.families import exposure


@given(st.lists(questions(), min_size=1, max_size=4))
def test_exposures_meet_with_what_counting_says(several):
    """Responses, the unanswered and the last, for any history."""
    assert_answers(exposure.FAMILY, oracle.exposure, several)


def test_a_worked_campaign():
    """Mails 20, 10, 5 and 0.25 days ago, a guide 9 days ago.

    In 7 days two mails and no act: (0 + 1/2) / (2 + 1). In 30 days four mails
    and one act: 1.5 / 5. Two mails came after the act.
    """
    found = answer(
        exposure.FAMILY,
        asked(("sent", 20), ("sent", 10), ("guide", 9), ("sent", 5), ("opened", 0.25)),
    )
    assert found["exposure.response.7d"] == pytest.approx(1 / 6)
    assert found["exposure.response.30d"] == pytest.approx(0.3)
    assert found["exposure.unanswered.ever"] == 2
    assert found["exposure.days.last"] == 0.25


def test_without_an_exposure_there_is_no_response():
    """Acts alone are no rate of anything: nan in that window, not one and not infinite."""
    found = answer(exposure.FAMILY, asked(("sent", 10), ("guide", 1)))
    assert math.isnan(found["exposure.response.7d"])
    assert found["exposure.response.30d"] == 0.75
    nothing = answer(exposure.FAMILY, asked(("guide", 1)))
    assert math.isnan(nothing["exposure.days.last"])
    assert nothing["exposure.unanswered.ever"] == 0


def test_everything_is_unanswered_until_the_first_act():
    """A scanner's click is no answer; an opened mail counts as likely as a person opened it."""
    found = answer(exposure.FAMILY, asked(("sent", 8), ("guide", 7, 0.1), ("opened", 6, 0.25)))
    assert found["exposure.unanswered.ever"] == 1.25
    assert found["exposure.days.last"] == 8
