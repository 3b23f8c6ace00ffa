"""Calibration: reliability bins, Brier decomposition, ECE and the recalibration line."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numba import njit

from microconv.evaluation.metrics import Estimate, Int64, Predictions
from microconv.model.logistic import fit_logistic, sigmoid
from microconv.model.training_rows import Floats
from microconv.settings import EvaluateSettings

SIMULATIONS = 400
"""Draws behind the 95 % quantile of the ECE of a calibrated model."""

CLIP = 1e-9
"""For the recalibration line probabilities are clipped to this distance from 0 and 1."""


@dataclass(frozen=True)
class Bins:
    """Rows grouped by probability into bins of (nearly) equal size, lowest first.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_bins,)
    predicted, observed : ndarray of float64, shape (n_bins,)
        Mean probability and share of conversions.
    member : ndarray of int64, shape (n_rows,)
        Each row's bin.
    """

    rows: Int64
    predicted: Floats
    observed: Floats
    member: Int64

    @property
    def ece(self) -> float:
        """Return the expected calibration error: the mean gap of predicted and observed rate."""
        return float((self.rows * np.abs(self.predicted - self.observed)).sum() / self.rows.sum())


def bin_by_probability(predictions: Predictions, bins: int) -> Bins:
    """Group rows by probability; rows with one probability stay in one bin.

    Parameters
    ----------
    predictions : Predictions
        At least one row.
    bins : int
        Maximum number of bins.

    Returns
    -------
    Bins
    """
    p = predictions.probability
    inner = np.unique(np.quantile(p, np.arange(1, bins) / bins, method="higher"))
    code = np.searchsorted(inner, p, side="right")
    member = np.unique(code, return_inverse=True)[1].astype(np.int64)
    rows = np.bincount(member)
    predicted = np.bincount(member, weights=p) / rows
    observed = np.bincount(member, weights=predictions.converted) / rows
    return Bins(rows, predicted, observed, member)


def brier_decomposition(predictions: Predictions, bins: Bins) -> dict[str, float]:
    """Split the Brier score: reliability − resolution + uncertainty + within_bins.

    The first three are Murphy's, on the bins; the last is the remainder of the binning,
    so that the four add up to the Brier score.

    Parameters
    ----------
    predictions : Predictions
    bins : Bins
        Of these predictions.
    """
    share, rate = bins.rows / bins.rows.sum(), float(predictions.converted.mean())
    reliability = float((share * (bins.predicted - bins.observed) ** 2).sum())
    resolution = float((share * (bins.observed - rate) ** 2).sum())
    uncertainty = rate * (1 - rate)
    brier = float(((predictions.probability - predictions.converted) ** 2).mean())
    return {
        "reliability": reliability,
        "resolution": resolution,
        "uncertainty": uncertainty,
        "within_bins": brier - (reliability - resolution + uncertainty),
    }


def ece_chance_limit(
    predictions: Predictions, bins: Bins, *, seed: int, one_draw_per_prospect: bool = False
) -> float:
    """Return the 95 % quantile of the ECE that a calibrated model would have on these rows.

    Outcomes are drawn from the model's own probabilities, which are then right by
    construction; the remaining ECE is chance.

    Parameters
    ----------
    predictions : Predictions
    bins : Bins
        Of these predictions.
    seed : int
    one_draw_per_prospect : bool
        Rows of one prospect often share the same conversion. If true, a prospect's rows
        share one random number (as correlated as possible); else each row has its own
        (independent). The truth lies in between.
    """
    unit = (
        predictions.prospect
        if one_draw_per_prospect
        else np.arange(len(predictions), dtype=np.int64)
    )
    gaps = _simulate(
        predictions.probability, bins.member, len(bins.rows), unit, SIMULATIONS, np.uint64(seed)
    )
    return float(np.quantile(np.abs(gaps).sum(axis=1) / len(predictions), 0.95))


def recalibration_line(
    predictions: Predictions, *, confidence: float
) -> dict[str, tuple[float, ...]]:
    """Regress outcomes on the logit of the probability: slope 1 and intercept 0 are ideal.

    A slope below 1 means that probabilities are too extreme. Wald intervals, with a
    variance clustered by prospect (sandwich).

    Parameters
    ----------
    predictions : Predictions
    confidence : float

    Returns
    -------
    dict of str to (value, low, high)
        `slope`, `intercept`, and `calibration_in_the_large`: the intercept with the slope
        fixed at 1, above 0 where probabilities are too low on average.
    """
    p = np.clip(predictions.probability, CLIP, 1 - CLIP)
    logit = np.log(p) - np.log1p(-p)
    ones = np.ones(len(p))
    line = np.column_stack([logit, ones])
    slope, intercept = _fit_with_intervals(line, predictions, np.zeros(len(p)), confidence)
    (in_the_large,) = _fit_with_intervals(ones[:, None], predictions, logit, confidence)
    return {"slope": slope, "intercept": intercept, "calibration_in_the_large": in_the_large}


def _fit_with_intervals(
    design: Floats, predictions: Predictions, offset: Floats, confidence: float
) -> list[tuple[float, ...]]:
    beta = fit_logistic(design, predictions.converted, offset=offset)
    p = sigmoid(design @ beta + offset)
    curvature = np.linalg.inv((design * (p * (1 - p))[:, None]).T @ design)
    scores = design * (predictions.converted - p)[:, None]
    codes = np.unique(predictions.prospect, return_inverse=True)[1]
    sums = np.column_stack([np.bincount(codes, weights=score) for score in scores.T])
    groups = len(sums)
    variance = curvature @ (sums.T @ sums) @ curvature * groups / max(groups - 1, 1)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * np.sqrt(np.diag(variance))
    return [(float(b), float(b - r), float(b + r)) for b, r in zip(beta, reach, strict=True)]


def calibration_metrics(predictions: Predictions, settings: EvaluateSettings) -> dict[str, Any]:
    """Compute the recalibration line, the ECE with its chance limits and the decomposition.

    Parameters
    ----------
    predictions : Predictions
    settings : EvaluateSettings
    """
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
    """Return the recalibration line as estimates, or the reason why there is none."""
    yes, reason = int(predictions.converted.sum()), None
    if yes in (0, len(predictions)):
        reason = "there is only one outcome"
    elif np.ptp(predictions.probability) == 0:
        reason = "every row has the same probability"
    if reason is not None:
        names = ("slope", "intercept", "calibration_in_the_large")
        return {name: {"value": None, "reason": reason} for name in names}
    line = recalibration_line(predictions, confidence=confidence)
    return {name: dict(zip(("value", "low", "high"), t, strict=True)) for name, t in line.items()}


@njit(cache=True, nogil=True)
def _simulate(probability, member, n_bins, unit, draws, seed):  # type: ignore[no-untyped-def]
    """Draw outcomes; return each draw's sum of (outcome − probability) per bin.

    The random number of a unit in a draw is a hash of both (splitmix64): no
    memory, and no order of drawing that could matter.
    """
    out = np.zeros((draws, n_bins))
    step, one = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
    two, scale = np.uint64(0x94D049BB133111EB), 1.0 / 9007199254740992.0
    for b in range(draws):
        key = (seed * np.uint64(1_000_003) + np.uint64(b) + np.uint64(1)) * step
        for r in range(len(probability)):
            z = key ^ (np.uint64(unit[r] + 1) * one)
            z = (z ^ (z >> np.uint64(30))) * one
            z = (z ^ (z >> np.uint64(27))) * two
            z = z ^ (z >> np.uint64(31))
            happened = np.float64(z >> np.uint64(11)) * scale < probability[r]
            out[b, member[r]] += happened - probability[r]
    return out
