"""Readiness: how much it takes, and that what is missing is named."""

from __future__ import annotations

import pytest

from microconv.model.training_facts import readiness
from microconv.settings import ReadinessSettings


@pytest.mark.parametrize(
    ("conversions", "state"),
    [
        (20, "not enough"),
        (47, "not enough"),
        (60, "thin"),
        (119, "thin"),
        (120, "ready"),
        (500, "ready"),
    ],
)
def test_the_state_follows_the_conversions(conversions, state):
    """The minimum of 120 conversions; below two fifths of it there is not enough at all."""
    counts = {"conversions": conversions, "prospects": 5000, "days": 200}
    found = readiness(counts, ReadinessSettings())
    assert found["state"] == state
    assert (f"{conversions} conversions (ready from 120)" in found["summary"]) == (state != "ready")


def test_a_short_history_is_thin_however_many_convert():
    """One Monday of a thousand conversions is no evidence about the next one."""
    found = readiness({"conversions": 1000, "prospects": 800, "days": 7}, ReadinessSettings())
    assert found["state"] == "thin"
    assert "7 days of training dates (ready from 28)" in found["summary"]
    assert "800 prospects (ready from 1,000)" in found["summary"]
