"""Self-directed visits: a Poisson stream per prospect, faster in engaged weeks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from microconv.demo import catalogue as c
from microconv.demo.people import DAY, HOUR, WEEK, Floats, Ints, People

HOURLY = np.array(
    [1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 19, 17, 13, 16, 18, 17, 15, 11, 8, 8, 8, 7, 4, 2]
)
"""How much of a day's browsing falls into each hour of the visitor's own clock."""


@dataclass(frozen=True)
class Visits:
    """One entry per self-directed visit.

    Attributes
    ----------
    prospect, time : ndarray of int64
        `time` is when the visit ends, so when its step is done.
    step : ndarray of int64
    reached : ndarray of int64
        How many of the step's `reach` points it gets to; the step is completed
        where that is all of them.
    """

    prospect: Ints
    time: Ints
    step: Ints
    reached: Ints


def visit_rates() -> tuple[Floats, Ints, Ints]:
    """List the streams of visits: exp(a) a day, the step, the points reached.

    A step that takes several pages is left on the way as often as its `reach`
    says: for every visit that finishes, so many start and stop at each point.
    """
    rows: list[tuple[float, int, int]] = []
    for code, step in enumerate(c.STEPS):
        finished = step.reach[-1]
        drop = [a - b for a, b in zip(step.reach, (*step.reach[1:], 0.0), strict=True)]
        rows += [
            (step.rate * share / finished, code, points)
            for points, share in enumerate(drop, start=1)
            if step.rate * share > 0
        ]
    rates, codes, ends = zip(*rows, strict=True)
    return np.array(rates), np.array(codes, dtype=np.int64), np.array(ends, dtype=np.int64)


def draw_visits(people: People, period: int, rng: Generator) -> Visits:
    """Draw every self-directed visit between a prospect's arrival and the end of the period.

    Parameters
    ----------
    people : People
    period : int
    rng : Generator
    """
    rate, code, points = visit_rates()
    week = np.arange(people.week.shape[1])
    begin = people.arrival[:, None] + week * WEEK
    days = np.clip(period - begin, 0, WEEK) / DAY
    eager = c.VISIT_ENGAGEMENT * people.engagement[:, None] + c.VISIT_WEEK * people.week
    count = rng.poisson(rate.sum() * np.exp(eager) * days).ravel()
    begin, length = np.repeat(begin.ravel(), count), np.repeat(days.ravel() * DAY, count)
    prospect = np.repeat(np.repeat(np.arange(len(people)), people.week.shape[1]), count)
    kind = np.searchsorted(np.cumsum(rate)[:-1] / rate.sum(), rng.random(len(begin)), side="right")
    time = begin + (rng.random(len(begin)) * length).astype(np.int64)
    offset = np.array(c.COUNTRY_OFFSETS)[people.country[prospect]] * (HOUR // 60)
    awake = _at_waking_hours(time, offset, rng)
    kept = (awake >= begin) & (awake < begin + length)
    return Visits(prospect, np.where(kept, awake, time), code[kind], points[kind])


def _at_waking_hours(time: Ints, offset: Ints, rng: Generator) -> Ints:
    """Move each instant within its local day to an hour at which people browse."""
    local_day = (time + offset) // DAY * DAY
    cumulative = np.append(0.0, np.cumsum(HOURLY / HOURLY.sum()))
    hour = np.interp(rng.random(len(time)), cumulative, np.arange(25))
    return local_day + (hour * HOUR).astype(np.int64) - offset
