"""Journeys of very many steps: the commonest are measured one by one, the others together.

Transitions, sequences and velocities are about pairs of steps, and impact compares
prospects anew for every step: what is fine for a hundred steps takes gigabytes and days for
thousands. So the rarest micro steps of each stage become one step, ``(other STAGE)``,
of the smallest commitment among them, and exposures beyond as many become
``(other exposure)``. Stages and kinds lose no event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from microconv.journey import JourneyMap, Step
from microconv.settings import Settings

MOST_STEPS = 200
"""So many micro steps, and so many exposures, are measured one by one."""

SECTIONS = ("measure", "experiments", "audit", "benchmarks", "bottlenecks")


def group_rare_steps(
    journey: JourneyMap,
    event_names: Mapping[str, int],
    *,
    named: Collection[str],
    most: int = MOST_STEPS,
) -> tuple[JourneyMap, str]:
    """Let the rarest steps of a journey that is too long count together.

    Parameters
    ----------
    journey : JourneyMap
    event_names : mapping of str to int
        Event name → events in the log.
    named : collection of str
        Steps that are asked about by name, and stay.
    most : int
        How many of each kind are left as they are, those named among them.

    Returns
    -------
    journey : JourneyMap
        The same one if it is short enough.
    says : str
        How many count together; empty if none do.
    """
    gathered: dict[str, list[Step]] = {}
    for kind in ("micro", "exposure"):
        steps = [step for step in journey.steps if step.kind == kind]
        events = {step.name: sum(event_names.get(e, 0) for e in step.events) for step in steps}
        steps.sort(key=lambda step: (step.name not in named, -events[step.name], step.name))
        for step in steps[most:]:
            if step.name not in named:
                gathered.setdefault(f"(other {step.stage or kind})", []).append(step)
    rare = {step.name for steps in gathered.values() for step in steps}
    if not rare:
        return journey, ""
    kept = [step for step in journey.steps if step.name not in rare]
    others = [_together(name, steps) for name, steps in gathered.items()]
    says = (
        f"{len(rare):,} of the {len(journey):,} steps are measured together, as "
        f"{', '.join(gathered)}: of each kind the {most:,} commonest, and those that the settings "
        "name, are measured one by one."
    )
    return replace(journey, steps=(*kept, *others)), says


def named_steps(settings: Settings, journey: JourneyMap) -> set[str]:
    """List the steps that the settings of the measurement, or multi-step conversions, name."""
    words = {word for name in SECTIONS for word in _words(getattr(settings, name).model_dump())}
    parts = set(journey.parts)
    owners = {step.name for step in journey.steps if parts.intersection(step.events)}
    return words.intersection(journey.step_names) | owners


def _together(name: str, steps: list[Step]) -> Step:
    return Step(
        name=name,
        kind=steps[0].kind,
        stage=steps[0].stage if steps[0].kind == "micro" else None,
        commitment=min(step.commitment for step in steps),
        label=name.strip("()") + " steps",
        events=tuple(event for step in steps for event in step.events),
    )


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _words([*value, *value.values()])
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            yield from _words(part)
