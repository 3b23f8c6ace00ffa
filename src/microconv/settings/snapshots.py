"""`snapshots`: who is in the cohort when, and how far ahead the label looks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import field_validator

from microconv.settings.section import Days, Section, require_zone


class SnapshotSettings(Section):
    """Which prospects are in the cohort at which instants, and how far ahead the label looks.

    Attributes
    ----------
    first : datetime
        The first `as_of`, with its time zone.
    last : datetime or None
        No `as_of` after this instant; null for the end of the log.
    every_days : float
        Days from one `as_of` to the next.
    horizon_days : float
        A conversion counts in `[as_of, as_of + horizon)`.
    active_within_days : float
        Only prospects with an event of `active_kinds` in this many days before `as_of`.
    active_kinds : tuple of str
        Kinds of step that count as activity.
    """

    first: datetime
    last: datetime | None = None
    every_days: Days
    horizon_days: Days
    active_within_days: Days
    active_kinds: tuple[Literal["exposure", "micro", "major", "exit"], ...] = ("exposure", "micro")

    @field_validator("first", "last")
    @classmethod
    def _aware(cls, instant: datetime | None) -> datetime | None:
        return require_zone(instant)

    @property
    def horizon(self) -> timedelta:
        """How long after `as_of` a conversion still counts."""
        return timedelta(days=self.horizon_days)

    @property
    def active_within(self) -> timedelta:
        """How long before `as_of` the last activity may lie."""
        return timedelta(days=self.active_within_days)
