"""`journey`: what event names mean."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from microconv.settings.section import Section


class StepSettings(Section):
    """One step of the journey and the event names that mean it (its own name by default)."""

    kind: Literal["exposure", "micro", "major", "exit"]
    stage: str | None = None
    commitment: Annotated[int, Field(ge=0, le=5)] = 0
    events: tuple[str, ...] = ()
    label: str | None = None


class JourneySettings(Section):
    """The journey map. `reject_unmapped_events` makes an event name without a step an error.

    `multi_step` names, for a micro-conversion done in several parts (a video, the
    pages of an assessment, a form), the event names of its parts in their order.
    """

    stages: tuple[str, ...] = Field(
        default=("awareness", "consideration", "decision"), min_length=1
    )
    steps: dict[str, StepSettings] = Field(min_length=1)
    multi_step: dict[str, Annotated[tuple[str, ...], Field(min_length=2)]] = Field(
        default_factory=dict
    )
    ignore: tuple[str, ...] = ()
    reject_unmapped_events: bool = False
