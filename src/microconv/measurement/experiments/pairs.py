"""Every two arms against each other: all that one comparison can say, in one row."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from microconv.measurement.experiments.cuped import adjust
from microconv.measurement.experiments.rates import compare_shares
from microconv.measurement.experiments.revenue import compare_revenue
from microconv.measurement.experiments.rows import Rows, corrected
from microconv.measurement.experiments.sequential import Looks, always_valid
from microconv.measurement.experiments.units import Ints, Units
from microconv.settings import ExperimentsSettings

LOOKS, FIRST_LOOK = 80, 10
"""Looks at a comparison, ever further apart, the first after so many units."""


def pair_rows(units: Units, settings: ExperimentsSettings) -> tuple[Rows, Rows]:
    """Compare every two arms, and follow each comparison over time.

    Returns
    -------
    list of dict, list of dict
        A row per pair; and a row per look at a pair, for the picture. Simultaneous
        and always-valid intervals share out the error over the pairs.
    """
    rows: Rows = []
    looks: Rows = []
    sizes, counts = units.sizes(), units.counts()
    pairs = list(combinations(range(len(units.arms)), 2))
    strict = 1 - (1 - settings.confidence) / len(pairs)
    for control, arm in pairs:
        one, other = ((int(counts[a]), int(sizes[a])) for a in (arm, control))
        found = compare_shares(one, other, confidence=settings.confidence)
        both = compare_shares(one, other, confidence=strict)
        at, series = _look(units, arm, control, strict)
        rows.append(
            {
                "arm": units.arms[arm],
                "reference": units.arms[control],
                "difference": found.difference,
                "difference_low": found.low,
                "difference_high": found.high,
                "simultaneous_low": both.low,
                "simultaneous_high": both.high,
                "ratio": found.ratio,
                "ratio_low": found.ratio_low,
                "ratio_high": found.ratio_high,
                "p_value": found.p_value,
                "anytime_low": float(series.low[-1]),
                "anytime_high": float(series.high[-1]),
                "anytime_significant": bool(series.decided[-1]),
                **_adjusted(units, arm, control, settings.confidence),
                **_money(units, arm, control, settings),
            }
        )
        looks += [
            {
                "arm": units.arms[arm],
                "reference": units.arms[control],
                "at": np.datetime64(int(at[k]), "us").item().isoformat() + "+00:00",
                "difference": None if np.isnan(series.difference[k]) else series.difference[k],
                "low": series.low[k],
                "high": series.high[k],
            }
            for k in range(len(at))
        ]
    return corrected(rows), looks


def _look(units: Units, arm: int, control: int, confidence: float) -> tuple[Ints, Looks]:
    """Look as units come in, :data:`LOOKS` times at most, the last time at all of them."""
    order = np.argsort(units.assigned, kind="stable")
    order = order[np.isin(units.arm[order], (arm, control))]
    first = min(FIRST_LOOK, len(order))
    last = np.unique(np.geomspace(first, len(order), LOOKS).round().astype(int)) - 1
    sides = []
    for side in (arm, control):
        theirs = units.arm[order] == side
        sides.append((np.cumsum(theirs & units.metric[order])[last], np.cumsum(theirs)[last]))
    return units.assigned[order][last], always_valid(sides[0], sides[1], confidence=confidence)


def _adjusted(units: Units, arm: int, control: int, confidence: float) -> dict[str, float | None]:
    names = ("difference", "low", "high", "p_value", "variance_removed")
    found = None
    if units.before is not None:
        sides = [
            (units.metric[units.arm == side].astype(float), units.before[units.arm == side])
            for side in (arm, control)
        ]
        found = adjust(sides[0], sides[1], confidence=confidence)
    return {f"cuped_{name}": getattr(found, name, None) for name in names}


def _money(
    units: Units, arm: int, control: int, settings: ExperimentsSettings
) -> dict[str, float | None]:
    names = ("difference", "low", "high", "winsorized", "winsorized_low", "winsorized_high")
    found = None
    if units.revenue is not None:
        sides = [units.revenue[units.arm == side] for side in (arm, control)]
        found = compare_revenue(
            sides[0], sides[1], confidence=settings.confidence, resamples=settings.bootstrap,
            seed=settings.seed,
        )  # fmt: skip
    return {f"revenue_{name}": getattr(found, name, None) for name in names}
