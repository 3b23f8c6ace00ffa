"""One model's figures on some rows, each with an interval, or with a reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.evaluation.calibration import (
    bin_answers,
    ece_if_calibrated,
    murphy,
    recalibration_line,
)
from microconv.evaluation.metrics import (
    LIST,
    RANKING,
    Answers,
    list_figures,
    ranking_figures,
)
from microconv.model.training_rows import Floats
from microconv.settings import EvaluateSettings

Figure = dict[str, Any]
"""`value`, `low` and `high`; or `value` None and a `reason`. Never nan, never a made-up 0."""

MIN_DEFINED = 0.5
"""Share of resamples in which a figure must exist for its interval to mean anything."""


@dataclass(frozen=True)
class Measured:
    """A model on some rows.

    Attributes
    ----------
    figures : dict
        What goes into the report.
    samples : dict of str to ndarray of float64, shape (n_resamples + 1,)
        The figures that were resampled; the first entry is the figure itself.
    """

    figures: dict[str, Any]
    samples: dict[str, Floats]


def measure(
    answers: Answers, counts: npt.NDArray[np.uint8], settings: EvaluateSettings
) -> Measured:
    """Compute every figure of one model on some rows.

    Parameters
    ----------
    answers : Answers
        At least one row.
    counts : ndarray of uint8, shape (n_resamples + 1, n_prospects)
        Of :func:`~microconv.evaluation.metrics.draw_resamples`.
    settings : EvaluateSettings
    """
    ranking = ranking_figures(answers, counts).T
    lists = list_figures(answers, counts, settings.list_size).T
    samples = dict(zip((*RANKING, *LIST), (*ranking, *lists), strict=True))
    figures: dict[str, Any] = {
        "rows": len(answers),
        "prospects": len(np.unique(answers.prospect)),
        "conversions": int(answers.converted.sum()),
        "base_rate": float(answers.converted.mean()),
        "mean_probability": float(answers.probability.mean()),
    }
    for name, sample in samples.items():
        figures[name] = figure(sample, settings.confidence, why=_why_undefined(name, answers))
    figures["calibration"] = calibration_figures(answers, settings)
    return Measured(figures, samples)


def figure(sample: Floats, confidence: float, *, why: str) -> Figure:
    """Put a resampled figure and its percentile interval into words and numbers.

    Parameters
    ----------
    sample : ndarray of float64, shape (n_resamples + 1,)
        The figure itself, then its resamples.
    confidence : float
    why : str
        The reason to give where the figure does not exist.

    Examples
    --------
    >>> figure(np.array([np.nan]), 0.95, why="nobody converted")
    {'value': None, 'reason': 'nobody converted'}
    >>> figure(np.array([0.5]), 0.95, why="")["reason"]
    'no interval: `evaluate.bootstrap` is 0'
    """
    value, drawn = sample[0], sample[1:]
    if np.isnan(value):
        return {"value": None, "reason": why}
    defined = drawn[~np.isnan(drawn)]
    out: Figure = {"value": float(value), "low": None, "high": None}
    if len(drawn) == 0:
        return {**out, "reason": "no interval: `evaluate.bootstrap` is 0"}
    if len(defined) < MIN_DEFINED * len(drawn):
        return {**out, "reason": "no interval: too few resamples hold both outcomes"}
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return {**out, "low": float(low), "high": float(high)}


def _why_undefined(name: str, answers: Answers) -> str:
    if not answers.converted.any():
        return f"none of the {len(answers)} rows is followed by a conversion"
    if name == "value_captured":
        return "no conversion has a value"
    return f"all of the {len(answers)} rows are followed by a conversion"


def calibration_figures(answers: Answers, settings: EvaluateSettings) -> dict[str, Any]:
    """Say how far probabilities come true: the line, the ECE and what chance alone makes of it."""
    bins = bin_answers(answers, settings.bins)
    return {
        **_line(answers, settings.confidence),
        "ece": bins.ece,
        "ece_if_calibrated": ece_if_calibrated(answers, bins, seed=settings.seed),
        "ece_if_calibrated_by_prospect": ece_if_calibrated(
            answers, bins, seed=settings.seed, one_draw_per_prospect=True
        ),
        "bins": len(bins.rows),
        "brier_parts": murphy(answers, bins),
    }


def _line(answers: Answers, confidence: float) -> dict[str, Figure]:
    yes = int(answers.converted.sum())
    if yes == 0 or yes == len(answers):
        return dict.fromkeys(("slope", "intercept", "level"), _absent("only one outcome happened"))
    if np.ptp(answers.probability) == 0:
        reason = "every row has the same probability"
        return dict.fromkeys(("slope", "intercept", "level"), _absent(reason))
    line = recalibration_line(answers, confidence=confidence)
    return {name: dict(zip(("value", "low", "high"), t, strict=True)) for name, t in line.items()}


def _absent(reason: str) -> Figure:
    return {"value": None, "reason": reason}
