"""Formats of values and of text from data."""

from __future__ import annotations

import pytest

from microconv.ranking.explanations.formatting import FORMATS, days, number, one_line, times


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (12.0, "12"), (0.333, "0.33"), (12.345, "12.3"), (-2.0, "-2"), (1e6, "1,000,000")],
)
def test_numbers_are_written_short(value: float, expected: str) -> None:
    """Nobody on the telephone wants to read 0.3333333."""
    assert number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.99, "less than a day"), (1.0, "1 day"), (2.99, "2 days"), (1234.5, "1,234 days")],
)
def test_only_whole_days_have_passed(value: float, expected: str) -> None:
    """Two days and 23 hours ago is "2 days ago"; nobody rounds that up."""
    assert days(value) == expected


def test_float32_days_are_not_a_day_short() -> None:
    """A float32 of 21 days may be 20.999998."""
    assert days(20.9999981) == "21 days"


@pytest.mark.parametrize(("value", "expected"), [(1.0, "within a day"), (1.2, "within 2 days")])
def test_a_duration_is_an_upper_bound(value: float, expected: str) -> None:
    """What took 29 hours happened within 2 days, not within one."""
    assert FORMATS["within"](value) == expected


def test_half_an_event_is_perhaps_one() -> None:
    """A click that may have been a scanner's is not stated as a fact."""
    assert times(0.4) == "perhaps once"
    assert times(1.6) == "twice"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("a\u202eb", "a b", id="right-to-left override"),
        pytest.param("a\r\nb\x00c", "a b c", id="control characters"),
        pytest.param("  a  ", "a", id="blanks"),
        pytest.param("é" * 61, "é" * 59 + "…", id="too long"),
    ],
)
def test_words_from_data_become_one_visible_line(word: str, expected: str) -> None:
    """A category of 5 MB, or one that reverses the line, must not wreck the list."""
    assert one_line(word) == expected
