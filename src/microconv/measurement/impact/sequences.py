"""Mine ordered sequences of micro-conversions: gapped, of distinct steps, within a time.

Level by level, as every part of a frequent sequence is frequent: from the
frequent sequences of `n` steps one pass over the doings counts every sequence
of `n + 1`. For each open sequence a prospect has one number, the latest start
of a way through it, since any later step completes the latest start or none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.histories.arrays import Int64
from microconv.measurement.study.human_events import HumanEvents
from microconv.measurement.study.study import Bools, Floats, FollowUp

MOST_OPEN = 3000
"""Of the frequent sequences of one length, so many are lengthened: the commonest."""


@dataclass(frozen=True)
class FrequentSequences:
    """Frequent sequences of one length, and what followed their first completion.

    Attributes
    ----------
    steps : ndarray of int16, shape (n_sequences, length)
    completed : ndarray of int64, shape (n_sequences,)
        Prospects who completed the sequence while at risk.
    events, days : ndarray of float64, shape (n_sequences,)
        Conversions and person-days within `effect` after the first completion.
    cut : int
        How many frequent sequences of this length were not lengthened.
    """

    steps: npt.NDArray[np.int16]
    completed: Int64
    events: Floats
    days: Floats
    cut: int = 0


def mine(
    human_events: HumanEvents,
    follow_up: FollowUp,
    among: Bools,
    *,
    n_steps: int,
    longest: int,
    least: int,
    spans: tuple[int, int],
) -> list[FrequentSequences]:
    """Mine the sequences of 2 to `longest` steps that at least `least` prospects completed.

    Parameters
    ----------
    among : ndarray of bool, shape (n_prospects,)
        The half on which to mine.
    n_steps : int
        Steps of the journey.
    spans : tuple of int
        `within` and `effect`, µs.

    Returns
    -------
    list of Mined
        One per length, as long as there are any.
    """
    people = (follow_up.ended_at, follow_up.converted, among & follow_up.at_risk)
    steps = np.arange(n_steps, dtype=np.int16)[:, None]
    found: list[FrequentSequences] = []
    for _ in range(2, longest + 1):
        arrays = (human_events.offsets, human_events.time, human_events.step)
        counts = _lengthen(np.ascontiguousarray(steps), arrays, people, spans, n_steps)
        chosen = np.argwhere(counts[0] >= least)
        if len(chosen) == 0:
            break
        parent, last = chosen[:, 0], chosen[:, 1]
        order = np.lexsort((last, parent, -counts[0][parent, last]))
        parent, last = parent[order], last[order]
        steps = np.hstack([steps[parent], last[:, None].astype(np.int16)])
        figures = [table[parent, last] for table in counts]
        cut = max(0, len(steps) - MOST_OPEN)
        found.append(FrequentSequences(steps, figures[0], figures[1], figures[2], cut))
        steps = steps[:MOST_OPEN]
    return found


@njit(cache=True, nogil=True)
def _lengthen(sequences, human_events, people, spans, n_steps):  # type: ignore[no-untyped-def]
    """Count every sequence that is one of these and one step more, once per prospect."""
    offsets, time, step = human_events
    ended_at, converted, among = people
    within, effect = spans
    n, length = sequences.shape
    completed = np.zeros((n, n_steps), np.int64)
    events = np.zeros((n, n_steps), np.float64)
    days = np.zeros((n, n_steps), np.float64)
    counted = np.full((n, n_steps), -1, np.int32)
    begun = np.empty((n, length), np.int64)
    fresh = np.full(n, -1, np.int32)  # the prospect whose starts a sequence holds
    opened = np.empty(n, np.int64)
    first = np.argsort(sequences[:, 0], kind="mergesort")
    bounds = np.searchsorted(sequences[:, 0][first], np.arange(n_steps + 1))
    for p in range(len(offsets) - 1):
        if not among[p]:
            continue
        m = 0
        for i in range(offsets[p], offsets[p + 1]):
            s, t = step[i], time[i]
            if s < 0:
                continue
            for o in range(m):
                q = opened[o]
                start = begun[q, length - 1]
                inside = False
                for j in range(length):
                    inside |= sequences[q, j] == s
                if not inside:
                    if t - start <= within and start > -1 and counted[q, s] != p:
                        counted[q, s] = p
                        completed[q, s] += 1
                        span = min(ended_at[p] - t, effect)
                        days[q, s] += max(0, span) / 86_400_000_000.0
                        if converted[p] and 0 < ended_at[p] - t < effect:
                            events[q, s] += 1
                    continue
                for j in range(length - 1, 0, -1):
                    if sequences[q, j] == s:
                        begun[q, j] = begun[q, j - 1]
            for o in range(bounds[s], bounds[s + 1]):
                q = first[o]
                if fresh[q] != p:
                    fresh[q] = p
                    begun[q, :] = -1
                    opened[m] = q
                    m += 1
                begun[q, 0] = t
    return completed, events, days
