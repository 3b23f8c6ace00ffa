"""Message sends: every message that reached a prospect, their state before it, their response.

The state is what was known strictly before the message was delivered. A prospect
responds if they do the goal of the message in
``[delivered, delivered + response_days)``, with at least the probability
`min_human_probability` of being a person. A click on the message before it was opened is no
response, where opens are recorded: scanners click every link seconds after delivery.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.histories.arrays import DAY, NEVER, Int64
from microconv.journey import EXPOSURE, MICRO, JourneyMap
from microconv.measurement.study.study import Bools, Study

NO_GOAL = -1
"""Goal of a message without one, or with one that is not a micro-conversion."""


@dataclass(frozen=True)
class MessageSends:
    """One entry per prospect and message, by prospect and time of delivery.

    Attributes
    ----------
    prospect : ndarray of int64, shape (n_sends,)
    message : ndarray of int32, shape (n_sends,)
        Row of the study's messages.
    time : ndarray of int64, shape (n_sends,)
        When the message was first seen to reach the prospect, µs since 1970.
    goal : ndarray of int16, shape (n_sends,)
        Code of its goal, or :data:`NO_GOAL`.
    commitment, stage : ndarray of int8, shape (n_sends,)
        Highest commitment and furthest stage of the prospect before it; 0 at first.
    steps_before, opens_before : ndarray of int32, shape (n_sends,)
        Micro-conversions and opens before it.
    last_step : ndarray of int16, shape (n_sends,)
        The latest micro-conversion before it; -1 where there is none.
    opened, clicked, responded : ndarray of bool, shape (n_sends,)
    window_closed : ndarray of bool, shape (n_sends,)
        Whether the time to respond was over when the study ended.
    """

    prospect: Int64
    message: npt.NDArray[np.int32]
    time: Int64
    goal: npt.NDArray[np.int16]
    commitment: npt.NDArray[np.int8]
    stage: npt.NDArray[np.int8]
    steps_before: npt.NDArray[np.int32]
    opens_before: npt.NDArray[np.int32]
    last_step: npt.NDArray[np.int16]
    opened: Bools
    clicked: Bools
    responded: Bools
    window_closed: Bools

    def __len__(self) -> int:
        """Return the number of sends."""
        return len(self.time)

    def where(self, chosen: Bools) -> MessageSends:
        """Return only the chosen sends."""
        return MessageSends(**{name: column[chosen] for name, column in vars(self).items()})

    def with_outcome(self) -> MessageSends:
        """Return the sends that have a goal and whose time to respond is over."""
        return self.where(self.window_closed & (self.goal != NO_GOAL))

    def commitment_gap(self, journey: JourneyMap) -> Int64:
        """Return how many levels of commitment each goal is beyond the recipient's next one."""
        return journey.commitments[self.goal].astype(np.int64) - self.commitment - 1

    def stage_gap(self, journey: JourneyMap) -> Int64:
        """Return how many stages each goal is ahead of its recipient; negative where behind."""
        return journey.stage_codes[self.goal].astype(np.int64) - self.stage


def list_message_sends(
    study: Study, *, response_days: float, min_human_probability: float
) -> MessageSends:
    """Return every message send of the study; none without a table of messages.

    Parameters
    ----------
    study : Study
    response_days : float
        How long after delivery a step still counts as a response.
    min_human_probability : float
        Events less likely to be a person's do not count.

    Returns
    -------
    MessageSends
    """
    kinds, names = study.journey.kinds, study.journey.step_names
    opens = np.array(["open" in name for name in names]) & (kinds == EXPOSURE)
    clicks = np.array(["click" in name for name in names]) & (kinds == EXPOSURE)
    marks = np.stack([opens, clicks | (kinds == MICRO)]).astype(np.bool_)
    events = (study.offsets, study.time, study.seen_at, study.step, study.message)
    steps = (kinds, study.journey.commitments, study.journey.stage_codes, marks)
    records_opens = bool((opens[study.step] & (study.message >= 0)).any())
    human = study.human_probability >= min_human_probability
    limits = (round(response_days * DAY), study.until, records_opens)
    return MessageSends(*_list_sends(events, human, steps, message_goals(study), limits))


def message_goals(study: Study) -> npt.NDArray[np.int16]:
    """Return the goal of each message; of several, the first.

    Returns
    -------
    ndarray of int16, shape (n_messages,)
        Codes of micro-conversions, or :data:`NO_GOAL`.
    """
    if study.messages is None:
        return np.empty(0, np.int16)
    code_of = {study.journey.step_names[c]: c for c in study.journey.codes_of_kind("micro")}
    first = [next(iter(parse_goals(goal)), "") for goal in study.messages["goal"]]
    return np.array([code_of.get(name, NO_GOAL) for name in first], np.int16)


def parse_goals(goal: object) -> list[str]:
    """Return the goals of a message: one, none, or several in one cell.

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


def is_outside_stage(stage_gap: Int64) -> Bools:
    """Return which sends have a goal behind the recipient's stage, or beyond the next one."""
    return np.asarray((stage_gap < 0) | (stage_gap > 1))


@njit(cache=True, nogil=True)
def _list_sends(events, human, steps, goals, limits):  # type: ignore[no-untyped-def]
    """Count the sends, then fill a row for each."""
    offsets, time, seen_at, step, message = events
    kinds, commitments, stages, marks = steps
    window, until, records_opens = limits
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
    prospect, row = np.empty(n, np.int64), np.empty(n, np.int32)
    sent_at, goal = np.empty(n, np.int64), np.empty(n, np.int16)
    commitment, stage = np.zeros(n, np.int8), np.zeros(n, np.int8)
    steps_before, opens_before = np.zeros(n, np.int32), np.zeros(n, np.int32)
    last_step = np.full(n, -1, np.int16)
    opened, clicked = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    responded, closed = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    a = 0
    for p in range(len(offsets) - 1):
        for i in range(offsets[p], offsets[p + 1]):
            if not found[i]:
                continue
            t, sent, g = time[i], message[i], goals[message[i]]
            prospect[a], row[a], sent_at[a], goal[a] = p, sent, t, g
            closed[a] = t + window <= until
            open_at = NEVER
            for k in range(offsets[p], offsets[p + 1]):
                if time[k] >= t + window:
                    break
                if not human[k]:
                    continue
                s = step[k]
                if seen_at[k] < t:
                    if kinds[s] == MICRO:
                        commitment[a] = max(commitment[a], commitments[s])
                        stage[a] = max(stage[a], stages[s])
                        steps_before[a] += 1
                        last_step[a] = s
                    elif marks[0, s]:
                        opens_before[a] += 1
                if time[k] < t:
                    continue
                if message[k] == sent and marks[0, s]:
                    open_at = min(open_at, time[k])
                read = message[k] != sent or not records_opens or open_at <= time[k]
                if message[k] == sent and marks[1, s] and read:
                    clicked[a] = True
                if s == g and read:
                    responded[a] = True
            opened[a] = open_at < NEVER
            a += 1
    return (
        prospect, row, sent_at, goal, commitment, stage, steps_before, opens_before, last_step,
        opened, clicked, responded, closed,
    )  # fmt: skip
