"""Offers: which messages asked whom for what, and who did it in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from microconv.histories.arrays import Int64
from microconv.journey import EXPOSURE
from microconv.measurement.study.message_sends import message_goals
from microconv.measurement.study.study import NONE, Floats, Int32, Study


@dataclass(frozen=True)
class Offers:
    """How often each step was asked for, and done within the time for an answer.

    Attributes
    ----------
    offered, completed : ndarray of int64, shape (n_steps,)
        Prospects asked for each step by any message, and those of them who did it.
    by_message : ndarray of float64, shape (3, n_messages)
        Prospects who got each message; who did its goal in time; expected
        number of people among these.
    """

    offered: Int64
    completed: Int64
    by_message: Floats


def count_offers(study: Study, *, within: int) -> Offers:
    """Count offers and answers.

    An offer is the first exposure of a prospect to a message with a goal, while
    at risk. It is counted once the time for an answer has passed at the end of
    the study, and answered if its goal is done in ``[offered, offered + within)``.

    Parameters
    ----------
    study : Study
    within : int
        Time for an answer, µs.
    """
    size = len(study.journey)
    if study.messages is None:
        nothing = np.zeros(size, np.int64)
        return Offers(nothing, nothing, np.zeros((3, 0)))
    goal = message_goals(study).astype(np.int32)
    message = np.arange(len(goal), dtype=np.int32)
    by_message = _of_keys(study, np.where(goal >= 0, message, NONE), goal, within)
    by_step = _of_keys(study, goal, np.arange(size, dtype=np.int32), within)
    return Offers(by_step[0].astype(np.int64), by_step[1].astype(np.int64), by_message)


def _of_keys(study: Study, key_of_message: Int32, goal_of_key: Int32, within: int) -> Floats:
    """Count offers and answers of each key, a key being one message or one goal."""
    lines, kind = study.outlines, study.journey.kinds[study.step]
    asked = np.append(key_of_message, NONE)[study.message]
    asked = np.where(kind == EXPOSURE, asked, NONE).astype(np.int32)
    order = np.argsort(goal_of_key, kind="stable").astype(np.int32)
    bounds = np.searchsorted(goal_of_key[order], np.arange(len(study.journey) + 1))
    ended_at = np.where(lines.at_risk, lines.ended_at, np.iinfo(np.int64).min)
    counts: Floats = _answers(
        study.offsets,
        (study.time, study.step, study.human_probability, asked),
        (ended_at, study.until, within),
        order,
        bounds,
    )
    return counts


@njit(cache=True, nogil=True)
def _answers(offsets, events, times, keys, bounds):  # type: ignore[no-untyped-def]
    time, step, human_probability, asked = events
    ended_at, until, within = times
    counts = np.zeros((3, len(keys)), np.float64)
    owner = np.full(len(keys), -1, np.int64)
    since = np.empty(len(keys), np.int64)
    machine = np.empty(len(keys), np.float64)  # probability that no person answered so far
    answered = np.zeros(len(keys), np.bool_)
    touched = np.empty(len(keys), np.int64)
    for p in range(len(offsets) - 1):
        m = 0
        for i in range(offsets[p], offsets[p + 1]):
            t = time[i]
            if t >= ended_at[p]:
                break
            k = asked[i]
            if k >= 0 and owner[k] != p and t + within <= until:
                owner[k], since[k], machine[k], answered[k] = p, t, 1.0, False
                touched[m] = k
                m += 1
            for j in range(bounds[step[i]], bounds[step[i] + 1]):
                k = keys[j]
                if owner[k] == p and t - since[k] < within:
                    answered[k] = True
                    machine[k] *= 1.0 - human_probability[i]
        for j in range(m):
            k = touched[j]
            counts[0, k] += 1
            if answered[k]:
                counts[1, k] += 1
                counts[2, k] += 1.0 - machine[k]
    return counts
