"""From the study to the units of one experiment: who got which arm when, and what followed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

import numpy as np

from microconv.errors import NotEnoughDataError, SettingsError, TimeError, did_you_mean, listed
from microconv.histories.arrays import DAY, microseconds
from microconv.measurement.experiments.units import NEVER, Bools, Ints, Units, measured_after
from microconv.measurement.experiments.windows import Windows
from microconv.measurement.study.study import Study
from microconv.settings import ExperimentSettings


@dataclass(frozen=True)
class Assignment:
    """Who was assigned what.

    Attributes
    ----------
    prospect, arm, at : ndarray of int64, shape (n_units,)
    switched : int
        Units that were later given another arm as well; they stay where they were first.
    on : frozenset of int
        Codes of the steps by which the assignments became known.
    """

    prospect: Ints
    arm: Ints
    at: Ints
    switched: int
    on: frozenset[int]


def draw_units(
    study: Study,
    test: ExperimentSettings,
    *,
    pre_period_days: float,
    min_human_probability: float,
) -> tuple[Units, Assignment, int]:
    """Read the units of one experiment off the study.

    Parameters
    ----------
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
        If a step or an attribute is not there, or nobody was assigned.
    TimeError
        If the metric is what assigns, or only ever happened before.
    """
    metric = study.journey.code_of(test.metric)
    if test.assigned_by != "variant" and test.starts is not None:
        assigned = _by_group(study, test, test.starts)
    else:
        assigned = _by_variant(study, test)
    if metric in assigned.on:
        raise TimeError(
            f"The metric `{test.metric}` is the very step by which units got their arm, so it "
            "happens at the assignment, not because of it. Choose a step that follows."
        )
    within = round(test.within_days * DAY)
    closed = assigned.at + within <= study.until
    prospect, at = assigned.prospect[closed], assigned.at[closed]
    when = Windows.of(study, prospect, at, at + within, min_human_probability=min_human_probability)
    first, before = when.first(metric)
    if len(at) and before and not (first < NEVER).any():
        raise TimeError(
            f"`{test.metric}` happened only before the assignment ({before} times), so the arms "
            "cannot have caused it. Choose a step that follows, or correct the dates."
        )
    guardrails = {
        name: when.first(study.journey.code_of(name))[0] < NEVER for name in test.guardrails
    }
    units = Units(
        arms=tuple(test.arms),
        arm=assigned.arm[closed],
        assigned=at,
        metric=measured_after(at, first, within=within),
        guardrails=guardrails,
        revenue=when.revenue(),
        before=when.activity(round(pre_period_days * DAY)),
        segments={name: _segment(study, name)[prospect] for name in test.segments},
    )
    return units, assigned, int((~closed).sum())


def _by_variant(study: Study, test: ExperimentSettings) -> Assignment:
    """Take the first event that carries one of the arms' names as the assignment."""
    arms = list(test.arms)
    arm_of = np.array([arms.index(v) if v in arms else -1 for v in study.variant.labels] + [-1])
    event = np.flatnonzero((study.variant.codes >= 0) & _in_messages(study, test))
    event = event[arm_of[study.variant.codes[event]] >= 0]
    event = event[_in_period(study.time[event], test)]
    if len(event) == 0:
        where = f" of the messages {listed(test.messages)}" if test.messages else ""
        raise NotEnoughDataError(
            f"No event{where} carries one of the variants {listed(arms)}. Variants that do occur: "
            f"{listed(study.variant.labels) or 'none'}."
        )
    owner = _owner(study, event)
    arm = arm_of[study.variant.codes[event]]
    prospect, first = np.unique(owner, return_index=True)
    switched = np.unique(owner[arm != arm[first][np.searchsorted(prospect, owner)]])
    on = frozenset(np.unique(study.step[event[first]]).tolist())
    return Assignment(
        prospect, arm[first].astype(np.int64), study.time[event[first]], len(switched), on
    )


def _in_messages(study: Study, test: ExperimentSettings) -> Bools:
    if not test.messages:
        return np.ones(len(study.time), bool)
    if study.messages is None:
        raise NotEnoughDataError(
            f"The test is about the messages {listed(test.messages)}, and there is no table of "
            "messages. Bring one (a source of the format `messages`), or leave `messages` out."
        )
    ids = study.messages["message_id"]
    chosen = [any(fnmatchcase(each, glob) for glob in test.messages) for each in ids]
    return np.array([*chosen, False])[study.message]


def _by_group(study: Study, test: ExperimentSettings, instant: datetime) -> Assignment:
    """Take an attribute's value as the arm, at the instant at which the test starts."""
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


def _owner(study: Study, event: Ints) -> Ints:
    return np.searchsorted(study.offsets, event, side="right") - 1
