"""Person-time: who completed a sequence when, and the time at risk before and after it.

A sequence is completed when its steps were done in order, the first at most `within` before the
last. For `effect` after each completion the prospect is *exposed*. There are three kinds of
person-time, all while at risk:

* exposed: within `effect` after any completion;
* not yet: before the first completion;
* by order: the `effect` after all the steps first lie within `within` of each other, of
  prospects who did them in this order, and of prospects who did them in another order and have
  not done them in this order since.

A completion counts from when it was *known*: a click that arrived late, or a visit of a visitor
identified afterwards, exposes nobody before it was seen. So that recent activity explains no
difference, person-time is divided by time since the last micro-conversion besides the stratum.
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
"""Upper ends of the bands of time since the last micro-conversion, in µs."""

N_CELLS = N_STRATA * (len(RECENT) + 1)

ROUNDING = 1e-6
"""Days; less person-time than this in a cell is a rounding error."""


@dataclass(frozen=True)
class SequenceFollowUp:
    """Conversions and person-time around the completions of one sequence.

    Attributes
    ----------
    events, days : ndarray of float64, shape (2, n_cells)
        Conversions and person-days, exposed and not yet, by stratum and recency.
    order_events, order_days : ndarray of float64, shape (2,)
        Conversions and person-days after the steps in this order, and in another order.
    together : ndarray of int64, shape (2,)
        Prospects with the steps in this order, and in another order.
    known_at : ndarray of int64, shape (n_prospects,)
        When the first completion was known; `NEVER` without one while at risk.
    """

    events: Floats
    days: Floats
    order_events: Floats
    order_days: Floats
    order_prospects: Int64
    known_at: Int64


@dataclass(frozen=True)
class PersonTime:
    """Conversions and person-time of a population, the same for every sequence.

    With these sums, following a sequence only takes time for the prospects who completed it.

    Attributes
    ----------
    human_events : HumanEvents
    follow_up : FollowUp
    among : ndarray of bool, shape (n_prospects,)
        Prospects of the population who are at risk.
    events, days : ndarray of float64, shape (n_cells,)
        Conversions and person-days by stratum and recency.
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
    """Sum the conversions and person-time of a population.

    Parameters
    ----------
    human_events : HumanEvents
        Events that became known while at risk.
    follow_up : FollowUp
    among : ndarray of bool, shape (n_prospects,)
        Prospects of the population.

    Returns
    -------
    PersonTime
    """
    among = np.asarray(among & follow_up.at_risk)
    events, days, last = _total(
        human_events.offsets,
        (human_events.changed_at, human_events.stratum, human_events.last),
        (follow_up.first_seen, follow_up.ended_at, follow_up.converted, among),
        (RECENT, N_STRATA),
    )
    return PersonTime(human_events, follow_up, among, events, days, last)


def follow_sequence(
    sequence: npt.NDArray[np.int16], person_time: PersonTime, *, spans: tuple[int, int]
) -> SequenceFollowUp:
    """Compute conversions and person-time around the completions of one sequence.

    Parameters
    ----------
    sequence : ndarray of int16, shape (n_steps,)
        Codes of distinct micro-conversions; one for a single step.
    person_time : PersonTime
    spans : tuple of int
        `within` and `effect`, µs.

    Returns
    -------
    SequenceFollowUp
    """
    human_events, follow_up = person_time.human_events, person_time.follow_up
    events, days, *rest = _follow(
        sequence,
        (human_events.offsets, human_events.time, human_events.seen_at, human_events.step),
        (human_events.changed_at, human_events.stratum, human_events.last, person_time.last_cell),
        (follow_up.first_seen, follow_up.ended_at, follow_up.converted, person_time.among),
        (spans[0], spans[1], RECENT, N_STRATA),
    )
    # The third row is all the time of completers; the rest is that of other prospects.
    events = np.vstack([events[0], person_time.events - events[2] + events[1]])
    days = np.vstack([days[0], person_time.days - days[2] + days[1]])
    return SequenceFollowUp(events, np.where(days < ROUNDING, 0.0, days), *rest)


@njit(cache=True, nogil=True)
def _total(offsets, states, follow_up, given):  # type: ignore[no-untyped-def]
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
    """Find one prospect's completions: when first known, when all steps were done, when exposed.

    Events are read in the order in which they became known, each instant from what was known by
    then. If the whole history were read at once, a visit matched to its visitor late would remove
    time already counted, but never that of prospects who converted before it was matched.
    """
    within, effect = spans
    k = len(sequence)
    done, met, met_known, ordered, m = NEVER, NEVER, NEVER, False, 0
    row, place = _rows_of(sequence, step)
    if len(row) == 0:
        return done, met, met_known, ordered, m
    begun = np.full(k, NOT_YET, np.int64)  # latest start of a run of the first steps
    latest = np.full(k, NOT_YET, np.int64)  # latest time of each step, whatever the order
    known = np.zeros(len(row), np.bool_)
    arrived = np.arange(len(row))
    for a in range(1, len(row)):  # nearly everything is known in the order in which it happened
        b = a
        while b > 0 and seen_at[row[arrived[b - 1]]] > seen_at[row[a]]:
            arrived[b] = arrived[b - 1]
            b -= 1
        arrived[b] = a
    completed_at, read, j = NOT_YET, 0, 0
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
                completed_at = max(completed_at, t)
            if met == NEVER and latest.min() > NOT_YET and t - latest.min() <= within:
                met, met_known, ordered = t, now, completes
        read = stop
        if completed_at == NOT_YET:
            continue
        done = min(done, now)
        if m > 0 and now <= exposed[m - 1, 1]:
            exposed[m - 1, 1] = completed_at + effect
        elif now < completed_at + effect:
            exposed[m, 0], exposed[m, 1] = now, completed_at + effect
            m += 1
    return done, met, met_known, ordered, m


@njit(cache=True, nogil=True)
def _rows_of(sequence, step):  # type: ignore[no-untyped-def]
    """Return one prospect's rows with steps of a sequence; none if a step is missing."""
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
    """Add one prospect's time at risk to its cells of stratum and recency; return the last one."""
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
    sequence: npt.NDArray[np.int16], human_events: HumanEvents, *, within: int
) -> Bools:
    """Return who completed a sequence at any time, whenever it became known.

    Parameters
    ----------
    sequence : ndarray of int16, shape (n_steps,)
    human_events : HumanEvents
    within : int
        Longest time from the first step to the last, µs.

    Returns
    -------
    ndarray of bool, shape (n_prospects,)
    """
    events = human_events.offsets, human_events.time, human_events.step
    return np.asarray(_ever_completed(sequence, events, within))


@njit(cache=True, nogil=True)
def _ever_completed(sequence, events, within):  # type: ignore[no-untyped-def]
    offsets, time, step = events
    ever = np.zeros(len(offsets) - 1, np.bool_)
    exposed = np.empty((np.max(np.diff(offsets)), 2), np.int64)
    for p in range(len(ever)):
        a, b = offsets[p], offsets[p + 1]
        known_at = time[a:b]  # each event counts when it happens
        found = _complete(sequence, time[a:b], known_at, step[a:b], (within, 0), exposed)
        ever[p] = found[0] < NEVER
    return ever
