"""The tree of errors: one class per thing a caller might catch."""

from __future__ import annotations

import inspect

import pytest

from microconv import errors


def test_every_error_is_a_microconv_error_and_is_drawn_in_the_tree():
    """Whoever catches MicroconvError catches every mistake a user can fix."""
    classes = [
        c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__
    ]
    assert len(classes) > 10
    for error in classes:
        assert issubclass(error, errors.MicroconvError)
        assert f" {error.__name__} " in f" {errors.__doc__} ".replace("\n", " "), error


@pytest.mark.parametrize(
    ("word", "near"),
    [("horizn_days", " Did you mean `horizon_days`?"), ("banana", ""), ("", "")],
)
def test_only_a_near_word_is_suggested(word, near):
    """A far-fetched suggestion sends people the wrong way."""
    assert errors.did_you_mean(word, ["horizon_days", "every_days"]) == near


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, ""), (1, "`0`"), (3, "`0`, `1`, `2`"), (5, "`0`, `1`, `2` and 2 more")],
)
def test_long_lists_are_cut_and_say_by_how_much(count, text):
    """A million offending values do not fit into one sentence."""
    assert errors.listed(range(count), most=3) == text
