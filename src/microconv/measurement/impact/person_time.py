"""Follow one sequence through all histories: who completed it, and the person-time around it.

A sequence is completed when its steps were done in their order, the first at
most `within` before the last. From then on, for `effect`, the prospect is
*exposed*. Three kinds of person-time, all of prospects at risk:

* exposed: within `effect` after any completion;
* not yet: before the first completion;
* together: the `effect` from the instant at which all the steps first lay
  `within` of each other, of those who had then done them in this order, and of
  those who had done the same in another and have not done it in this one since.

A completion counts from when it was *known*: an email click that arrived late,
or a visit by somebody identified afterwards, exposes nobody before it was seen.
So that recent activity explains nothing, person-time is divided by how long ago
the last micro-conversion was, besides the stratum that the prospect is in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.histories.arrays import DAY, NEVER, NOT_YET, Int64
from microconv.measurement.study.human_events import N_STRATA, HumanEvents
from microconv.measurement.study.study import Bools, Floats, FollowUp

RECENT = np.array([7 * DAY, 30 * DAY], np.int64)
"""Ends of the bands of time since the last micro-conversion, in µs."""

N_CELLS = N_STRATA * (len(RECENT) + 1)

ROUNDING = 1e-6
"""Days; less person-time than this in a cell is what adding and subtracting left behind."""


@dataclass(frozen=True)
class SequenceFollowUp:
    """What became of those who completed a sequence, and of the others.

    Attributes
    ----------
    events, days : ndarray of float64, shape (2, n_cells)
        Conversions and person-days, exposed and not yet, by stratum and recency.
    order_events, order_days : ndarray of float64, shape (2,)
        The same of the prospects whose steps came together: in this order, in another.
    together : ndarray of int64, shape (2,)
        How many prospects these are.
    known_at : ndarray of int64, shape (n_prospects,)
        When the first completion was known; NEVER without one while at risk.
    """

    events: Floats
    days: Floats
    order_events: Floats
    order_days: Floats
    order_prospects: Int64
    known_at: Int64


@dataclass(frozen=True)
class PersonTime:
    """Some prospects, and their conversions and person-time whatever they completed.

    What is the same for every sequence is added up once: following a sequence
    then costs the time of those who completed it, not of everybody.

    Attributes
    ----------
    among : ndarray of bool, shape (n_prospects,)
        Those of them who are at risk.
    events, days : ndarray of float64, shape (n_cells,)
    last_cell : ndarray of int64, shape (n_prospects,)
        The cell in which each prospect's time at risk ended.
    """

    human_events: HumanEvents
    follow_up: FollowUp
    among: Bools
    events: Floats
    days: Floats
    last_cell: Int64


def total_person_time(human_events: HumanEvents, follow_up: FollowUp, among: Bools) -> PersonTime:
    """Add up what is the same for every sequence."""
    among = np.asarray(among & follow_up.at_risk)
    events, days, last = _add_up(
        human_events.offsets,
        (human_events.changed_at, human_events.stratum, human_events.last),
        (follow_up.first_seen, follow_up.ended_at, follow_up.converted, among),
        (RECENT, N_STRATA),
    )
    return PersonTime(human_events, follow_up, among, events, days, last)


def follow_sequence(
    sequence: npt.NDArray[np.int16], person_time: PersonTime, *, spans: tuple[int, int]
) -> SequenceFollowUp:
    """Follow one sequence of distinct micro steps; a single step is a sequence of one.

    Parameters
    ----------
    sequence : ndarray of int16, shape (n_steps,)
    ground : Ground
        The prospects to look at.
    spans : tuple of int
        `within` and `effect`, µs.
    """
    human_events, follow_up = person_time.human_events, person_time.follow_up
    events, days, *rest = _follow(
        sequence,
        (human_events.offsets, human_events.time, human_events.seen_at, human_events.step),
        (human_events.changed_at, human_events.stratum, human_events.last, person_time.last_cell),
        (follow_up.first_seen, follow_up.ended_at, follow_up.converted, person_time.among),
        (spans[0], spans[1], RECENT, N_STRATA),
    )
    # The third row is all the time of completers: what is left is the others'.
    events = np.vstack([events[0], person_time.events - events[2] + events[1]])
    days = np.vstack([days[0], person_time.days - days[2] + days[1]])
    return SequenceFollowUp(events, np.where(days < ROUNDING, 0.0, days), *rest)


@njit(cache=True, nogil=True)
def _add_up(offsets, states, follow_up, given):  # type: ignore[no-untyped-def]
    first_seen, ended_at, converted, among = follow_up
    recent, n_strata = given
    events = np.zeros(n_strata * (len(recent) + 1), np.float64)
    days = np.zeros((2, len(events)), np.float64)
    last_cell = np.zeros(len(among), np.int64)
    nothing = np.empty((0, 2), np.int64)
    for p in range(len(among)):
        if not among[p]:
            continue
        a, b = offsets[p], offsets[p + 1]
        state = (states[0][a:b], states[1][a:b], states[2][a:b])
        span = (first_seen[p], ended_at[p])
        last_cell[p] = _spend(days, span, (nothing, NEVER), state, recent)
        if converted[p]:
            events[last_cell[p]] += 1
    return events, days[1], last_cell


@njit(cache=True, nogil=True)
def _follow(sequence, human_events, states, follow_up, given):  # type: ignore[no-untyped-def]
    offsets, time, seen_at, step = human_events
    first_seen, ended_at, converted, among = follow_up
    within, effect, recent, n_strata = given
    n, longest = len(offsets) - 1, np.max(np.diff(offsets))
    events = np.zeros((3, n_strata * (len(recent) + 1)), np.float64)
    days = np.zeros_like(events)
    order_events, order_days = np.zeros(2, np.float64), np.zeros(2, np.float64)
    order_prospects = np.zeros(2, np.int64)
    known_at = np.full(n, NEVER, np.int64)
    exposed, nothing = np.empty((longest, 2), np.int64), np.empty((0, 2), np.int64)
    for p in range(n):
        if not among[p]:
            continue
        a, b = offsets[p], offsets[p + 1]
        done, met, met_known, ordered, m = _complete(
            sequence, time[a:b], seen_at[a:b], step[a:b], (within, effect), exposed
        )
        end = ended_at[p]
        if done < NEVER:
            known_at[p] = done
            span, cell = (first_seen[p], end), states[3][p]
            state = (states[0][a:b], states[1][a:b], states[2][a:b])
            _spend(days[:2], span, (exposed[:m], done), state, recent)
            _spend(days[1:], span, (nothing, NEVER), state, recent)
            if converted[p]:
                on = False
                for e in range(m):
                    on |= exposed[e, 0] < end < exposed[e, 1]
                events[0, cell] += on
                events[1, cell] += end <= done
                events[2, cell] += 1
        if met == NEVER:
            continue
        side = 0 if ordered else 1
        begin = max(met_known, first_seen[p])
        stop = met + effect if ordered else min(met + effect, done)
        if begin < min(stop, end):
            order_prospects[side] += 1
            order_days[side] += (min(stop, end) - begin) / 86_400_000_000.0
            if converted[p] and end < stop:
                order_events[side] += 1
    return events, days, order_events, order_days, order_prospects, known_at


@njit(cache=True, nogil=True)
def _complete(sequence, time, seen_at, step, spans, exposed):  # type: ignore[no-untyped-def]
    """Find one prospect's completions: when first known, when the steps met, when exposed.

    Read in the order of becoming known, and each instant from what was known by
    then: were the whole history read at once, a visit that was matched to its
    visitor late would take back time already counted, but never that of those
    who converted before it was matched.
    """
    within, effect = spans
    k = len(sequence)
    done, met, met_known, ordered, m = NEVER, NEVER, NEVER, False, 0
    row, place = _rows_of(sequence, step)
    if len(row) == 0:
        return done, met, met_known, ordered, m
    begun = np.full(k, NOT_YET, np.int64)  # latest start of a way through the first steps
    latest = np.full(k, NOT_YET, np.int64)  # latest time of each step, whatever the order
    known = np.zeros(len(row), np.bool_)
    arrived = np.arange(len(row))
    for a in range(1, len(row)):  # nearly everything is known in the order in which it happened
        b = a
        while b > 0 and seen_at[row[arrived[b - 1]]] > seen_at[row[a]]:
            arrived[b] = arrived[b - 1]
            b -= 1
        arrived[b] = a
    way, read, j = NOT_YET, 0, 0
    while j < len(row):
        now, first, stop = seen_at[row[arrived[j]]], len(row), read
        while j < len(row) and seen_at[row[arrived[j]]] == now:
            known[arrived[j]] = True
            first, stop = min(first, arrived[j]), max(stop, arrived[j] + 1)
            j += 1
        if first < read:  # earlier than what was read: read all that is known again
            begun[:], latest[:], first = NOT_YET, NOT_YET, 0
        for r in range(first, stop):
            if not known[r]:
                continue
            t, p = time[row[r]], place[r]
            latest[p] = t
            if p == 0:
                begun[0] = t
            elif begun[p - 1] > NOT_YET:
                begun[p] = begun[p - 1]
            completes = p == k - 1 and begun[p] > NOT_YET and t - begun[p] <= within
            if completes:
                way = max(way, t)
            if met == NEVER and latest.min() > NOT_YET and t - latest.min() <= within:
                met, met_known, ordered = t, now, completes
        read = stop
        if way == NOT_YET:
            continue
        done = min(done, now)
        if m > 0 and now <= exposed[m - 1, 1]:
            exposed[m - 1, 1] = way + effect
        elif now < way + effect:
            exposed[m, 0], exposed[m, 1] = now, way + effect
            m += 1
    return done, met, met_known, ordered, m


@njit(cache=True, nogil=True)
def _rows_of(sequence, step):  # type: ignore[no-untyped-def]
    """Find the rows of one prospect that are steps of a sequence; none unless each is there."""
    place = np.full(len(step), -1, np.int64)
    there = 0
    for j in range(len(sequence)):
        count = 0
        for i in range(len(step)):
            if step[i] == sequence[j]:
                place[i] = j
                count += 1
        if count == 0:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        there += count
    row = np.empty(there, np.int64)
    m = 0
    for i in range(len(step)):
        if place[i] >= 0:
            row[m] = i
            m += 1
    return row, place[row]


@njit(cache=True, nogil=True)
def _spend(days, span, sequence, state, recent):  # type: ignore[no-untyped-def]
    """Add one prospect's time at risk to the cells it was spent in; return the last cell."""
    exposed, done = sequence
    changed_at, stratum, last = state
    now, end = span
    cell = len(recent)
    for j in range(-1, len(changed_at)):
        begin = now if j < 0 else max(now, changed_at[j])
        until = end if j + 1 == len(changed_at) else min(end, changed_at[j + 1])
        if j >= 0 and changed_at[j] >= end:
            break
        for band in range(len(recent) + 1):
            stop = until
            if band < len(recent):
                if j < 0 or last[j] == NOT_YET:
                    continue
                stop = min(until, last[j] + recent[band])
            if begin >= stop:
                continue
            cell = (0 if j < 0 else stratum[j]) * (len(recent) + 1) + band
            days[1, cell] += max(0, min(stop, done) - begin) / 86_400_000_000.0
            for e in range(len(exposed)):
                overlap = min(stop, exposed[e, 1]) - max(begin, exposed[e, 0])
                days[0, cell] += max(0, overlap) / 86_400_000_000.0
            begin = stop
    return cell


def ever_completed(
    sequence: npt.NDArray[np.int16], human_events: HumanEvents, within: int
) -> Bools:
    """Say who ever completed a sequence, whenever it was known: what a dashboard counts."""
    return np.asarray(
        _ever(sequence, human_events.offsets, human_events.time, human_events.step, within)
    )


@njit(cache=True, nogil=True)
def _ever(sequence, offsets, time, step, within):  # type: ignore[no-untyped-def]
    ever = np.zeros(len(offsets) - 1, np.bool_)
    begun = np.empty(len(sequence), np.int64)
    for p in range(len(ever)):
        begun[:] = NOT_YET
        for i in range(offsets[p], offsets[p + 1]):
            for j in range(len(sequence)):
                if sequence[j] == step[i]:
                    begun[j] = time[i] if j == 0 else begun[j - 1]
            if step[i] == sequence[-1] and begun[-1] > NOT_YET and time[i] - begun[-1] <= within:
                ever[p] = True
                break
    return ever
