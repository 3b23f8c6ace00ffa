"""Mine ordered sequences of micro-conversions: gapped, of distinct steps, within a time.

Level by level, as every part of a frequent sequence is frequent: from the
frequent sequences of `n` steps one pass over the doings counts every sequence
of `n + 1`. For each open sequence a prospect has one number, the latest start
of a way through it, since any later step completes the latest start or none.
"""

from __future__ import annotations

from collections import defaultdict
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


Sequence = tuple[int, ...]


@dataclass(frozen=True)
class Candidate:
    """A mined sequence, and why it is worth a test.

    Attributes
    ----------
    steps : tuple of int
        CodedColumn, in order.
    completed : int
        Prospects of the mining half who completed it.
    contrast : float
        Standardised difference of the conversion rate from the same steps in
        another order; nan where no other order is frequent.
    excess : float
        Standardised excess of conversions over what the whole half's rate expects.
    """

    steps: Sequence
    completed: int
    contrast: float
    excess: float


def choose_candidates(mined: list[FrequentSequences], *, rate: float, most: int) -> list[Candidate]:
    """Choose sequences to test: by contrast with other orders first, then by excess.

    Parameters
    ----------
    mined : list of Mined
    rate : float
        Conversions per person-day of the mining half.
    most : int
        At most half of them are chosen by contrast, the rest by excess.
    """
    found = [each for level in mined for each in _judged(level, rate)]
    by_contrast = sorted(
        (c for c in found if np.isfinite(c.contrast)), key=lambda c: (-abs(c.contrast), c.steps)
    )
    chosen = by_contrast[: (most + 1) // 2]
    taken = {candidate.steps for candidate in chosen}
    by_excess = sorted(found, key=lambda c: (-abs(c.excess), c.steps))
    rest = [candidate for candidate in by_excess if candidate.steps not in taken]
    return chosen + rest[: most - len(chosen)]


def _judged(level: FrequentSequences, rate: float) -> list[Candidate]:
    keys = [tuple(int(code) for code in row) for row in level.steps]
    events: dict[Sequence, float] = defaultdict(float)
    days: dict[Sequence, float] = defaultdict(float)
    for key, n, time in zip(keys, level.events, level.days, strict=True):
        events[tuple(sorted(key))] += float(n)
        days[tuple(sorted(key))] += float(time)
    same = [tuple(sorted(key)) for key in keys]
    other_events = np.array([events[key] for key in same]) - level.events
    other_days = np.array([days[key] for key in same]) - level.days
    contrast = _contrast(level.events, level.days, other_events, other_days)
    expected = level.days * rate
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.nan_to_num((level.events - expected) / np.sqrt(expected))
    return [
        Candidate(key, int(n), float(c), float(e))
        for key, n, c, e in zip(keys, level.completed, contrast, excess, strict=True)
    ]


def _contrast(events: Floats, days: Floats, other_events: Floats, other_days: Floats) -> Floats:
    """Standardise the logarithm of the rate ratio, half a conversion added to each side."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = events + 0.5, other_events + 0.5
        z = np.log(a / days / (b / other_days)) / np.sqrt(1 / a + 1 / b)
    return np.where((days > 0) & (other_days > 0), z, np.nan)
