"""Ladder: how far up the stages and commitments the prospect's own acts have gone.

An act is an event of a micro step that was at least as likely a person's as a
robot's. Stages count from 1; 0 says that none was reached. "Successive" acts
follow each other with no other act between; of two acts at one instant, the
one earlier in the log's order comes first.

==================================  ============================================
``ladder.stage.highest``            highest stage reached, 0 without an act
``ladder.commitment.highest``       highest commitment reached, 0 without an act
``ladder.commitment.largest_jump``  largest rise of commitment from an act to the
                                    next (negative if it only fell); nan below
                                    two acts
``ladder.stage.skips``              acts more than one stage above the act before
``ladder.stage.steps_back``         acts of a lower stage than the act before
``ladder.stage.days_since``         days since the highest stage was reached first
``ladder.stage.days_in``            days from then to the latest act of that stage
``ladder.stage.days_to``            days from the first act to then
``ladder.commitment.days_since``    days since the highest commitment was reached
==================================  ============================================

All days are nan without an act.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.features.family import Columns, State
from microconv.features.kernel import HUMAN_THRESHOLD, event_arrays
from microconv.histories.arrays import DAY, VisibleEvents
from microconv.journey import MICRO, JourneyMap
from microconv.settings import FeatureSettings

FITTED = False

COLUMNS = (
    "stage.highest",
    "commitment.highest",
    "commitment.largest_jump",
    "stage.skips",
    "stage.steps_back",
    "stage.days_since",
    "stage.days_in",
    "stage.days_to",
    "commitment.days_since",
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
    return [f"ladder.{column}" for column in COLUMNS]


def fill(
    out: Columns,
    visible: VisibleEvents,
    journey: JourneyMap,
    settings: FeatureSettings,
    state: State,
) -> None:
    """Write every column for every row."""
    stages = journey.stage_codes.astype(np.int64) + 1
    commitments = journey.commitments.astype(np.int64)
    micro = journey.kinds == MICRO
    _fill(out, *event_arrays(visible), micro, stages, commitments, HUMAN_THRESHOLD, DAY)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(  # type: ignore[no-untyped-def]
    out, as_of, start, end, time, step, human_probability, micro, stages, commitments, person, day
):
    """Walk each history forwards, remembering the top so far and the act before."""
    for r in range(len(as_of)):
        n, skips, back = 0, 0, 0
        stage = commitment = top_stage = top_commitment = jump = 0
        first_act = top_since = top_until = commitment_since = as_of[r]
        for i in range(start[r], end[r]):
            s = step[i]
            if not micro[s] or human_probability[i] < person:
                continue
            t = time[i]
            if n == 0:
                first_act = t
            else:
                rise = commitments[s] - commitment
                jump = rise if n == 1 else max(jump, rise)
                skips += stages[s] > stage + 1
                back += stages[s] < stage
            stage, commitment = stages[s], commitments[s]
            if stage > top_stage:
                top_stage, top_since = stage, t
            if stage == top_stage:
                top_until = t
            if n == 0 or commitment > top_commitment:
                top_commitment, commitment_since = commitment, t
            n += 1
        out[0, r] = top_stage
        out[1, r] = top_commitment
        out[2, r] = jump if n > 1 else np.nan
        out[3, r] = skips
        out[4, r] = back
        out[5, r] = (as_of[r] - top_since) / day if n > 0 else np.nan
        out[6, r] = (top_until - top_since) / day if n > 0 else np.nan
        out[7, r] = (top_since - first_act) / day if n > 0 else np.nan
        out[8, r] = (as_of[r] - commitment_since) / day if n > 0 else np.nan
