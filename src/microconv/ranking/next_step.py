"""Where a prospect stands in the journey, and the small step to ask for next.

A worked example. Ada read the blog (awareness, commitment 1) and a guide
(consideration, 2). Her stage is consideration, her commitment 2, so steps up to
commitment 3 of the stages consideration and decision may be asked for. The
case study (consideration, 2) is the one of least commitment that she has not
done: ask for that, not for the cart (decision, 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from microconv.features.family import HUMAN_THRESHOLD
from microconv.histories.arrays import Int64, VisibleEvents
from microconv.journey import MICRO, JourneyMap


@dataclass(frozen=True)
class Progress:
    """Where each row's prospect stands.

    Attributes
    ----------
    stage : ndarray of object, shape (n_rows,)
        Furthest stage of a micro-conversion done; None before the first.
    next_step : ndarray of object, shape (n_rows,)
        Name of the step to ask for; None where the journey has none to offer.
    last_activity : ndarray of int64, shape (n_rows,)
        Instant of the latest micro-conversion; :data:`NO_ACTIVITY` before the first.
    """

    stage: npt.NDArray[np.object_]
    next_step: npt.NDArray[np.object_]
    last_activity: Int64


NO_ACTIVITY = np.iinfo(np.int64).min
"""`last_activity` of a prospect who has done nothing yet."""


def journey_progress(
    visible: VisibleEvents, journey: JourneyMap, evidence: Mapping[str, float] | None = None
) -> Progress:
    """Say where prospects stand, from what each row may see.

    Only micro-conversions count, and those that a person more likely did than
    not: an email sent is no activity of the prospect.

    The next step is the one of least commitment not yet done at the prospect's
    stage or the one after it (then the earlier stage, then the order of the
    journey), never more than one commitment level above the highest reached.
    Who has done nothing yet stands at the first stage, one level below the
    journey's smallest commitment. Of the steps that fit, one with measured evidence comes
    before all others, the one of the strongest first.

    Parameters
    ----------
    evidence : mapping of str to float, optional
        Step → how much more often those convert who have done it, at least.
    """
    row, event = flat(visible)
    step = visible.step[event]
    micro = (journey.kinds[step] == MICRO) & (visible.human_probability[event] >= HUMAN_THRESHOLD)
    row, event, step = row[micro], event[micro], step[micro]
    last = np.full(len(visible), NO_ACTIVITY, dtype=np.int64)
    np.maximum.at(last, row, visible.time[event])
    reached = np.full(len(visible), -1, dtype=np.int64)
    np.maximum.at(reached, row, journey.stage_codes[step])
    names = np.array([*journey.stages, None], dtype=object)
    return Progress(names[reached], _next_steps(row, step, reached, journey, evidence or {}), last)


def _next_steps(
    row: Int64,
    step: npt.NDArray[np.int16],
    reached: Int64,
    journey: JourneyMap,
    evidence: Mapping[str, float],
) -> npt.NDArray[np.object_]:
    """Choose the first step not done of those that may be asked for.

    Rows of the same stage and commitment are offered the same steps in the same order. If a
    row did the steps at places 0, 1, 2 and 5 of them, its next step is at place 3: no table of
    rows and steps is needed, which for thousands of steps would not fit into memory.
    """
    commitments, stages = journey.commitments, journey.stage_codes
    micro = journey.codes_of_kind("micro")
    chosen = np.full(len(reached), None, dtype=object)
    if len(micro) == 0:
        return chosen
    highest = np.full(len(reached), commitments[micro].min() - 1, dtype=np.int64)
    np.maximum.at(highest, row, commitments[step])
    worth = [-evidence.get(name, 0.0) for name in journey.step_names]
    order = np.array(sorted(micro, key=lambda c: (worth[c], commitments[c], stages[c], c)))
    row, step = np.divmod(np.unique(row * len(journey) + step), len(journey))
    stands, stand = np.unique(np.maximum(reached, 0) * _LEVELS + highest, return_inverse=True)
    for position, (stage, level) in enumerate(zip(*np.divmod(stands, _LEVELS), strict=True)):
        fits = (stages[order] == stage) | (stages[order] == stage + 1)
        offered = order[fits & (commitments[order] <= level + 1)]
        place = np.full(len(journey), -1, dtype=np.int64)
        place[offered] = np.arange(len(offered))
        rows = stand == position
        first = _first_missing(row, np.where(rows[row], place[step], -1), len(rows))
        names = np.array([*(journey.step_names[code] for code in offered), None], dtype=object)
        chosen[rows] = names[first[rows]]
    return chosen


_LEVELS = 100
"""More than there are levels of commitment."""


def _first_missing(row: Int64, place: Int64, n_rows: int) -> Int64:
    """Find the least number from 0 on that is not among each row's places, all distinct.

    Sorted, places 0, 1, 2, 5 stand at positions 0, 1, 2, 3: the least missing number is how many
    of them stand at their own position.
    """
    there = place >= 0
    row, place = row[there], place[there]
    order = np.lexsort((place, row))
    row, place = row[order], place[order]
    begins = np.searchsorted(row, np.arange(n_rows))
    at_home = place == np.arange(len(row)) - begins[row]
    return np.bincount(row[at_home], minlength=n_rows)


def flat(visible: VisibleEvents) -> tuple[Int64, Int64]:
    """List the visible events of all rows: the row of each and its position."""
    lengths = visible.end - visible.start
    row = np.repeat(np.arange(len(visible)), lengths)
    first = np.repeat(visible.start - (np.cumsum(lengths) - lengths), lengths)
    return row, first + np.arange(len(row))
