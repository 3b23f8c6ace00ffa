"""`features`: which feature families are computed, and how wide they are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from microconv.settings.section import Count, Days, Section, Share


class FeatureSettings(Section):
    """Which feature families are built, and how wide.

    Attributes
    ----------
    families : "all" or tuple of str
        Feature families to build, named like the files of `features/families/`.
    windows_days : tuple of float
        Windows counted backwards from `as_of`; "ever" is always added.
    pairs : "all", "none" or tuple of (str, str)
        Ordered pairs of steps whose completion becomes features; "all" takes
        every ordered pair of distinct micro steps.
    sequences : tuple of tuple of str
        Longer ordered sequences with the same features.
    max_steps : int
        How many steps have columns of their own: those named in `pairs` and `sequences`, then
        the first of the journey. The others count together as `(other)`.
    last_steps : int
        How many of the latest steps become features.
    session_gap_minutes : float
        A gap longer than this starts a new session.
    max_categories : int
        Most categories of one attribute that get a column.
    min_category_share : float
        Smallest share of the training rows that makes a value a category.
    """

    families: Literal["all"] | tuple[str, ...] = "all"
    windows_days: tuple[Days, ...] = (1, 7, 30, 90)
    pairs: Literal["all", "none"] | tuple[tuple[str, str], ...] = "none"
    sequences: tuple[tuple[str, ...], ...] = ()
    max_steps: Annotated[int, Field(ge=2, le=2000)] = 500
    last_steps: Annotated[int, Field(ge=0, le=20)] = 5
    session_gap_minutes: Days = 30
    max_categories: Count = 20
    min_category_share: Share = 0.005

    @field_validator("windows_days")
    @classmethod
    def _ascending(cls, windows: tuple[float, ...]) -> tuple[float, ...]:
        if list(windows) != sorted(set(windows)) or not windows:
            raise ValueError("windows must be distinct and ascending, and at least one")
        return windows

    @field_validator("sequences")
    @classmethod
    def _at_least_two(cls, sequences: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        if any(len(sequence) < 2 for sequence in sequences):
            raise ValueError("a sequence needs at least two steps")
        return sequences
