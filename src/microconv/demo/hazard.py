"""The hazard of the major conversion, piecewise constant, and when each prospect converts.

Between two changes of state the hazard of prospect i is, per day,

    h₀ · exp(b_f f + b_u u + b_l · level) · F,

F being the world's effect within 30 days after completing the sequence in its
order, and 1 elsewhere. With H the integral of the hazard and E a standard
exponential number drawn once per prospect, the conversion happens where H = E:
the same E with F switched off gives the same prospect's other history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microconv.demo import catalogue as c
from microconv.demo.goals import COMMITMENT
from microconv.demo.mail import NEVER
from microconv.demo.people import DAY, Bools, Floats, Ints, People

WITHIN = c.SEQUENCE_WITHIN_DAYS * DAY
EFFECT = c.EFFECT_DAYS * DAY
FIXED_POINT = 2.0**52


@dataclass(frozen=True)
class Spans:
    """Stretches of constant state, sorted by prospect and time, covering each time at risk.

    Attributes
    ----------
    prospect, start, end : ndarray of int64
    level : ndarray of int64
    in_order : ndarray of bool
        Within 30 days after completing the sequence in its order, any time.
    not_yet : ndarray of bool
        The sequence has not been completed in its order so far.
    this_order, another_order : ndarray of bool
        Within 30 days after the three steps first came together, by those who
        did them in the sequence's order, and by those who did them in another
        and have not yet completed it in its order since.
    """

    prospect: Ints
    start: Ints
    end: Ints
    level: Ints
    in_order: Bools
    not_yet: Bools
    this_order: Bools
    another_order: Bools

    @property
    def days(self) -> Floats:
        """Length of each span."""
        return np.asarray((self.end - self.start) / DAY)


def find_completions(prospect: Ints, time: Ints, step: Ints) -> tuple[Bools, Bools]:
    """Find where the three steps of the sequence come together within its time.

    Parameters
    ----------
    prospect, time, step : ndarray of int64, shape (n_done,)
        Steps done, sorted by prospect and time.

    Returns
    -------
    in_order : ndarray of bool, shape (n_done,)
        A third step with a second before it and a first before that, the first
        at most `SEQUENCE_WITHIN_DAYS` earlier.
    together : ndarray of bool, shape (n_done,)
        One of the three steps, by which all three lie within that time.
    """
    first, second, third = (c.CODE[name] for name in c.SEQUENCE)
    latest = {code: _latest_row(prospect, step == code) for code in (first, second, third)}
    # Of all firsts that a second follows, the latest is the one before the latest second.
    begun = np.where(latest[second] >= 0, latest[first][latest[second]], -1)

    def recent(row: Ints) -> Bools:
        return np.asarray((row >= 0) & (time - time[row] <= WITHIN))

    in_order = (step == third) & recent(begun)
    all_three = np.logical_and.reduce([recent(row) for row in latest.values()])
    return in_order, all_three & np.isin(step, (first, second, third))


def list_spans(people: People, prospect: Ints, time: Ints, step: Ints, until: Ints) -> Spans:
    """Cut each prospect's time at risk, `[arrival, until)`, where its state changes.

    Parameters
    ----------
    prospect, time, step : ndarray of int64, shape (n_done,)
        Steps done, sorted by prospect and time.
    until : ndarray of int64, shape (n_prospects,)
        End of the period, or disqualification.
    """
    in_order, together = find_completions(prospect, time, step)
    either = in_order | together
    n, n_done, n_ends = len(people), len(time), int(either.sum())
    owner = np.concatenate([np.arange(n), prospect, prospect[either]])
    at = np.concatenate([people.arrival, time, time[either] + EFFECT])
    level = np.concatenate([np.zeros(n, int), COMMITMENT[step], np.zeros(n_ends, int)])
    completes = np.zeros(len(at), bool)
    completes[n : n + n_done] = in_order
    order = np.lexsort((at, owner))
    owner, start = owner[order], at[order]
    last = _latest_row(owner, completes[order])
    not_yet = last < 0
    end = np.where(np.append(owner[1:] == owner[:-1], False), np.append(start[1:], 0), NEVER)
    end = np.minimum(end, until[owner])
    since, ordered = _first_together(n, prospect, time, in_order, together)
    recent = (start >= since[owner]) & (start < since[owner] + EFFECT)
    spans = Spans(
        prospect=owner,
        start=start,
        end=end,
        level=_highest(owner, level[order]),
        in_order=~not_yet & (start - start[last] < EFFECT),
        not_yet=not_yet,
        this_order=recent & ordered[owner],
        another_order=recent & ~ordered[owner] & not_yet,
    )
    keep = start < end
    return Spans(*(getattr(spans, name)[keep] for name in Spans.__dataclass_fields__))


def _first_together(
    n: int, prospect: Ints, time: Ints, in_order: Bools, together: Bools
) -> tuple[Ints, Bools]:
    """Find when each prospect's three steps first came together, and whether in order."""
    rows = np.flatnonzero(together)[::-1]  # the earliest is written last, and stays
    since, ordered = np.full(n, NEVER), np.zeros(n, bool)
    since[prospect[rows]], ordered[prospect[rows]] = time[rows], in_order[rows]
    return since, ordered


