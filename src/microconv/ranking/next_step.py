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

from microconv.features.kernel import PERSON
from microconv.histories.arrays import Int64, Visible
from microconv.journey import MICRO, JourneyMap


@dataclass(frozen=True)
class Standing:
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


def standing(
    visible: Visible, journey: JourneyMap, evidence: Mapping[str, float] | None = None
) -> Standing:
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
    micro = (journey.kinds[step] == MICRO) & (visible.human[event] >= PERSON)
    row, event, step = row[micro], event[micro], step[micro]
    done = np.zeros((len(visible), len(journey)), dtype=bool)
    done[row, step] = True
    last = np.full(len(visible), NO_ACTIVITY, dtype=np.int64)
    np.maximum.at(last, row, visible.time[event])
    reached = np.where(done, journey.stage_codes, -1).max(axis=1, initial=-1)
    names = np.array([*journey.stages, None], dtype=object)
    return Standing(names[reached], _next_steps(done, reached, journey, evidence or {}), last)


def _next_steps(
    done: npt.NDArray[np.bool_],
    reached: npt.NDArray[np.int8],
    journey: JourneyMap,
    evidence: Mapping[str, float],
) -> npt.NDArray[np.object_]:
    commitments, stages = journey.commitments, journey.stage_codes
    micro = journey.codes_of_kind("micro")
    chosen = np.full(len(done), None, dtype=object)
    if len(micro) == 0:
        return chosen
    highest = np.where(done, commitments, commitments[micro].min() - 1).max(axis=1)
    stage = np.maximum(reached, 0)
    worth = [-evidence.get(name, 0.0) for name in journey.step_names]
    order = sorted(micro, key=lambda c: (worth[c], commitments[c], stages[c], c), reverse=True)
    for code in order:  # the last that fits stays
        fits = (stages[code] == stage) | (stages[code] == stage + 1)
        chosen[~done[:, code] & fits & (commitments[code] <= highest + 1)] = journey.step_names[
            code
        ]
    return chosen


def flat(visible: Visible) -> tuple[Int64, Int64]:
    """List the visible events of all rows: the row of each and its position."""
    lengths = visible.end - visible.start
    row = np.repeat(np.arange(len(visible)), lengths)
    first = np.repeat(visible.start - (np.cumsum(lengths) - lengths), lengths)
    return row, first + np.arange(len(row))
