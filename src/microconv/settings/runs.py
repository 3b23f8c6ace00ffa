"""`score`, `track`, `engine` and `simulate`: the list, the diary, the machine, the demo."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from microconv.settings.section import Count, Days, Section, Seed, Share, require_zone


class ScoreSettings(Section):
    """The list: how long, how graded, for how long it may be used.

    Attributes
    ----------
    as_of : datetime or None
        When to ask; None takes the log's `observed_until`, and says so.
    horizons_days : tuple of float
        Further horizons, each a column (`probability_7d`): from the same model, never
        falling from a shorter to a longer one.
    texts : Path or None
        A CSV table of one's own words for reasons, read before the one that comes with
        the package: see :mod:`microconv.ranking.text_table`.
    grades : dict of str to float
        Grade → smallest probability that earns it, best grade first. The last
        grade must start at 0.
    max_age_hours : float or None
        `microconv score` makes no list of a log that ended longer ago; None takes any.
    """

    as_of: datetime | None = None
    limit: Count
    valid_days: Days
    max_age_hours: Annotated[float, Field(gt=0)] | None = None
    reasons: Annotated[int, Field(ge=1, le=10)] = 3
    horizons_days: tuple[Days, ...] = ()
    texts: Path | None = None
    grades: dict[str, float] = Field(min_length=1)

    @field_validator("as_of")
    @classmethod
    def _aware(cls, instant: datetime | None) -> datetime | None:
        return require_zone(instant)

    @field_validator("grades")
    @classmethod
    def _descending(cls, grades: dict[str, float]) -> dict[str, float]:
        thresholds = list(grades.values())
        if thresholds != sorted(thresholds, reverse=True) or thresholds[-1] != 0:
            raise ValueError("thresholds must fall from grade to grade and end at 0")
        return grades


class TrackSettings(Section):
    """Where the diary is kept."""

    experiment: str
    registered_model: str


class EngineSettings(Section):
    """How the machine is used; changes no value. `threads: null` takes every core."""

    threads: Count | None = None


class SimulateSettings(Section):
    """The demo world.

    Attributes
    ----------
    scanners : float
        Share of prospects whose mail goes through a link scanner.
    """

    world: Literal["planted", "confounded", "null"]
    prospects: Count
    days: Annotated[int, Field(ge=60)]
    start: datetime
    seed: Seed
    scanners: Share = 0.15

    @field_validator("world", mode="before")
    @classmethod
    def _bare_null(cls, world: object) -> object:
        """Take YAML's bare word null, which it reads as nothing, for the world of that name."""
        return "null" if world is None else world

    @field_validator("start")
    @classmethod
    def _aware(cls, instant: datetime) -> datetime | None:
        return require_zone(instant)
