"""Ladder: the stages and commitments that the prospect's own actions have reached.

An action is an event of a micro step with `human_probability` of at least one half. Stages count
from 1; 0 means that none was reached. Of two actions at one instant, the one earlier
in the log's order comes first.

==================================  ============================================
``ladder.stage.highest``            highest stage reached, 0 without an action
``ladder.commitment.highest``       highest commitment reached, 0 without one
``ladder.commitment.largest_jump``  largest rise of commitment from one action
                                    to the next (negative if it only fell); nan
                                    below two actions
``ladder.stage.skips``              actions more than one stage above the previous
``ladder.stage.steps_back``         actions of a lower stage than the previous
``ladder.stage.days_since``         days since the highest stage was first reached
``ladder.stage.days_in``            days from then to the latest action of that stage
``ladder.stage.days_to``            days from the first action to then
``ladder.commitment.days_since``    days since the highest commitment was reached
==================================  ============================================

All days are nan without an action.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from microconv.features.family import Columns, Family, Spec, event_arrays
from microconv.histories.arrays import DAY, VisibleEvents
from microconv.journey import MICRO
from microconv.storage.schema import HUMAN_THRESHOLD

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


def _names(spec: Spec) -> list[str]:
    return [f"ladder.{column}" for column in COLUMNS]


def _fill(out: Columns, visible: VisibleEvents, spec: Spec) -> None:
    stages = spec.journey.stage_codes.astype(np.int64) + 1
    commitments = spec.journey.commitments.astype(np.int64)
    micro = spec.journey.kinds == MICRO
    _kernel(out, *event_arrays(visible), micro, stages, commitments, HUMAN_THRESHOLD, DAY)


FAMILY = Family(_names, _fill)


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(  # type: ignore[no-untyped-def]
    out, as_of, start, end, time, step, human_probability, micro, stages, commitments, person, day
):
    """Walk each history forwards, remembering the top so far and the previous action."""
    for r in range(len(as_of)):
        n, skips, back = 0, 0, 0
        stage = commitment = top_stage = top_commitment = jump = 0
        first_action = top_since = top_until = commitment_since = as_of[r]
        for i in range(start[r], end[r]):
            s = step[i]
            if not micro[s] or human_probability[i] < person:
                continue
            t = time[i]
            if n == 0:
                first_action = t
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
        out[7, r] = (top_since - first_action) / day if n > 0 else np.nan
        out[8, r] = (as_of[r] - commitment_since) / day if n > 0 else np.nan
