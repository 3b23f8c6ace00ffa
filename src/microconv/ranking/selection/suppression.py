"""Whom nobody should call, and why: those who left, and those who were just spoken to."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from microconv.features.family import HUMAN_THRESHOLD
from microconv.histories.arrays import Histories, VisibleEvents, microseconds
from microconv.histories.visible import visible_events
from microconv.journey import EXIT, JourneyMap
from microconv.ranking.next_step import flat

SUSPECT = "{} by a machine, perhaps"
"""An exit that a scanner more likely made than a person: counted apart, and obeyed all the same."""


def exits(
    histories: Histories, journey: JourneyMap, exited: npt.NDArray[np.intp], as_of: datetime
) -> dict[str, int]:
    """Count by which exit those left who left, as far as it was visible.

    Who has several is counted by the first that a person made; who has none such, by the
    first of all, as :data:`SUSPECT`.

    Parameters
    ----------
    exited : ndarray of int, shape (n_exited,)
        Positions of the prospects.

    Returns
    -------
    dict of str to int
        Name of the exit step → prospects; sums to `n_exited`.
    """
    cut = np.full(len(exited), microseconds(as_of))
    visible = visible_events(histories, exited, cut)
    row, event = flat(visible)
    leaving = journey.kinds[visible.step[event]] == EXIT
    row, event = row[leaving], event[leaving]
    suspect = visible.human_probability[event] < HUMAN_THRESHOLD
    order = np.lexsort((visible.time[event], suspect, row))
    first = order[np.unique(row[order], return_index=True)[1]]
    counts: dict[str, int] = {}
    for step in np.unique(visible.step[event[first]]):
        name, mine = journey.step_names[step], visible.step[event[first]] == step
        for label, chosen in ((name, ~suspect[first]), (SUSPECT.format(name), suspect[first])):
            if (mine & chosen).any():
                counts[label] = int((mine & chosen).sum())
    return counts


def cooling(
    visible: VisibleEvents, steps: npt.NDArray[np.integer], within: timedelta
) -> npt.NDArray[np.bool_]:
    """Say of each row whether it has one of the steps in ``[as_of - within, as_of)``.

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
    row, event = flat(visible)
    width = within // timedelta(microseconds=1)
    recent = visible.time[event] >= visible.as_of[row] - width
    found = np.zeros(len(visible), dtype=bool)
    found[row[recent & np.isin(visible.step[event], steps)]] = True
    return found
