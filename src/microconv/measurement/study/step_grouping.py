"""Grouping of rare steps, so that journeys of thousands of steps can be measured.

Time and memory grow with the number of pairs of steps. The rarest micro-conversions of each
stage become one step ``(other STAGE)`` with the lowest commitment among them, and the rarest
exposures become ``(other exposure)``. No event of a stage or kind is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from microconv.journey import JourneyMap, Step
from microconv.settings import Settings

MAX_STEPS = 200
"""Maximum number of micro-conversions, and of exposures, that are measured one by one."""

SECTIONS = ("measure", "experiments", "audit", "benchmarks", "bottlenecks")


def group_rare_steps(
    journey: JourneyMap,
    event_names: Mapping[str, int],
    *,
    named: Collection[str],
    max_steps: int = MAX_STEPS,
) -> tuple[JourneyMap, str]:
    """Group the rarest steps of a journey with too many steps.

    Parameters
    ----------
    journey : JourneyMap
    event_names : mapping of str to int
        Event name → number of events in the log.
    named : collection of str
        Steps that are never grouped.
    max_steps : int
        How many steps of each kind are not grouped, those in `named` included.

    Returns
    -------
    journey : JourneyMap
        With grouped steps; unchanged if it is short enough.
    note : str
        How many steps are grouped; empty if none are.
    """
    groups: dict[str, list[Step]] = {}
    for kind in ("micro", "exposure"):
        steps = [step for step in journey.steps if step.kind == kind]
        events = {step.name: sum(event_names.get(e, 0) for e in step.events) for step in steps}
        steps.sort(key=lambda step: (step.name not in named, -events[step.name], step.name))
        for step in steps[max_steps:]:
            if step.name not in named:
                groups.setdefault(f"(other {step.stage or kind})", []).append(step)
    rare = {step.name for steps in groups.values() for step in steps}
    if not rare:
        return journey, ""
    kept = [step for step in journey.steps if step.name not in rare]
    others = [_group(name, steps) for name, steps in groups.items()]
    note = (
        f"{len(rare):,} of the {len(journey):,} steps are grouped as "
        f"{', '.join(groups)}: the {max_steps:,} most common steps of each kind and the steps "
        "named in the settings are measured one by one."
    )
    return replace(journey, steps=(*kept, *others)), note


def named_steps(settings: Settings, journey: JourneyMap) -> set[str]:
    """Return the steps that are never grouped: those named in settings and multi-step ones.

    Parameters
    ----------
    settings : Settings
    journey : JourneyMap

    Returns
    -------
    set of str
    """
    words = {word for name in SECTIONS for word in _words(getattr(settings, name).model_dump())}
    parts = set(journey.parts)
    owners = {step.name for step in journey.steps if parts.intersection(step.events)}
    return words.intersection(journey.step_names) | owners


def _group(name: str, steps: list[Step]) -> Step:
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
