"""Prospects not to call: those who exited, and those contacted recently."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from microconv.histories.arrays import Histories, VisibleEvents, microseconds
from microconv.histories.visible import visible_events
from microconv.journey import EXIT, JourneyMap
from microconv.ranking.next_step import flatten_events
from microconv.storage.schema import HUMAN_THRESHOLD

PROBABLY_BOT = "{} (probably an automated scan)"
"""An exit more likely made by a scanner than by a person: counted separately, and respected."""


def count_exits(
    histories: Histories, journey: JourneyMap, exited: npt.NDArray[np.intp], as_of: datetime
) -> dict[str, int]:
    """Count the prospects who exited by their exit step, as far as it was visible.

    A prospect with several exits is counted once, by the first that a person made; without
    one, by the first of all, as :data:`PROBABLY_BOT`.

    Parameters
    ----------
    histories : Histories
    journey : JourneyMap
    exited : ndarray of int, shape (n_exited,)
        Positions of the prospects.
    as_of : datetime

    Returns
    -------
    dict of str to int
        Name of the exit step → prospects; sums to `n_exited`.
    """
    cut = np.full(len(exited), microseconds(as_of))
    visible = visible_events(histories, exited, cut)
    row, event = flatten_events(visible)
    leaving = journey.kinds[visible.step[event]] == EXIT
    row, event = row[leaving], event[leaving]
    bot = visible.human_probability[event] < HUMAN_THRESHOLD
    order = np.lexsort((visible.time[event], bot, row))
    first = order[np.unique(row[order], return_index=True)[1]]
    counts: dict[str, int] = {}
    for step in np.unique(visible.step[event[first]]):
        name, mine = journey.step_names[step], visible.step[event[first]] == step
        for label, chosen in ((name, ~bot[first]), (PROBABLY_BOT.format(name), bot[first])):
            if (mine & chosen).any():
                counts[label] = int((mine & chosen).sum())
    return counts


def in_cool_off(
    visible: VisibleEvents, steps: npt.NDArray[np.integer], within: timedelta
) -> npt.NDArray[np.bool_]:
    """Return whether each row has one of the steps in ``[as_of - within, as_of)``.

    Parameters
    ----------
    visible : VisibleEvents
    steps : ndarray of int
        Codes of the steps.
    within : timedelta

    Returns
    -------
    ndarray of bool, shape (n_rows,)
    """
    row, event = flatten_events(visible)
    width = within // timedelta(microseconds=1)
    recent = visible.time[event] >= visible.as_of[row] - width
    found = np.zeros(len(visible), dtype=bool)
    found[row[recent & np.isin(visible.step[event], steps)]] = True
    return found
