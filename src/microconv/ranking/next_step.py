"""How far a prospect has come in the journey, and the step to suggest next.

A worked example. Ada read the blog (awareness, commitment 1) and a guide
(consideration, 2). Her stage is consideration and her commitment 2, so steps up to
commitment 3 of the stages consideration and decision are suitable. The case study
(consideration, 2) is the one with the lowest commitment that she has not done:
suggest that, not the cart (decision, 5).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.errors import MicroconvError, MissingInputError
from microconv.histories.arrays import NOT_YET, Int64, VisibleEvents, microseconds
from microconv.journey import MICRO, JourneyMap
from microconv.storage.schema import HUMAN_THRESHOLD

NO_EVIDENCE = "next on the journey map; no measured effect is large enough to say more"
"""`next_step_reason` of a step without measured evidence."""

_LEVELS = 100
"""More than there are levels of commitment."""


@dataclass(frozen=True)
class StepEvidence:
    """Steps after which prospects convert more often, corrected for multiple comparisons.

    Attributes
    ----------
    lower_bound : dict of str to float
        Step → lower confidence bound of its rate ratio.
    summaries : dict of str to str
        Step → the evidence in words. An association: steps were not assigned at random.
    notes : tuple of str
    """

    lower_bound: dict[str, float] = field(default_factory=dict)
    summaries: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def reason_for(self, step: str | None) -> str | None:
        """Return why a step is suggested."""
        return None if step is None else self.summaries.get(step, NO_EVIDENCE)


@dataclass(frozen=True)
class Progress:
    """How far the prospect of each row has come.

    Attributes
    ----------
    stage : ndarray of object, shape (n_rows,)
        Furthest stage of a micro-conversion done; None before the first.
    next_step : ndarray of object, shape (n_rows,)
        Name of the step to suggest; None where the journey has no suitable one.
    last_activity : ndarray of int64, shape (n_rows,)
        Time of the latest micro-conversion; :data:`NOT_YET` before the first.
    """

    stage: npt.NDArray[np.object_]
    next_step: npt.NDArray[np.object_]
    last_activity: Int64


def read_step_evidence(path: Path | None, *, as_of: datetime) -> StepEvidence:
    """Read the significant impact of single steps from `journey.json`.

    A measurement that covers a time after `as_of` is not used: a list of the past must not
    know what came after it.

    Parameters
    ----------
    path : Path or None
        Without one there is no evidence.
    as_of : datetime

    Raises
    ------
    MissingInputError
        If there is no such file.
    MicroconvError
        If it is no measurement.
    """
    if path is None:
        return StepEvidence()
    try:
        journey = json.loads(path.read_text(encoding="utf-8"))
        until = datetime.fromisoformat(journey["overview"]["observed_until"])
        steps = journey["impact"].get("tables", {}).get("steps", [])
        found = [
            row
            for row in steps
            if row["length"] == 1 and bool(row["significant"]) and row["rate_ratio_low"] > 1
        ]
    except FileNotFoundError:
        raise MissingInputError(f"There is no measurement at {path}. Run `measure`.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MicroconvError(
            f"{path} is not a measurement of the journey ({type(error).__name__}: {error}). Run "
            "the stage `measure` again, or leave the file out."
        ) from None
    if until > as_of:
        note = (
            f"The measurement covers events until {until:%Y-%m-%d %H:%M}, which is after `as_of`: "
            "next steps follow the journey map alone."
        )
        return StepEvidence(notes=(note,))
    return StepEvidence(
        {row["sequence"]: row["rate_ratio_low"] for row in found},
        {row["sequence"]: _summary(row) for row in found},
    )


def _summary(row: Mapping[str, Any]) -> str:
    return (
        f"associated with {row['rate_ratio']:.1f} times the rate of conversion "
        f"({row['rate_ratio_low']:.1f} to {row['rate_ratio_high']:.1f}) of those who have not done "
        "it yet"
    )


def journey_progress(
    visible: VisibleEvents, journey: JourneyMap, evidence: Mapping[str, float] | None = None
) -> Progress:
    """Return how far prospects have come, and the step to suggest next.

    Only micro-conversions that a person more likely did than not count: an email sent is no
    activity of the prospect.

    The next step is the one with the lowest commitment not yet done at the prospect's
    stage or the one after it (then the earlier stage, then the order of the
    journey), never more than one commitment level above the highest reached.
    A prospect without any activity is at the first stage, one level below the
    journey's lowest commitment. Of the suitable steps, those with measured evidence come
    before all others, strongest first.

    Parameters
    ----------
    visible : VisibleEvents
    journey : JourneyMap
    evidence : mapping of str to float, optional
        Step → lower confidence bound of its rate ratio.
    """
    row, event, step = _actions(visible, journey)
    last = np.full(len(visible), NOT_YET, dtype=np.int64)
    np.maximum.at(last, row, visible.time[event])
    reached = np.full(len(visible), -1, dtype=np.int64)
    np.maximum.at(reached, row, journey.stage_codes[step])
    names = np.array([*journey.stages, None], dtype=object)
    return Progress(names[reached], _next_steps(row, step, reached, journey, evidence or {}), last)


def latest_action_since(
    visible: VisibleEvents, journey: JourneyMap, since: datetime
) -> npt.NDArray[np.object_]:
    """Return each row's micro-conversion with the highest commitment since an instant.

    Parameters
    ----------
    visible : VisibleEvents
    journey : JourneyMap
    since : datetime

    Returns
    -------
    ndarray of object, shape (n_rows,)
        Name of the step, the latest of equal commitment; None where there is none.
    """
    row, event, step = _actions(visible, journey)
    recent = visible.time[event] >= microseconds(since)
    row, event, step = row[recent], event[recent], step[recent]
    order = np.lexsort((visible.time[event], journey.commitments[step], row))
    row, step = row[order], step[order]
    action = np.full(len(visible), None, dtype=object)
    action[row] = np.array(journey.step_names, dtype=object)[step]  # the last of a row stays
    return action


def flatten_events(visible: VisibleEvents) -> tuple[Int64, Int64]:
    """Return the row and the position of every visible event of all rows."""
    lengths = visible.end - visible.start
    row = np.repeat(np.arange(len(visible)), lengths)
    first = np.repeat(visible.start - (np.cumsum(lengths) - lengths), lengths)
    return row, first + np.arange(len(row))


def _actions(
    visible: VisibleEvents, journey: JourneyMap
) -> tuple[Int64, Int64, npt.NDArray[np.int16]]:
    """Return row, position and step of the micro-conversions that people made."""
    row, event = flatten_events(visible)
    step = visible.step[event]
    micro = (journey.kinds[step] == MICRO) & (visible.human_probability[event] >= HUMAN_THRESHOLD)
    return row[micro], event[micro], step[micro]


def _next_steps(
    row: Int64,
    step: npt.NDArray[np.int16],
    reached: Int64,
    journey: JourneyMap,
    evidence: Mapping[str, float],
) -> npt.NDArray[np.object_]:
    """Choose the first suitable step that was not done.

    Rows of the same stage and commitment have the same suitable steps in the same order. If a
    row did those at places 0, 1, 2 and 5, its next step is at place 3: no table of rows and
    steps is needed, which for thousands of steps would not fit into memory.
    """
    commitments, stages = journey.commitments, journey.stage_codes
    micro = journey.codes_of_kind("micro")
    chosen = np.full(len(reached), None, dtype=object)
    if len(micro) == 0:
        return chosen
    highest = np.full(len(reached), commitments[micro].min() - 1, dtype=np.int64)
    np.maximum.at(highest, row, commitments[step])
    priority = [-evidence.get(name, 0.0) for name in journey.step_names]
    order = np.array(sorted(micro, key=lambda c: (priority[c], commitments[c], stages[c], c)))
    row, step = np.divmod(np.unique(row * len(journey) + step), len(journey))
    groups, group = np.unique(np.maximum(reached, 0) * _LEVELS + highest, return_inverse=True)
    for position, (stage, level) in enumerate(zip(*np.divmod(groups, _LEVELS), strict=True)):
        fits = (stages[order] == stage) | (stages[order] == stage + 1)
        suitable = order[fits & (commitments[order] <= level + 1)]
        place = np.full(len(journey), -1, dtype=np.int64)
        place[suitable] = np.arange(len(suitable))
        rows = group == position
        first = _first_missing(row, np.where(rows[row], place[step], -1), len(rows))
        names = np.array([*(journey.step_names[code] for code in suitable), None], dtype=object)
        chosen[rows] = names[first[rows]]
    return chosen


def _first_missing(row: Int64, place: Int64, n_rows: int) -> Int64:
    """Return the smallest number from 0 on that is not among each row's distinct places.

    Sorted, places 0, 1, 2, 5 are at positions 0, 1, 2, 3: the smallest missing number is how
    many of them are at their own position.
    """
    there = place >= 0
    row, place = row[there], place[there]
    order = np.lexsort((place, row))
    row, place = row[order], place[order]
    begins = np.searchsorted(row, np.arange(n_rows))
    in_place = place == np.arange(len(row)) - begins[row]
    return np.bincount(row[in_place], minlength=n_rows)
