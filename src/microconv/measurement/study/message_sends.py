"""Every time a message asked a prospect for a step: what state it met, and what came of it.

The state is what was known strictly before the message was delivered. An ask is
answered if a person does the step in ``[delivered, delivered + response_days)``.
A click that comes before its message was opened answers nothing, where opens are
recorded: scanners click every link of a message seconds after delivery.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.histories.arrays import DAY, Int64
from microconv.journey import EXPOSURE, MICRO
from microconv.measurement.study.study import NEVER, Bools, Study

NO_GOAL = -1
"""Goal of a message that asks for nothing, or for what the journey does not know."""


@dataclass(frozen=True)
class MessageSends:
    """One entry per prospect and message, by prospect and time of delivery.

    Attributes
    ----------
    prospect : ndarray of int64, shape (n_asks,)
    message : ndarray of int32, shape (n_asks,)
        Row of the study's messages.
    at : ndarray of int64, shape (n_asks,)
        When the message was first seen to reach the prospect, µs since 1970.
    goal : ndarray of int16, shape (n_asks,)
        Code of the step asked for, or :data:`NO_GOAL`.
    level, stage : ndarray of int8, shape (n_asks,)
        Highest commitment and furthest stage done before; 0 at first.
    done_before, opened_before : ndarray of int32, shape (n_asks,)
        Micro-conversions and opens before.
    last : ndarray of int16, shape (n_asks,)
        The latest micro step before; -1 where there is none.
    opened, clicked, answered : ndarray of bool, shape (n_asks,)
    closed : ndarray of bool, shape (n_asks,)
        Whether the time to answer was over when the study ended.
    """

    prospect: Int64
    message: npt.NDArray[np.int32]
    at: Int64
    goal: npt.NDArray[np.int16]
    level: npt.NDArray[np.int8]
    stage: npt.NDArray[np.int8]
    done_before: npt.NDArray[np.int32]
    opened_before: npt.NDArray[np.int32]
    last: npt.NDArray[np.int16]
    opened: Bools
    clicked: Bools
    answered: Bools
    closed: Bools

    def __len__(self) -> int:
        """Return the number of sends."""
        return len(self.at)

    def where(self, chosen: Bools) -> MessageSends:
        """Keep some of the sends."""
        return MessageSends(**{name: column[chosen] for name, column in vars(self).items()})


def list_message_sends(
    study: Study, *, response_days: float, min_human_probability: float
) -> MessageSends:
    """List every ask of the study.

    Parameters
    ----------
    study : Study
        Without a table of messages there is no ask in it.
    response_days : float
        How long an ask can be answered.
    min_human_probability : float
        Least probability that a person did what counts.
    """
    goals = message_goals(study)
    names = study.journey.step_names
    opens = np.array(["open" in name for name in names]) & (study.journey.kinds == EXPOSURE)
    clicks = np.array(["click" in name for name in names]) & (study.journey.kinds == EXPOSURE)
    marks = np.stack([opens, clicks | (study.journey.kinds == MICRO)]).astype(np.bool_)
    events = (study.offsets, study.time, study.seen_at, study.step, study.message)
    steps = (study.journey.kinds, study.journey.commitments, study.journey.stage_codes, marks)
    records_opens = bool((opens[study.step] & (study.message >= 0)).any())
    answer = round(response_days * DAY)
    person = study.human_probability >= min_human_probability
    columns = _list_asks(events, person, steps, goals, (answer, study.until, records_opens))
    return MessageSends(*columns)


def message_goals(study: Study) -> npt.NDArray[np.int16]:
    """Find the step that each message asks for; of several, the first.

    Returns
    -------
    ndarray of int16, shape (n_messages,)
        Codes of micro steps, or :data:`NO_GOAL`.
    """
    if study.messages is None:
        return np.empty(0, np.int16)
    names = study.journey.step_names
    codes = []
    for goal in study.messages["goal"]:
        first = next(iter(parse_goals(goal)), None)
        code = names.index(first) if first in names else NO_GOAL
        codes.append(code if code >= 0 and study.journey.kinds[code] == MICRO else NO_GOAL)
    return np.array(codes, np.int16)


def parse_goals(goal: object) -> list[str]:
    """Name the goals of a message: one, none, or several in one cell.

    Examples
    --------
    >>> parse_goals("demo_video; pricing_visit"), parse_goals(None), parse_goals(" ")
    (['demo_video', 'pricing_visit'], [], [])
    """
    if not isinstance(goal, str):
        return []
    for separator in ";|+":
        goal = goal.replace(separator, ",")
    return [name.strip() for name in goal.split(",") if name.strip()]


@njit(cache=True, nogil=True)
def _list_asks(events, person, steps, goals, limits):  # type: ignore[no-untyped-def]
    """Count the sends, then fill a row for each."""
    offsets, time, seen_at, step, message = events
    kinds, commitments, stages, marks = steps
    answer, until, records_opens = limits
    found = np.zeros(len(step), np.bool_)
    for p in range(len(offsets) - 1):
        for i in range(offsets[p], offsets[p + 1]):
            if message[i] < 0 or kinds[step[i]] != EXPOSURE:
                continue
            first = True
            for k in range(offsets[p], i):
                if found[k] and message[k] == message[i]:
                    first = False
                    break
            found[i] = first
    n = found.sum()
    who, row = np.empty(n, np.int64), np.empty(n, np.int32)
    at, goal = np.empty(n, np.int64), np.empty(n, np.int16)
    level, stage = np.zeros(n, np.int8), np.zeros(n, np.int8)
    done_before, opened_before = np.zeros(n, np.int32), np.zeros(n, np.int32)
    last = np.full(n, -1, np.int16)
    opened, clicked = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    answered, closed = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    a = 0
    for p in range(len(offsets) - 1):
        for i in range(offsets[p], offsets[p + 1]):
            if not found[i]:
                continue
            t, mine, g = time[i], message[i], goals[message[i]]
            who[a], row[a], at[a], goal[a] = p, mine, t, g
            closed[a] = t + answer <= until
            open_at = NEVER
            for k in range(offsets[p], offsets[p + 1]):
                if time[k] >= t + answer:
                    break
                if not person[k]:
                    continue
                s = step[k]
                if seen_at[k] < t:
                    if kinds[s] == MICRO:
                        level[a] = max(level[a], commitments[s])
                        stage[a] = max(stage[a], stages[s])
                        done_before[a] += 1
                        last[a] = s
                    elif marks[0, s]:
                        opened_before[a] += 1
                if time[k] < t:
                    continue
                if message[k] == mine and marks[0, s]:
                    open_at = min(open_at, time[k])
                read = message[k] != mine or not records_opens or open_at <= time[k]
                if message[k] == mine and marks[1, s] and read:
                    clicked[a] = True
                if s == g and read:
                    answered[a] = True
            opened[a] = open_at < NEVER
            a += 1
    return (
        who, row, at, goal, level, stage, done_before, opened_before, last, opened, clicked,
        answered, closed,
    )  # fmt: skip