def _latest_row(owner: Ints, flag: Bools) -> Ints:
    """Find the latest flagged row so far of each row's owner; -1 where there is none."""
    rows = np.arange(len(owner))
    new = np.append(True, owner[1:] != owner[:-1])[: len(owner)]
    latest = np.maximum.accumulate(np.where(flag, rows, -1))
    return np.where(latest >= np.maximum.accumulate(np.where(new, rows, 0)), latest, -1)


def _highest(owner: Ints, level: Ints) -> Ints:
    """Carry the highest level so far forward within each owner."""
    width = int(level.max(initial=0)) + 1
    return np.asarray(np.maximum.accumulate(owner * width + level) - owner * width)


def hazard_of(people: People, spans: Spans, world: c.World, *, effect: float) -> Floats:
    """Return the hazard of each span, per day.

    Parameters
    ----------
    people : People
    spans : Spans
    world : World
    effect : float
    """
    trait = world.fit * people.fit + world.engagement * people.engagement
    steady = c.BASE_HAZARD * np.exp(trait[spans.prospect] + world.level * spans.level)
    return np.where(spans.in_order, effect, 1.0) * steady


def cumulated(spans: Spans, hazard: Floats) -> Floats:
    """Integrate the hazard up to the start of each span, from the prospect's arrival.

    Summed in fixed point, one running sum for all and the part before each
    prospect taken off again: exact, so nobody's hazard touches another's digits.

    Parameters
    ----------
    spans : Spans
    hazard : ndarray of float64
    """
    piece = np.rint(hazard * spans.days * FIXED_POINT).astype(np.int64)
    total = np.cumsum(piece) - piece  # may wrap around; the differences below do not mind
    first = np.append(True, spans.prospect[1:] != spans.prospect[:-1])
    return np.asarray((total - total[first][np.cumsum(first) - 1]) / FIXED_POINT)


def convert(spans: Spans, hazard: Floats, threshold: Floats) -> Ints:
    """Find when each prospect converts: where the integrated hazard meets its threshold.

    Parameters
    ----------
    spans : Spans
    hazard, threshold : ndarray of float64

    Returns
    -------
    ndarray of int64, shape (n_prospects,)
        The instant, or :data:`~microconv.demo.mail.NEVER`.
    """
    left = threshold[spans.prospect] - cumulated(spans, hazard)
    hit = (left >= 0) & (left < hazard * spans.days)
    instant = np.full(len(threshold), NEVER)
    within = np.floor(left[hit] / hazard[hit] * DAY).astype(np.int64)
    instant[spans.prospect[hit]] = np.minimum(spans.start[hit] + within, spans.end[hit] - 1)
    return instant
