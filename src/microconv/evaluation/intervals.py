"""The metrics of one model, each with a confidence interval or a reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.evaluation.calibration import calibration_metrics
from microconv.evaluation.metrics import (
    LIST_METRICS,
    RANKING_METRICS,
    Estimate,
    Predictions,
    list_metrics,
    ranking_metrics,
)
from microconv.model.training_rows import Floats
from microconv.settings import EvaluateSettings

MIN_DEFINED = 0.5
"""Share of resamples in which a metric must be defined for an interval."""


@dataclass(frozen=True)
class Metrics:
    """The metrics of one model on some rows.

    Attributes
    ----------
    values : dict
        As in the report.
    samples : dict of str to ndarray of float64, shape (n_resamples + 1,)
        The resampled metrics; the first entry is the metric itself.
    """

    values: dict[str, Any]
    samples: dict[str, Floats]


def compute_metrics(
    predictions: Predictions, counts: npt.NDArray[np.uint8], settings: EvaluateSettings
) -> Metrics:
    """Compute every metric of one model on some rows.

    Parameters
    ----------
    predictions : Predictions
        At least one row.
    counts : ndarray of uint8, shape (n_resamples + 1, n_prospects)
        From :func:`~microconv.evaluation.metrics.draw_resamples`.
    settings : EvaluateSettings

    Returns
    -------
    Metrics
    """
    ranking = ranking_metrics(predictions, counts).T
    lists = list_metrics(predictions, counts, settings.list_size).T
    samples = dict(zip((*RANKING_METRICS, *LIST_METRICS), (*ranking, *lists), strict=True))
    values: dict[str, Any] = {
        "rows": len(predictions),
        "prospects": len(np.unique(predictions.prospect)),
        "conversions": int(predictions.converted.sum()),
        "base_rate": float(predictions.converted.mean()),
        "mean_probability": float(predictions.probability.mean()),
    }
    for name, sample in samples.items():
        values[name] = estimate(sample, settings.confidence, why=_why_undefined(name, predictions))
    values["calibration"] = calibration_metrics(predictions, settings)
    return Metrics(values, samples)


def estimate(sample: Floats, confidence: float, *, why: str) -> Estimate:
    """Return a resampled metric with its percentile interval.

    Parameters
    ----------
    sample : ndarray of float64, shape (n_resamples + 1,)
        The metric itself, then its resamples.
    confidence : float
    why : str
        The reason to give where the metric is undefined.

    Returns
    -------
    dict
        `value`, `low` and `high`; or None with a `reason`.

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
        return {**out, "reason": "no interval: too few resamples contain both outcomes"}
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return {**out, "low": float(low), "high": float(high)}


def _why_undefined(name: str, predictions: Predictions) -> str:
    if not predictions.converted.any():
        return f"none of the {len(predictions)} rows is followed by a conversion"
    if name == "value_captured":
        return "no conversion has a value"
    return f"all of the {len(predictions)} rows are followed by a conversion"
