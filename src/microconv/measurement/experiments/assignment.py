"""Assignment: which unit of an experiment got which arm when, and what it did after that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

import numpy as np

from microconv.errors import NotEnoughDataError, SettingsError, TimeError, did_you_mean, listed
from microconv.histories.arrays import DAY, NEVER, microseconds
from microconv.journey import MAJOR, MICRO
from microconv.measurement.experiments.units import Bools, Floats, Ints, Units, happened_within
from microconv.measurement.study.study import Study
from microconv.settings import ExperimentSettings


@dataclass(frozen=True)
class Assignment:
    """Which prospect was assigned which arm, and when.

    Attributes
    ----------
    prospect, arm, at : ndarray of int64, shape (n_units,)
    switched : int
        Units that were later given another arm as well; they stay in their first arm.
    steps : frozenset of int
        Codes of the steps by which the assignments became known.
    """

    prospect: Ints
    arm: Ints
    at: Ints
    switched: int
    steps: frozenset[int]


def find_units(
    study: Study,
    test: ExperimentSettings,
    *,
    pre_period_days: float,
    min_human_probability: float,
) -> tuple[Units, Assignment, int]:
    """Return the units of one experiment with their arms and outcomes.

    Parameters
    ----------
    study : Study
    test : ExperimentSettings
    pre_period_days : float
        How far back the activity before the assignment is counted.
    min_human_probability : float
        Events less likely to be a person's do not count as the metric or a guardrail.

    Returns
    -------
    Units
        Those whose outcome window had closed when the study ended.
    Assignment
        Of all units.
    int
        Units whose window had not closed; they are left out.

    Raises
    ------
    SettingsError, NotEnoughDataError
        If a step or an attribute does not exist, or nobody was assigned.
    TimeError
        If the metric is the assignment itself, or only happened before it.
    """
    metric = study.journey.code_of(test.metric)
    if test.assigned_by != "variant" and test.starts is not None:
        assigned = _by_group(study, test, test.starts)
    else:
        assigned = _by_variant(study, test)
    if metric in assigned.steps:
        raise TimeError(
            f"The metric `{test.metric}` is the step that assigns units to their arm, so it "
            "happens at the assignment, not because of it. Choose a step that follows it."
        )
    within = round(test.within_days * DAY)
    closed = assigned.at + within <= study.until
    prospect, at = assigned.prospect[closed], assigned.at[closed]
    human = study.human_probability >= min_human_probability
    when = _Windows.of(study, prospect, at, at + within, human)
    first, before = when.first(metric)
    if len(at) and before and not (first < NEVER).any():
        raise TimeError(
            f"`{test.metric}` happened only before the assignment ({before} times), so the arms "
            "cannot have caused it. Choose a step that follows it, or correct the dates."
        )
    guardrails = {
        name: when.first(study.journey.code_of(name))[0] < NEVER for name in test.guardrails
    }
    units = Units(
        arms=tuple(test.arms),
        arm=assigned.arm[closed],
        assigned=at,
        metric=happened_within(at, first, within=within),
        guardrails=guardrails,
        revenue=when.revenue(),
        before=when.activity(round(pre_period_days * DAY)),
        segments={name: _segment(study, name)[prospect] for name in test.segments},
    )
    return units, assigned, int((~closed).sum())


@dataclass(frozen=True)
class _Windows:
    """The outcome window of each unit, ``[start, end)`` in µs since 1970.

    Attributes
    ----------
    study : Study
    unit : ndarray of int64, shape (n_prospects,)
        Unit of each prospect; -1 for those outside the experiment.
    start, end : ndarray of int64, shape (n_units,)
    human : ndarray of bool, shape (n_events,)
        Events that count as a person's.
    """

    study: Study
    unit: Ints
    start: Ints
    end: Ints
    human: Bools

    @classmethod
    def of(cls, study: Study, prospect: Ints, start: Ints, end: Ints, human: Bools) -> _Windows:
        unit = np.full(len(study), -1)
        unit[prospect] = np.arange(len(prospect))
        return cls(study, unit, start, end, human)

    def first(self, step: int) -> tuple[Ints, int]:
        """Find the first time of a step in each window, and count how often it came before."""
        event, unit = self._events_of_units((self.study.step == step) & self.human)
        time = self.study.time[event]
        inside = (time >= self.start[unit]) & (time < self.end[unit])
        found = np.full(len(self.start), NEVER)
        np.minimum.at(found, unit[inside], time[inside])
        return found, int((time < self.start[unit]).sum())

    def revenue(self) -> Floats | None:
        """Sum the revenue of each window; None where no conversion has a value."""
        kinds = self.study.journey.kinds[self.study.step]
        paid = (kinds == MAJOR) & ~np.isnan(self.study.value)
        if not paid.any():
            return None
        event, unit = self._events_of_units(paid)
        time = self.study.time[event]
        inside = (time >= self.start[unit]) & (time < self.end[unit])
        revenue = np.bincount(unit[inside], self.study.value[event[inside]], len(self.start))
        return revenue.astype(np.float64)

    def activity(self, before: int) -> Floats:
        """Count the micro-conversions seen strictly before each assignment, as log(1 + n).

        The logarithm keeps a few very active units from determining the slope.
        """
        event, unit = self._events_of_units(self.study.journey.kinds[self.study.step] == MICRO)
        earlier = self.study.seen_at[event] < self.start[unit]
        earlier &= self.study.time[event] >= self.start[unit] - before
        weight = self.study.human_probability[event[earlier]]
        return np.asarray(np.log1p(np.bincount(unit[earlier], weight, len(self.start))))

    def _events_of_units(self, chosen: Bools) -> tuple[Ints, Ints]:
        """Return the chosen events of units, and the unit of each."""
        event = np.flatnonzero(chosen)
        unit = self.unit[np.searchsorted(self.study.offsets, event, side="right") - 1]
        return event[unit >= 0], unit[unit >= 0]


def _by_variant(study: Study, test: ExperimentSettings) -> Assignment:
    """Use the first event that carries the name of an arm as the assignment."""
    arms = list(test.arms)
    arm_of = np.array([arms.index(v) if v in arms else -1 for v in study.variant.labels] + [-1])
    event = np.flatnonzero((study.variant.codes >= 0) & _in_messages(study, test))
    event = event[arm_of[study.variant.codes[event]] >= 0]
    event = event[_in_period(study.time[event], test)]
    if len(event) == 0:
        where = f" of the messages {listed(test.messages)}" if test.messages else ""
        raise NotEnoughDataError(
            f"No event{where} has one of the variants {listed(arms)}. The log has "
            f"{listed(study.variant.labels) or 'none'}; correct `arms` or map `variant`."
        )
    owner = np.searchsorted(study.offsets, event, side="right") - 1
    arm = arm_of[study.variant.codes[event]]
    prospect, first = np.unique(owner, return_index=True)
    switched = np.unique(owner[arm != arm[first][np.searchsorted(prospect, owner)]])
    steps = frozenset(np.unique(study.step[event[first]]).tolist())
    return Assignment(
        prospect, arm[first].astype(np.int64), study.time[event[first]], len(switched), steps
    )


def _in_messages(study: Study, test: ExperimentSettings) -> Bools:
    if not test.messages:
        return np.ones(len(study.time), bool)
    if study.messages is None:
        raise NotEnoughDataError(
            f"The test is restricted to the messages {listed(test.messages)}, but there is no "
            "table of messages. Add one (a source of the format `messages`), or remove `messages`."
        )
    ids = study.messages["message_id"]
    chosen = [any(fnmatchcase(each, glob) for glob in test.messages) for each in ids]
    return np.array([*chosen, False])[study.message]


def _by_group(study: Study, test: ExperimentSettings, instant: datetime) -> Assignment:
    """Use the value of an attribute as the arm, assigned when the test starts."""
    value = _segment(study, test.assigned_by)
    arms = list(test.arms)
    starts = microseconds(instant)
    arm = np.array([arms.index(v) if v in arms else -1 for v in value.tolist()])
    there = np.flatnonzero((arm >= 0) & (study.follow_up.first_seen <= starts))
    if len(there) == 0:
        raise NotEnoughDataError(
            f"No prospect known by {instant:%Y-%m-%d %H:%M} has one of the arms {listed(arms)} "
            f"in the attribute `{test.assigned_by}`."
        )
    at = np.full(len(there), starts)
    return Assignment(there, arm[there], at, 0, frozenset())


def _segment(study: Study, attribute: str) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    if attribute not in study.segments:
        raise SettingsError(
            f"There is no attribute `{attribute}` of prospects to group by; there are "
            f"{listed(study.segments) or 'none'}." + did_you_mean(attribute, study.segments)
        )
    return np.where(
        study.segments[attribute].codes >= 0, study.segments[attribute].text(), "(unknown)"
    )


def _in_period(time: Ints, test: ExperimentSettings) -> Bools:
    inside = np.ones(len(time), bool)
    if test.starts is not None:
        inside &= time >= microseconds(test.starts)
    if test.ends is not None:
        inside &= time < microseconds(test.ends)
    return inside
