"""The journey map: event name → step, with its kind, stage and commitment.

The map is applied when a log is *loaded*, as a remap of dictionary codes: editing a stage
or a commitment never re-sorts the log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from microconv.errors import JourneyError, did_you_mean, listed
from microconv.settings import JourneySettings

KINDS = ("exposure", "micro", "major", "exit")
"""Kinds of step, in the order of their codes in :attr:`JourneyMap.kinds`."""

EXPOSURE, MICRO, MAJOR, EXIT = range(4)

UNMAPPED = -1
"""Step code of an event name that the journey does not mention."""

IGNORED = -2
"""Step code of an event name that the journey ignores."""


@dataclass(frozen=True)
class Step:
    """What an event name means in the journey."""

    name: str
    kind: str
    stage: str | None
    commitment: int
    label: str
    events: tuple[str, ...]


@dataclass(frozen=True)
class JourneyMap:
    """Every step of a journey, in the order of their int16 codes.

    Attributes
    ----------
    stages : tuple of str
        From first to last.
    steps : tuple of Step
        The position of a step is its code in :class:`~microconv.histories.arrays.Histories`.
    ignored : frozenset of str
        Event names left out on purpose.
    multi_step : tuple of (str, tuple of str)
        Micro-conversions and the event names of their parts, from first to last.
    """

    stages: tuple[str, ...]
    steps: tuple[Step, ...]
    ignored: frozenset[str] = frozenset()
    multi_step: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def from_settings(cls, settings: JourneySettings) -> JourneyMap:
        """Build the map from the section `journey` of params.yaml.

        Raises
        ------
        JourneyError
            If two steps claim one event name, a stage is unknown, a micro step
            has no stage, there is no major step, or a part of a multi-step
            micro-conversion belongs to no step or to two.
        """
        steps = tuple(
            Step(
                name=name,
                kind=step.kind,
                stage=step.stage,
                commitment=step.commitment,
                label=step.label or name.replace("_", " "),
                events=tuple(step.events) or (name,),
            )
            for name, step in settings.steps.items()
        )
        journey = cls(
            tuple(settings.stages),
            steps,
            frozenset(settings.ignore),
            tuple((name, tuple(parts)) for name, parts in settings.multi_step.items()),
        )
        journey._check()
        return journey

    def _check(self) -> None:
        owner: dict[str, str] = {}
        for step in self.steps:
            if step.kind == "micro" and step.stage is None:
                raise JourneyError(
                    f"The micro step `{step.name}` has no stage. "
                    f"Give it one of {listed(self.stages)}."
                )
            if step.stage is not None and step.stage not in self.stages:
                raise JourneyError(
                    f"Step `{step.name}` has the stage `{step.stage}`, which is not in "
                    f"`journey.stages` ({listed(self.stages)})."
                    + did_you_mean(step.stage, self.stages)
                )
            for event in step.events:
                if event in owner or event in self.ignored:
                    other = owner.get(event, "journey.ignore")
                    raise JourneyError(
                        f"The event name `{event}` belongs to both `{other}` and "
                        f"`{step.name}`. An event name means one step: delete one of the two."
                    )
                owner[event] = step.name
        if not any(step.kind == "major" for step in self.steps):
            raise JourneyError(
                "No step of the journey is `kind: major`, so there is nothing to predict. "
                "Mark the step that is the outcome (a deal won, a purchase) as `major`."
            )
        twice = sorted({part for part in self.parts if self.parts.count(part) > 1})
        nowhere = [part for part in self.parts if part not in owner]
        if twice or nowhere:
            raise JourneyError(
                f"`journey.multi_step` names {listed(twice or nowhere)}, which "
                + ("appears more than once." if twice else "is an event name of no step.")
                + " Each part is one event name of one step."
            )

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.steps)

    def step_codes(self, event_names: Sequence[str]) -> npt.NDArray[np.int16]:
        """Return the step code of each event name, or :data:`UNMAPPED` or :data:`IGNORED`."""
        codes = self._code_of_event
        return np.array([codes.get(name, UNMAPPED) for name in event_names], dtype=np.int16)

    def unmapped(self, event_names: Iterable[str]) -> list[str]:
        """Return the event names without a step, sorted."""
        return sorted(name for name in event_names if name not in self._code_of_event)

    def code_of(self, step: str) -> int:
        """Return the code of a step by its name.

        Raises
        ------
        JourneyError
            If there is no such step.
        """
        names = self.step_names
        if step not in names:
            raise JourneyError(
                f"There is no step `{step}` in the journey." + did_you_mean(step, names)
            )
        return names.index(step)

    def part_codes(self, event_names: Sequence[str]) -> npt.NDArray[np.int16]:
        """Return the position of each event name in `parts`; -1 where it is not a part."""
        return np.array(
            [self.parts.index(name) if name in self.parts else -1 for name in event_names],
            dtype=np.int16,
        )

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The event names of all parts of multi-step micro-conversions, in order."""
        return tuple(part for _, parts in self.multi_step for part in parts)

    @cached_property
    def _code_of_event(self) -> dict[str, int]:
        codes = dict.fromkeys(self.ignored, IGNORED)
        codes.update({e: code for code, step in enumerate(self.steps) for e in step.events})
        return codes

    @cached_property
    def step_names(self) -> tuple[str, ...]:
        """The names of the steps, in the order of their codes."""
        return tuple(step.name for step in self.steps)

    @cached_property
    def kinds(self) -> npt.NDArray[np.int8]:
        """Kind code of each step, an index into :data:`KINDS`."""
        return np.array([KINDS.index(step.kind) for step in self.steps], dtype=np.int8)

    @cached_property
    def stage_codes(self) -> npt.NDArray[np.int8]:
        """Stage of each step as its position in `stages`; -1 where it has none."""
        return np.array(
            [-1 if s.stage is None else self.stages.index(s.stage) for s in self.steps],
            dtype=np.int8,
        )

    @cached_property
    def commitments(self) -> npt.NDArray[np.int8]:
        """Commitment of each step, 1 to 5; 0 for steps without one."""
        return np.array([step.commitment for step in self.steps], dtype=np.int8)

    def codes_of_kind(self, kind: str) -> npt.NDArray[np.int16]:
        """List the codes of every step of one kind, ascending."""
        return np.flatnonzero(self.kinds == KINDS.index(kind)).astype(np.int16)

    def digest(self) -> str:
        """Return a fingerprint of everything that features depend on (labels do not matter)."""
        content = [
            self.stages,
            sorted(self.ignored),
            [(s.name, s.kind, s.stage, s.commitment, sorted(s.events)) for s in self.steps],
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
