"""Calendar: at which hours and on which days of the week the prospect acts.

An act is an event of a micro step that was at least as likely a person's as a
robot's. Hours and weekdays are UTC. Everything is a share or a mean over all
acts, so no column tells in which week, month or year a question was asked.
All are nan without an act.

==============================  ===============================================
``calendar.weekend.share``      acts on a Saturday or Sunday
``calendar.office.share``       acts from Monday to Friday, 09:00 to 17:00
``calendar.hours_00_06.share``  acts from 00:00 to 06:00; likewise 06, 12, 18
``calendar.hour.entropy``       Shannon entropy of the hour (24 values), in bits:
                                0 if all acts fall in the same hour of the day
``calendar.hour.sin/cos``       mean of sin and cos of 2π · hour / 24, of the hour
                                0 to 23: the direction is the usual hour, the
                                length says how usual
==============================  ===============================================
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.features.family import Columns, State
from microconv.features.kernel import HUMAN_THRESHOLD, event_arrays
from microconv.histories.arrays import VisibleEvents
from microconv.journey import MICRO, JourneyMap
from microconv.settings import FeatureSettings

FITTED = False

HOUR = 3_600_000_000
DATE = 24 * HOUR
"""In microseconds, and of this file: of dividing by a constant no division is left."""

FEW = 64
"""Of fewer acts than this the logarithms are looked up."""

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


def fit(
    visible: VisibleEvents,
    labels: npt.NDArray[np.bool_],
    journey: JourneyMap,
    settings: FeatureSettings,
) -> State:
    """Learn nothing."""
    return {}


def names(journey: JourneyMap, settings: FeatureSettings, state: State) -> list[str]:
    """Name the columns."""
    return [f"calendar.{column}" for column in COLUMNS]


def fill(
    out: Columns,
    visible: VisibleEvents,
    journey: JourneyMap,
    settings: FeatureSettings,
    state: State,
) -> None:
    """Write every column for every row."""
    angles = 2 * np.pi * np.arange(24) / 24
    circle = np.stack([np.sin(angles), np.cos(angles)])
    _fill(out, *event_arrays(visible), journey.kinds == MICRO, circle, HUMAN_THRESHOLD)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(  # type: ignore[no-untyped-def]
    out, as_of, start, end, time, step, human_probability, micro, circle, person
):
    """Count each history's acts by hour; all but the weekday follows from the counts."""
    n_columns = len(out)
    hours = np.empty(24, np.int64)
    surprise = np.zeros((FEW, FEW))  # of so many acts in an hour, among so many
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
