"""Rows of the tables of one experiment: arms, comparisons, guardrail metrics, segments."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from microconv.measurement.experiments.means import cuped_difference, revenue_difference
from microconv.measurement.experiments.proportions import compare_proportions
from microconv.measurement.experiments.sample_ratio import SampleRatio
from microconv.measurement.experiments.segment_effects import effects_by_segment
from microconv.measurement.experiments.sequential import Looks, confidence_sequence
from microconv.measurement.experiments.units import Ints, Units
from microconv.measurement.stats.intervals import wilson_interval
from microconv.settings import ExperimentSettings, ExperimentsSettings

Rows = list[dict[str, Any]]

LOOKS, FIRST_LOOK = 80, 10
"""Number of looks at a comparison, ever further apart, and units at the first of them."""


def arm_rows(
    units: Units, test: ExperimentSettings, ratio: SampleRatio, *, confidence: float
) -> Rows:
    """Return a row per arm: its size, completions of the metric step and revenue per unit.

    Parameters
    ----------
    units : Units
    test : ExperimentSettings
    ratio : SampleRatio
    confidence : float

    Returns
    -------
    list of dict
    """
    shares = np.array(list(test.arms.values()))
    sizes, completed = units.sizes(), units.counts()
    low, high = wilson_interval(completed, sizes, confidence=confidence)
    rows = []
    for arm, size in enumerate(sizes.tolist()):
        revenue = None
        if units.revenue is not None and size:
            revenue = float(units.revenue[units.arm == arm].mean())
        rows.append(
            {
                "arm": units.arms[arm],
                "control": arm == 0,
                "units": size,
                "intended_share": float(shares[arm] / shares.sum()),
                "expected_units": float(ratio.expected[arm]),
                "completed": int(completed[arm]),
                "rate": float(completed[arm] / size) if size else None,
                "rate_low": float(low[arm]) if size else None,
                "rate_high": float(high[arm]) if size else None,
                "revenue_per_unit": revenue,
                "sample_ratio_p_value": ratio.p_value,
            }
        )
    return rows


def comparison_rows(units: Units, settings: ExperimentsSettings) -> tuple[Rows, Rows]:
    """Compare every two arms, at the end and at looks along the way.

    Parameters
    ----------
    units : Units
    settings : ExperimentsSettings

    Returns
    -------
    list of dict, list of dict
        A row per pair of arms; and a row per look at a pair, for the chart.
        Simultaneous and always-valid intervals are corrected for the number of pairs.
    """
    rows: Rows = []
    looks: Rows = []
    sizes, counts = units.sizes(), units.counts()
    pairs = list(combinations(range(len(units.arms)), 2))
    strict = 1 - (1 - settings.confidence) / len(pairs)
    for reference, arm in pairs:
        one, other = ((int(counts[a]), int(sizes[a])) for a in (arm, reference))
        found = compare_proportions(one, other, confidence=settings.confidence)
        simultaneous = compare_proportions(one, other, confidence=strict)
        at, sequence = _looks(units, arm, reference, strict)
        names = {"arm": units.arms[arm], "reference": units.arms[reference]}
        rows.append(
            {
                **names,
                "difference": found.difference,
                "difference_low": found.low,
                "difference_high": found.high,
                "simultaneous_low": simultaneous.low,
                "simultaneous_high": simultaneous.high,
                "ratio": found.ratio,
                "ratio_low": found.ratio_low,
                "ratio_high": found.ratio_high,
                "p_value": found.p_value,
                "anytime_low": float(sequence.low[-1]),
                "anytime_high": float(sequence.high[-1]),
                "anytime_significant": bool(sequence.significant[-1]),
                **_cuped(units, arm, reference, settings.confidence),
                **_revenue(units, arm, reference, settings),
            }
        )
        looks += [
            {
                **names,
                "at": np.datetime64(int(at[k]), "us").item().isoformat() + "+00:00",
                "difference": None if np.isnan(sequence.difference[k]) else sequence.difference[k],
                "low": sequence.low[k],
                "high": sequence.high[k],
            }
            for k in range(len(at))
        ]
    return with_holm(rows), looks


def _looks(units: Units, arm: int, reference: int, confidence: float) -> tuple[Ints, Looks]:
    """Look as units come in, :data:`LOOKS` times at most, the last time at all of them."""
    order = np.argsort(units.assigned, kind="stable")
    order = order[np.isin(units.arm[order], (arm, reference))]
    first = min(FIRST_LOOK, len(order))
    last = np.unique(np.geomspace(first, len(order), LOOKS).round().astype(int)) - 1
    one, other = (
        (np.cumsum(own & units.metric[order])[last], np.cumsum(own)[last])
        for own in (units.arm[order] == side for side in (arm, reference))
    )
    return units.assigned[order][last], confidence_sequence(one, other, confidence=confidence)


def _cuped(units: Units, arm: int, reference: int, confidence: float) -> dict[str, float | None]:
    names = ("difference", "low", "high", "p_value", "variance_removed")
    found = None
    if units.before is not None:
        one, other = (
            (units.metric[units.arm == side].astype(float), units.before[units.arm == side])
            for side in (arm, reference)
        )
        found = cuped_difference(one, other, confidence=confidence)
    return {f"cuped_{name}": getattr(found, name, None) for name in names}


def _revenue(
    units: Units, arm: int, reference: int, settings: ExperimentsSettings
) -> dict[str, float | None]:
    names = ("difference", "low", "high", "winsorized", "winsorized_low", "winsorized_high")
    found = None
    if units.revenue is not None:
        one, other = (units.revenue[units.arm == side] for side in (arm, reference))
        found = revenue_difference(
            one, other, confidence=settings.confidence, resamples=settings.bootstrap,
            seed=settings.seed,
        )  # fmt: skip
    return {f"revenue_{name}": getattr(found, name, None) for name in names}


def guardrail_rows(units: Units, test: ExperimentSettings, settings: ExperimentsSettings) -> Rows:
    """Compare the guardrail metrics of each arm with those of the control.

    Harm is not corrected for multiple comparisons: a false alarm costs a look,
    a missed one costs prospects.

    Parameters
    ----------
    units : Units
    test : ExperimentSettings
    settings : ExperimentsSettings

    Returns
    -------
    list of dict
        A row per guardrail metric and arm.
    """
    sizes = units.sizes()
    rows = []
    for step in test.guardrails:
        counts = units.counts(units.guardrails[step])
        for arm in range(1, len(sizes)):
            one, other = ((int(counts[a]), int(sizes[a])) for a in (arm, 0))
            found = compare_proportions(one, other, confidence=settings.confidence)
            rows.append(
                {
                    "arm": units.arms[arm],
                    "reference": units.arms[0],
                    "step": step,
                    "rate": one[0] / one[1],
                    "reference_rate": other[0] / other[1],
                    "difference": found.difference,
                    "difference_low": found.low,
                    "difference_high": found.high,
                    "p_value": found.p_value,
                    "harmed": found.low > 0,
                }
            )
    return rows


def segment_rows(units: Units, settings: ExperimentsSettings) -> tuple[Rows, Rows]:
    """Compute the effect in each level of each attribute, and test whether it differs.

    Parameters
    ----------
    units : Units
    settings : ExperimentsSettings

    Returns
    -------
    list of dict, list of dict
        A row per level, and a row per attribute with the test of the interaction.
    """
    levels: Rows = []
    interactions: Rows = []
    for attribute in units.segments:
        for arm in range(1, len(units.arms)):
            found = effects_by_segment(units, arm, attribute, confidence=settings.confidence)
            who = {"arm": units.arms[arm], "reference": units.arms[0], "attribute": attribute}
            levels += [
                {
                    **who,
                    "level": level.name,
                    "units": level.one[1],
                    "reference_units": level.other[1],
                    "rate": level.one[0] / level.one[1],
                    "reference_rate": level.other[0] / level.other[1],
                    "difference": level.comparison.difference,
                    "difference_low": level.comparison.low,
                    "difference_high": level.comparison.high,
                    "p_value": level.comparison.p_value,
                }
                for level in found.levels
            ]
            if found.p_value is not None:
                interactions.append({**who, "levels": len(found.levels), "p_value": found.p_value})
    return with_holm(levels), with_holm(interactions)


def with_holm(rows: Rows) -> Rows:
    """Return the rows with their p-values corrected for multiple tests (Holm), `p_adjusted`."""
    from statsmodels.stats.multitest import multipletests

    if not rows:
        return rows
    adjusted = multipletests([row["p_value"] for row in rows], method="holm")[1]
    return [{**row, "p_adjusted": float(p)} for row, p in zip(rows, adjusted, strict=True)]
