"""Walks: the micro-conversions of each prospect while at risk, and how the walk ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.histories.arrays import Int64
from microconv.measurement.study.study import Bools, Int32, Study

START, STILL_OPEN = "(start)", "(still open)"


@dataclass(frozen=True)
class Trajectories:
    """One walk per prospect at risk.

    Attributes
    ----------
    names : tuple of str
        Of the states: the journey's steps, then the start and "still open".
    offsets : ndarray of int64, shape (n_trajectories + 1,)
    step : ndarray of int32, shape (n_taken,)
        Micro steps by a person, in order, repetitions included.
    time : ndarray of int64, shape (n_taken,)
    end : ndarray of int32, shape (n_trajectories,)
        State in which each walk ended: a major, an exit, or still open.
    converted : ndarray of bool, shape (n_trajectories,)
    """

    names: tuple[str, ...]
    offsets: Int64
    step: Int32
    time: Int64
    end: Int32
    converted: Bools

    def __len__(self) -> int:
        """Return the number of walks."""
        return len(self.end)

    @property
    def start(self) -> int:
        """State in which every walk begins."""
        return len(self.names) - 2


def build_trajectories(study: Study, *, min_human_probability: float) -> Trajectories:
    """Read the walks of a study."""
    follow_up = study.follow_up
    micro = study.journey.kinds == study.journey.kinds[study.journey.codes_of_kind("micro")[0]]
    owner = np.repeat(np.arange(len(study)), np.diff(study.offsets))
    taken = micro[study.step] & (study.human_probability >= min_human_probability)
    taken &= (study.time < follow_up.ended_at[owner]) & follow_up.at_risk[owner]
    count = np.bincount(owner[taken], minlength=len(study))[follow_up.at_risk]
    closing = np.full(len(study), len(study.journey) + 1, np.int32)
    closes = (study.time == follow_up.ended_at[owner]) & np.isin(
        study.step, np.append(study.journey.codes_of_kind("major"), _exits(study))
    )
    rows = np.flatnonzero(closes)[::-1]  # the first of an instant is written last, and stays
    rows = rows[np.argsort(_is_major(study)[study.step[rows]], kind="stable")]  # outcomes win
    closing[owner[rows]] = study.step[rows]
    return Trajectories(
        names=(*study.journey.step_names, START, STILL_OPEN),
        offsets=np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        step=study.step[taken].astype(np.int32),
        time=study.time[taken],
        end=closing[follow_up.at_risk],
        converted=follow_up.converted[follow_up.at_risk],
    )


def _exits(study: Study) -> npt.NDArray[np.int16]:
    return study.journey.codes_of_kind("exit")


def _is_major(study: Study) -> Bools:
    return np.isin(np.arange(len(study.journey)), study.journey.codes_of_kind("major"))


def count_transitions(trajectories: Trajectories) -> Int64:
    """Count direct transitions, shape (2, n_states, n_states): by others, by converters."""
    counts: Int64 = _transitions(
        trajectories.offsets,
        trajectories.step,
        trajectories.end,
        trajectories.converted,
        len(trajectories.names),
    )
    return counts


def first_steps(trajectories: Trajectories, depth: int) -> npt.NDArray[np.int32]:
    """List each walk's first `depth` distinct steps; -1 where there are fewer."""
    found: npt.NDArray[np.int32] = _first_steps(trajectories.offsets, trajectories.step, depth)
    return found


def count_returns(trajectories: Trajectories) -> Int64:
    """Count, for each state, walks that did it, that did it again, and repetitions.

    Returns
    -------
    ndarray of int64, shape (4, n_states)
        Walks with the step, walks with it twice or more, immediate repetitions,
        and returns to it after something else.
    """
    counts: Int64 = _returns(trajectories.offsets, trajectories.step, len(trajectories.names))
    return counts


@njit(cache=True, nogil=True)
def _transitions(offsets, step, end, converted, size):  # type: ignore[no-untyped-def]
    counts = np.zeros((2, size, size), np.int64)
    for w in range(len(end)):
        state, side = size - 2, 1 if converted[w] else 0
        for i in range(offsets[w], offsets[w + 1]):
            counts[side, state, step[i]] += 1
            state = step[i]
        counts[side, state, end[w]] += 1
    return counts


@njit(cache=True, nogil=True)
def _first_steps(offsets, step, depth):  # type: ignore[no-untyped-def]
    found = np.full((len(offsets) - 1, depth), -1, np.int32)
    for w in range(len(offsets) - 1):
        m = 0
        for i in range(offsets[w], offsets[w + 1]):
            if m == depth:
                break
            new = True
            for j in range(m):
                new &= found[w, j] != step[i]
            if new:
                found[w, m] = step[i]
                m += 1
    return found


@njit(cache=True, nogil=True)
def _returns(offsets, step, size):  # type: ignore[no-untyped-def]
    counts = np.zeros((4, size), np.int64)
    times = np.zeros(size, np.int64)
    for w in range(len(offsets) - 1):
        for i in range(offsets[w], offsets[w + 1]):
            s = step[i]
            times[s] += 1
            if times[s] == 1:
                counts[0, s] += 1
            elif times[s] == 2:
                counts[1, s] += 1
            if times[s] > 1:
                counts[2 if step[i - 1] == s else 3, s] += 1
        for i in range(offsets[w], offsets[w + 1]):
            times[step[i]] = 0
    return counts
