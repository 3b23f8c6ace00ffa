"""`track`, `engine` and `simulate`: the diary, the machine, the demo."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator

from microconv.settings.section import Count, Section, Seed, require_zone


class TrackSettings(Section):
    """Where the diary is kept."""

    experiment: str
    registered_model: str


class EngineSettings(Section):
    """How the machine is used; changes no value. `threads: null` takes every core."""

    threads: Count | None = None


class SimulateSettings(Section):
    """The demo world."""

    world: Literal["planted", "confounded", "null"]
    prospects: Count
    days: Annotated[int, Field(ge=60)]
    start: datetime
    seed: Seed

    @field_validator("world", mode="before")
    @classmethod
    def _bare_null(cls, world: object) -> object:
        """Take YAML's bare word null, which it reads as nothing, for the world of that name."""
        return "null" if world is None else world

    @field_validator("start")
    @classmethod
    def _aware(cls, instant: datetime) -> datetime | None:
        return require_zone(instant)
