"""Section `journey`: the steps, stages and event names of the customer journey."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from microconv.settings.section import Section


class StepSettings(Section):
    """One step of the journey and the event names that belong to it.

    Attributes
    ----------
    kind : "exposure", "micro", "major" or "exit"
        Done to the prospect, a micro-conversion, the outcome, or the end of the journey.
    stage : str or None
        One of `stages`; required for micro steps.
    commitment : int
        How much effort or intent a micro step takes, from 1 to 5; 0 for other steps.
    events : tuple of str
        Event names; by default the name of the step.
    label : str or None
        How the step reads in a sentence about a prospect, like "visited pricing"; by
        default its name.
    """

    kind: Literal["exposure", "micro", "major", "exit"]
    stage: str | None = None
    commitment: Annotated[int, Field(ge=0, le=5)] = 0
    events: tuple[str, ...] = ()
    label: str | None = None


class JourneySettings(Section):
    """The journey map: what event names mean.

    Attributes
    ----------
    stages : tuple of str
        From first to last.
    steps : dict of str to StepSettings
    multi_step : dict of str to tuple of str
        Micro-conversions done in several parts (a video, the pages of an assessment, a
        form), with the event names of their parts in order.
    ignore : tuple of str
        Event names to leave out.
    reject_unmapped_events : bool
        Whether an event name without a step is an error; otherwise it is left out.
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
