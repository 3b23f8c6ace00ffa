"""One model's figures on some rows, each with an interval, or with a reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.evaluation.calibration import (
    bin_by_probability,
    brier_decomposition,
    ece_chance_limit,
    recalibration_line,
)
from microconv.evaluation.metrics import (
    LIST_METRICS,
    RANKING_METRICS,
    Predictions,
    list_metrics,
    ranking_metrics,
)
from microconv.model.training_rows import Floats
from microconv.settings import EvaluateSettings

Estimate = dict[str, Any]
"""`value`, `low` and `high`; or `value` None and a `reason`. Never nan, never a made-up 0."""

MIN_DEFINED = 0.5
"""Share of resamples in which a estimate must exist for its interval to mean anything."""


@dataclass(frozen=True)
class Metrics:
    """A model on some rows.

    Attributes
    ----------
    figures : dict
        What goes into the report.
    samples : dict of str to ndarray of float64, shape (n_resamples + 1,)
        The figures that were resampled; the first entry is the estimate itself.
    """

    figures: dict[str, Any]
    samples: dict[str, Floats]


def measure(
    predictions: Predictions, counts: npt.NDArray[np.uint8], settings: EvaluateSettings
) -> Metrics:
    """Compute every estimate of one model on some rows.

    Parameters
    ----------
    predictions : Predictions
        At least one row.
    counts : ndarray of uint8, shape (n_resamples + 1, n_prospects)
        Of :func:`~microconv.evaluation.metrics.draw_resamples`.
    settings : EvaluateSettings
    """
    ranking = ranking_metrics(predictions, counts).T
    lists = list_metrics(predictions, counts, settings.list_size).T
    samples = dict(zip((*RANKING_METRICS, *LIST_METRICS), (*ranking, *lists), strict=True))
    figures: dict[str, Any] = {
        "rows": len(predictions),
        "prospects": len(np.unique(predictions.prospect)),
        "conversions": int(predictions.converted.sum()),
        "base_rate": float(predictions.converted.mean()),
        "mean_probability": float(predictions.probability.mean()),
    }
    for name, sample in samples.items():
        figures[name] = estimate(sample, settings.confidence, why=_why_undefined(name, predictions))
    figures["calibration"] = calibration_metrics(predictions, settings)
    return Metrics(figures, samples)


def estimate(sample: Floats, confidence: float, *, why: str) -> Estimate:
    """Put a resampled estimate and its percentile interval into words and numbers.

    Parameters
    ----------
    sample : ndarray of float64, shape (n_resamples + 1,)
        The estimate itself, then its resamples.
    confidence : float
    why : str
        The reason to give where the estimate does not exist.

    Examples
    --------
    >>> estimate(np.array([np.nan]), 0.95, why="nobody converted")
    {'value': None, 'reason': 'nobody converted'}
    >>> estimate(np.array([0.5]), 0.95, why="")["reason"]
    'no interval: `evaluate.bootstrap` is 0'
    """
    value, drawn = sample[0], sample[1:]
    if np.isnan(value):
        return {"value": None, "reason": why}
    defined = drawn[~np.isnan(drawn)]
    out: Estimate = {"value": float(value), "low": None, "high": None}
    if len(drawn) == 0:
        return {**out, "reason": "no interval: `evaluate.bootstrap` is 0"}
    if len(defined) < MIN_DEFINED * len(drawn):
        return {**out, "reason": "no interval: too few resamples hold both outcomes"}
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return {**out, "low": float(low), "high": float(high)}


def _why_undefined(name: str, predictions: Predictions) -> str:
    if not predictions.converted.any():
        return f"none of the {len(predictions)} rows is followed by a conversion"
    if name == "value_captured":
        return "no conversion has a value"
    return f"all of the {len(predictions)} rows are followed by a conversion"


def calibration_metrics(predictions: Predictions, settings: EvaluateSettings) -> dict[str, Any]:
    """Say how far probabilities come true: the line, the ECE and what chance alone makes of it."""
    bins = bin_by_probability(predictions, settings.bins)
    return {
        **_line(predictions, settings.confidence),
        "ece": bins.ece,
        "ece_chance_limit": ece_chance_limit(predictions, bins, seed=settings.seed),
        "ece_chance_limit_by_prospect": ece_chance_limit(
            predictions, bins, seed=settings.seed, one_draw_per_prospect=True
        ),
        "bins": len(bins.rows),
        "brier_decomposition": brier_decomposition(predictions, bins),
    }


def _line(predictions: Predictions, confidence: float) -> dict[str, Estimate]:
    yes = int(predictions.converted.sum())
    names = ("slope", "intercept", "calibration_in_the_large")
    if yes == 0 or yes == len(predictions):
        return dict.fromkeys(names, _absent("only one outcome happened"))
    if np.ptp(predictions.probability) == 0:
        return dict.fromkeys(names, _absent("every row has the same probability"))
    line = recalibration_line(predictions, confidence=confidence)
    return {name: dict(zip(("value", "low", "high"), t, strict=True)) for name, t in line.items()}


def _absent(reason: str) -> Estimate:
    return {"value": None, "reason": reason}
