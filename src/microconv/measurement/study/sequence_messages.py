"""The messages of a sequence as they were sent, and their recipients compared like with like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from microconv.histories.arrays import Int64
from microconv.measurement.stats.intervals import Ratio, pooled_risk_ratio
from microconv.measurement.study.message_sends import MessageSends
from microconv.measurement.study.study import Bools, Floats, Study

DONE_BANDS = (1, 2, 3, 4, 6, 9, 13)
OPEN_BANDS = (1, 2, 4, 6, 9)
"""Lower ends of the bands after the first, which is none at all."""


@dataclass(frozen=True)
class Sent:
    """One message of the sequence, its variants and campaigns together.

    Attributes
    ----------
    step : str
        What it asks for.
    position : int or None
    sends : MessageSends
    jump : ndarray of int64, shape (n_asks,)
        Levels of commitment beyond the next one of each recipient.
    apart : ndarray of int64, shape (n_asks,)
        Stages from the recipient's to the step's; below 0 where it lies behind.
    aside : ndarray of bool, shape (n_asks,)
        MessageSends that something else explains.
    rise : int
        Levels by which it asks for more than any earlier message of its campaign.
    """

    step: str
    position: int | None
    sends: MessageSends
    jump: Int64
    apart: Int64
    aside: Bools
    rise: int


def group_sends(study: Study, sends: MessageSends, aside: Bools) -> list[Sent]:
    """Part sends by the step asked for and the position in the sequence."""
    if study.messages is None:
        return []
    places = study.messages["position"].astype("Int64").to_numpy(np.int64, na_value=-1)
    positions = places.astype(np.int64)[sends.message]
    campaigns = pd.factorize(study.messages["campaign_id"])[0].astype(np.int64)[sends.message]
    wanted = study.journey.commitments[sends.goal].astype(np.int64)
    jump = wanted - sends.commitment - 1
    apart = study.journey.stage_codes[sends.goal].astype(np.int64) - sends.stage
    rises = _rises(campaigns, positions, wanted)
    found = []
    for goal, position in sorted(
        {(int(g), int(p)) for g, p in zip(sends.goal, positions, strict=True)}
    ):
        mine = (sends.goal == goal) & (positions == position)
        name = study.journey.step_names[goal]
        place = None if position < 0 else position
        rise = int(rises[mine].max())
        found.append(
            Sent(name, place, sends.where(mine), jump[mine], apart[mine], aside[mine], rise)
        )
    return found


def is_beside(apart: Int64) -> Bools:
    """Say which sends lie behind their recipients' stage, or more than one stage ahead of it."""
    return np.asarray((apart < 0) | (apart > 1))


def _rises(campaigns: Int64, positions: Int64, wanted: Int64) -> Int64:
    """Say by how many levels each ask rises above the highest its campaign asked for before."""
    table = pd.DataFrame({"campaign": campaigns, "position": positions, "wanted": wanted})
    steps = table.drop_duplicates().groupby(["campaign", "position"])["wanted"].max().reset_index()
    highest = steps.groupby("campaign")["wanted"].cummax().groupby(steps["campaign"]).shift()
    steps["rise"] = (steps["wanted"] - highest.fillna(steps["wanted"])).astype(int)
    merged = table.merge(steps.drop(columns="wanted"), on=["campaign", "position"], how="left")
    return merged["rise"].to_numpy(np.int64)


def compare(sends: MessageSends, exposed: Bools, happened: Bools, *, confidence: float) -> Ratio:
    """Compare risks within strata of what recipients had done and opened before.

    Parameters
    ----------
    sends : MessageSends
    exposed, happened : ndarray of bool, shape (n_asks,)
    confidence : float
    """
    return compare_within([(sends, exposed, happened)], confidence=confidence)


def compare_within(
    parts: Sequence[tuple[MessageSends, Bools, Bools]], *, confidence: float
) -> Ratio:
    """Compare risks as :func:`compare` does, and within each of several parts."""
    tables = [_table(*part) for part in parts]
    cases, people = (
        tuple(np.concatenate([table[k][side] for table in tables]) for side in (0, 1))
        for k in (0, 1)
    )
    return pooled_risk_ratio((cases[0], cases[1]), (people[0], people[1]), confidence=confidence)


def _table(
    sends: MessageSends, exposed: Bools, happened: Bools
) -> tuple[tuple[Floats, Floats], ...]:
    """Count cases and people of each stratum, the exposed first."""
    stratum = np.digitize(sends.steps_before, DONE_BANDS) * (len(OPEN_BANDS) + 1)
    stratum = stratum + np.digitize(sends.opens_before, OPEN_BANDS)
    n = (len(DONE_BANDS) + 1) * (len(OPEN_BANDS) + 1)
    return tuple(
        (
            np.bincount(stratum[exposed & kept], minlength=n).astype(float),
            np.bincount(stratum[~exposed & kept], minlength=n).astype(float),
        )
        for kept in (happened, np.ones(len(sends), bool))
    )
