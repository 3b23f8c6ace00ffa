"""Trajectories: each prospect's micro-conversions while at risk, and how they ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.histories.arrays import Int64
from microconv.journey import EXIT, MAJOR, MICRO
from microconv.measurement.study.study import Bools, Int32, Study

START, STILL_OPEN = "(start)", "(still open)"


@dataclass(frozen=True)
class Trajectories:
    """One trajectory per prospect at risk.

    Attributes
    ----------
    names : tuple of str
        States: the journey's steps, then :data:`START` and :data:`STILL_OPEN`.
    offsets : ndarray of int64, shape (n_trajectories + 1,)
    step : ndarray of int32, shape (n_done,)
        Micro-conversions by people, in order, repetitions included.
    time : ndarray of int64, shape (n_done,)
    end : ndarray of int32, shape (n_trajectories,)
        Final state: a major conversion, an exit, or still open.
    converted : ndarray of bool, shape (n_trajectories,)
    """

    names: tuple[str, ...]
    offsets: Int64
    step: Int32
    time: Int64
    end: Int32
    converted: Bools

    def __len__(self) -> int:
        """Return the number of trajectories."""
        return len(self.end)

    @property
    def start(self) -> int:
        """State in which every trajectory begins."""
        return len(self.names) - 2


def build_trajectories(study: Study, *, min_human_probability: float) -> Trajectories:
    """Build the trajectories of all prospects at risk.

    Parameters
    ----------
    study : Study
    min_human_probability : float
        Steps less likely to be done by a person are left out.

    Returns
    -------
    Trajectories
    """
    follow_up, owner, kind = study.follow_up, study.owners(), study.journey.kinds[study.step]
    done = (kind == MICRO) & (study.human_probability >= min_human_probability)
    done &= (study.time < follow_up.ended_at[owner]) & follow_up.at_risk[owner]
    count = np.bincount(owner[done], minlength=len(study))[follow_up.at_risk]
    end = np.full(len(study), len(study.journey) + 1, np.int32)
    ends = (study.time == follow_up.ended_at[owner]) & ((kind == MAJOR) | (kind == EXIT))
    rows = np.flatnonzero(ends)[::-1]  # of several at one instant, the first is written last
    rows = rows[np.argsort(kind[rows] == MAJOR, kind="stable")]  # a conversion overwrites an exit
    end[owner[rows]] = study.step[rows]
    return Trajectories(
        names=(*study.journey.step_names, START, STILL_OPEN),
        offsets=np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        step=study.step[done].astype(np.int32),
        time=study.time[done],
        end=end[follow_up.at_risk],
        converted=follow_up.converted[follow_up.at_risk],
    )


def count_transitions(trajectories: Trajectories) -> Int64:
    """Count direct transitions between states.

    Returns
    -------
    ndarray of int64, shape (2, n_states, n_states)
        Of the prospects who did not convert, then of the converters.
    """
    t = trajectories
    counts: Int64 = _transitions(t.offsets, t.step, t.end, t.converted, len(t.names))
    return counts


def first_steps(trajectories: Trajectories, depth: int) -> npt.NDArray[np.int32]:
    """Return the first distinct steps of each trajectory.

    Parameters
    ----------
    trajectories : Trajectories
    depth : int

    Returns
    -------
    ndarray of int32, shape (n_trajectories, depth)
        Step codes; -1 where there are fewer.
    """
    found: npt.NDArray[np.int32] = _first_steps(trajectories.offsets, trajectories.step, depth)
    return found


def count_returns(trajectories: Trajectories) -> Int64:
    """Count how often each step is repeated.

    Returns
    -------
    ndarray of int64, shape (4, n_states)
        Prospects with the step, prospects with it twice or more, immediate repetitions, and
        returns after another step.
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
