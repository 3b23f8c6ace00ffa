"""Mining of frequent sequences of distinct micro-conversions, and choice of those to test.

Sequences may have other steps in between and must be completed within a limited time. Mining is
by length (Apriori): every part of a frequent sequence is frequent, so one pass over the events
counts all extensions of the frequent sequences of length n by one step. Per sequence and
prospect the kernel keeps one number, the latest start, as any later step completes the latest
start or none.
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

MAX_EXTENDED = 3000
"""Only this many frequent sequences of one length are extended, the most common ones."""


@dataclass(frozen=True)
class FrequentSequences:
    """Frequent sequences of one length, with conversions after their first completion.

    Attributes
    ----------
    steps : ndarray of int16, shape (n_sequences, length)
    completed : ndarray of int64, shape (n_sequences,)
        Prospects who completed the sequence while at risk.
    events, days : ndarray of float64, shape (n_sequences,)
        Conversions and person-days within `effect` after the first completion.
    cut : int
        How many frequent sequences of this length were not extended.
    """

    steps: npt.NDArray[np.int16]
    completed: Int64
    events: Floats
    days: Floats
    cut: int = 0


def mine_sequences(
    human_events: HumanEvents,
    follow_up: FollowUp,
    among: Bools,
    *,
    n_steps: int,
    max_length: int,
    min_completers: int,
    spans: tuple[int, int],
) -> list[FrequentSequences]:
    """Mine the sequences of 2 to `max_length` steps completed by enough prospects.

    Parameters
    ----------
    human_events : HumanEvents
    follow_up : FollowUp
    among : ndarray of bool, shape (n_prospects,)
        Prospects to mine.
    n_steps : int
        Number of steps of the journey.
    max_length : int
    min_completers : int
        Minimum number of prospects who completed a sequence while at risk.
    spans : tuple of int
        `within` and `effect`, µs.

    Returns
    -------
    list of Mined
        One per length, in ascending order; none after the last frequent length.
    """
    people = (follow_up.ended_at, follow_up.converted, among & follow_up.at_risk)
    steps = np.arange(n_steps, dtype=np.int16)[:, None]
    found: list[FrequentSequences] = []
    for _ in range(2, max_length + 1):
        arrays = (human_events.offsets, human_events.time, human_events.step)
        counts = _count_extensions(np.ascontiguousarray(steps), arrays, people, spans, n_steps)
        chosen = np.argwhere(counts[0] >= min_completers)
        if len(chosen) == 0:
            break
        parent, last = chosen[:, 0], chosen[:, 1]
        order = np.lexsort((last, parent, -counts[0][parent, last]))
        parent, last = parent[order], last[order]
        steps = np.hstack([steps[parent], last[:, None].astype(np.int16)])
        figures = [table[parent, last] for table in counts]
        cut = max(0, len(steps) - MAX_EXTENDED)
        found.append(FrequentSequences(steps, figures[0], figures[1], figures[2], cut))
        steps = steps[:MAX_EXTENDED]
    return found


@njit(cache=True, nogil=True)
def _count_extensions(sequences, human_events, people, spans, n_steps):  # type: ignore[no-untyped-def]
    """Count each extension of the sequences by one step, once per prospect."""
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


@dataclass(frozen=True)
class Candidate:
    """A mined sequence, with the statistics by which it was chosen for a test.

    Attributes
    ----------
    steps : tuple of int
        Step codes, in order.
    completed : int
        Prospects of the mining half who completed it.
    contrast : float
        Standardised log ratio of the conversion rate to that of the same steps in another
        order; nan where no other order is frequent.
    excess : float
        Standardised excess of conversions over those expected at the overall rate.
    """

    steps: tuple[int, ...]
    completed: int
    contrast: float
    excess: float


def choose_candidates(mined: list[FrequentSequences], *, rate: float, most: int) -> list[Candidate]:
    """Choose the sequences to test: by contrast with other orders first, then by excess.

    Parameters
    ----------
    mined : list of Mined
    rate : float
        Conversions per person-day of the mining half.
    most : int
        Maximum number of candidates; at most half of them are chosen by contrast.

    Returns
    -------
    list of Candidate
    """
    found = [each for level in mined for each in _score(level, rate)]
    by_contrast = sorted(
        (c for c in found if np.isfinite(c.contrast)), key=lambda c: (-abs(c.contrast), c.steps)
    )
    chosen = by_contrast[: (most + 1) // 2]
    taken = {candidate.steps for candidate in chosen}
    by_excess = sorted(found, key=lambda c: (-abs(c.excess), c.steps))
    rest = [candidate for candidate in by_excess if candidate.steps not in taken]
    return chosen + rest[: most - len(chosen)]


def _score(level: FrequentSequences, rate: float) -> list[Candidate]:
    keys = [tuple(int(code) for code in row) for row in level.steps]
    events: dict[tuple[int, ...], float] = defaultdict(float)
    days: dict[tuple[int, ...], float] = defaultdict(float)
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
    """Standardise the log rate ratio, with half a conversion added to each side."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = events + 0.5, other_events + 0.5
        z = np.log(a / days / (b / other_days)) / np.sqrt(1 / a + 1 / b)
    return np.where((days > 0) & (other_days > 0), z, np.nan)
