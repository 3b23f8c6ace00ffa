"""Calendar: at which hours and on which weekdays the prospect acts.

An action is an event of a micro step with `human_probability` of at least one half. Hours and
weekdays are UTC. Every column is a share or a mean over all actions, so none reveals
the week, month or year of a snapshot. All are nan without an action.

==============================  ===============================================
``calendar.weekend.share``      actions on a Saturday or Sunday
``calendar.office.share``       actions from Monday to Friday, 09 to 17 h
``calendar.hours_00_06.share``  actions from 00 to 06 h; likewise 06, 12, 18
``calendar.hour.entropy``       Shannon entropy of the hour (24 values), in bits:
                                0 if all actions fall in the same hour of day
``calendar.hour.sin/cos``       mean of sin and cos of 2π · hour / 24, of the hour
                                0 to 23: the direction is the usual hour, the
                                length how usual it is
==============================  ===============================================
"""

from __future__ import annotations

import numpy as np
from numba import njit

from microconv.features.family import Columns, Family, Spec, event_arrays
from microconv.histories.arrays import VisibleEvents
from microconv.journey import MICRO
from microconv.storage.schema import HUMAN_THRESHOLD

HOUR = 3_600_000_000
DATE = 24 * HOUR
"""Microseconds, as constants of the kernel's own file: numba then avoids the division."""

FEW = 64
"""Below this many actions, logarithms are looked up."""

COLUMNS = (
    "weekend.share",
    "office.share",
    "hours_00_06.share",
    "hours_06_12.share",
    "hours_12_18.share",
    "hours_18_24.share",
    "hour.entropy",
    "hour.sin",
    "hour.cos",
)


def _names(spec: Spec) -> list[str]:
    return [f"calendar.{column}" for column in COLUMNS]


def _fill(out: Columns, visible: VisibleEvents, spec: Spec) -> None:
    angles = 2 * np.pi * np.arange(24) / 24
    circle = np.stack([np.sin(angles), np.cos(angles)])
    _kernel(out, *event_arrays(visible), spec.journey.kinds == MICRO, circle, HUMAN_THRESHOLD)


FAMILY = Family(_names, _fill)


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(  # type: ignore[no-untyped-def]
    out, as_of, start, end, time, step, human_probability, micro, circle, person
):
    """Count each history's actions by hour; all but the weekdays follows from the counts."""
    n_columns = len(out)
    hours = np.empty(24, np.int64)
    surprise = np.zeros((FEW, FEW))  # by the number of actions, then those in an hour
    for n in range(1, FEW):
        for count in range(1, n + 1):
            surprise[n, count] = count * np.log2(count / n)
    for r in range(len(as_of)):
        hours[:] = 0
        n, weekend, office = 0, 0, 0
        for i in range(start[r], end[r]):
            if not micro[step[i]] or human_probability[i] < person:
                continue
            date = time[i] // DATE
            hour = (time[i] - date * DATE) // HOUR
            weekday = (date + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
            hours[hour] += 1
            weekend += weekday >= 5
            office += weekday < 5 and 9 <= hour < 17
            n += 1
        if n == 0:
            for c in range(n_columns):
                out[c, r] = np.nan
            continue
        out[0, r] = weekend / n
        out[1, r] = office / n
        entropy, sine, cosine, block = 0.0, 0.0, 0.0, 0
        for hour in range(24):
            count = hours[hour]
            block += count
            if n < FEW:
                entropy -= surprise[n, count]
            elif count > 0:
                entropy -= count * np.log2(count / n)
            sine += count * circle[0, hour]
            cosine += count * circle[1, hour]
            if hour % 6 == 5:
                out[2 + hour // 6, r] = block / n
                block = 0
        out[6, r] = entropy / n
        out[7, r] = sine / n
        out[8, r] = cosine / n
