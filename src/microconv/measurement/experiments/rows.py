"""The figures of one experiment as rows: arms and guardrails, each beside the control."""

from __future__ import annotations

from typing import Any

import numpy as np

from microconv.measurement.experiments.rates import compare_shares, share_interval
from microconv.measurement.experiments.segment_effects import by_segment
from microconv.measurement.experiments.split import Split
from microconv.measurement.experiments.units import Units
from microconv.settings import ExperimentSettings, ExperimentsSettings

Rows = list[dict[str, Any]]


def arm_rows(units: Units, test: ExperimentSettings, split: Split, confidence: float) -> Rows:
    """Say of each arm how large it is and how many did the metric step."""
    shares = np.array(list(test.arms.values()))
    rows = []
    for arm, (size, done) in enumerate(zip(units.sizes(), units.counts(), strict=True)):
        low, high = share_interval(int(done), int(size), confidence=confidence) if size else (0, 1)
        money = None
        if units.revenue is not None and size:
            money = float(units.revenue[units.arm == arm].mean())
        rows.append(
            {
                "arm": units.arms[arm],
                "control": arm == 0,
                "units": int(size),
                "intended_share": float(shares[arm] / shares.sum()),
                "expected_units": float(split.expected[arm]),
                "completed": int(done),
                "rate": float(done / size) if size else None,
                "rate_low": low if size else None,
                "rate_high": high if size else None,
                "revenue_per_unit": money,
                "sample_ratio_p_value": split.p_value,
            }
        )
    return rows


def guardrail_rows(units: Units, test: ExperimentSettings, settings: ExperimentsSettings) -> Rows:
    """Say of each arm what it did to the steps that must not happen more often.

    Harm is judged without correction for many comparisons: a warning too many
    costs a look, one too few costs prospects.
    """
    sizes = units.sizes()
    rows = []
    for step in test.guardrails:
        counts = units.counts(units.guardrails[step])
        for arm in range(1, len(sizes)):
            one, other = ((int(counts[a]), int(sizes[a])) for a in (arm, 0))
            found = compare_shares(one, other, confidence=settings.confidence)
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
    """Give the effect in each level of each attribute, and test whether it differs."""
    levels: Rows = []
    interactions: Rows = []
    for attribute in units.segments:
        for arm in range(1, len(units.arms)):
            found = by_segment(units, arm, attribute, confidence=settings.confidence)
            who = {"arm": units.arms[arm], "reference": units.arms[0], "attribute": attribute}
            for level in found.levels:
                effect = level.comparison
                levels.append(
                    {
                        **who,
                        "level": level.name,
                        "units": level.one[1],
                        "reference_units": level.other[1],
                        "rate": level.one[0] / level.one[1],
                        "reference_rate": level.other[0] / level.other[1],
                        "difference": effect.difference,
                        "difference_low": effect.low,
                        "difference_high": effect.high,
                        "p_value": effect.p_value,
                    }
                )
            if found.p_value is not None:
                interactions.append({**who, "levels": len(found.levels), "p_value": found.p_value})
    return corrected(levels), corrected(interactions)


def corrected(rows: Rows) -> Rows:
    """Add p-values corrected for there being several (Holm), as `p_adjusted`."""
    from statsmodels.stats.multitest import multipletests

    if not rows:
        return rows
    adjusted = multipletests([row["p_value"] for row in rows], method="holm")[1]
    return [{**row, "p_adjusted": float(p)} for row, p in zip(rows, adjusted, strict=True)]
