"""Calibration: none, sigmoid or beta, chosen on validation rows; the first unless clearly beaten.

Only the shape of the curve is chosen there. The final models are refitted on the validation
rows too, and so pick up part of a drifting base rate by themselves. What they leave of it is
corrected by :func:`choose_shift` after the refit.

::

    none      logit' = logit
    sigmoid   logit' = a · logit + c                      a > 0          (Platt)
    beta      logit' = a · log p − b · log(1 − p) + c     a, b >= 0      (Kull et al. 2017)

All three increase with the probability, so they change no ranking.
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from microconv.model.artefact import STRICT
from microconv.model.logistic import (
    calibration_in_the_large,
    fit_logistic,
    log_sigmoid,
    paired_gain,
    row_losses,
    sigmoid,
)
from microconv.model.training_rows import Floats, Mask

Kind = Literal["none", "sigmoid", "beta"]

FOLDS = 5
"""Cross-validation folds, by prospect."""


@dataclass(frozen=True, config=STRICT)
class Calibration:
    """An increasing map from logit to logit; by default the identity.

    Attributes
    ----------
    kind : {"none", "sigmoid", "beta"}
    a, b, c : float
        As in the formulas above; `b` equals `a` for the two that are affine.
    """

    kind: Kind = "none"
    a: float = 1.0
    b: float = 1.0
    c: float = 0.0

    def __call__(self, logit: Floats) -> Floats:
        """Return the calibrated logits; no row depends on another."""
        if self.kind == "none":
            return logit
        if self.kind == "sigmoid":
            return self.a * logit + self.c
        return self.a * log_sigmoid(logit) - self.b * log_sigmoid(-logit) + self.c


UNCALIBRATED = Calibration()
"""The identity."""


@plain_dataclass(frozen=True)
class Holdout:
    """Validation rows: what happened, to whom, and how much each weighs.

    Attributes
    ----------
    labels : ndarray of bool, shape (n_rows,)
    prospects : ndarray of int64, shape (n_rows,)
        Codes 0, 1, 2, …; rows of one prospect are never split.
    weights : float or ndarray of float64, shape (n_rows,)
        1 where no row was left out.
    """

    labels: Mask = field(repr=False)
    prospects: npt.NDArray[np.int64] = field(repr=False)
    weights: Floats | float = field(default=1.0, repr=False)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    def select(self, rows: Mask) -> Holdout:
        """Return some of the rows; the prospects keep their codes."""
        weights = np.broadcast_to(self.weights, len(self))[rows]
        return Holdout(self.labels[rows], self.prospects[rows], weights)


def fit_calibration(
    kind: Kind, logit: Floats, labels: Mask, weights: Floats | float = 1.0
) -> Calibration:
    """Fit one map by maximum likelihood, with slopes that are not negative.

    Parameters
    ----------
    kind : {"none", "sigmoid", "beta"}
    logit : ndarray of float64, shape (n_rows,)
    labels : ndarray of bool, shape (n_rows,)
    weights : float or ndarray of float64, shape (n_rows,)
    """
    if kind == "none":
        return UNCALIBRATED
    if kind == "sigmoid":
        a, c = _fit_increasing(logit[:, None], labels, weights)
        return Calibration("sigmoid", a, a, c)
    columns = np.column_stack([log_sigmoid(logit), -log_sigmoid(-logit)])
    a, b, c = _fit_increasing(columns, labels, weights)
    return Calibration("beta", a, b, c)


def _fit_increasing(columns: Floats, labels: Mask, weights: Floats | float) -> list[float]:
    """Regress on the columns; one with a negative slope is left out and the rest refitted."""
    kept = list(range(columns.shape[1]))
    while True:
        design = np.column_stack([columns[:, kept], np.ones(len(columns))])
        fitted = fit_logistic(design, labels, weights=weights)
        slopes = fitted[:-1]
        if len(kept) == 0 or (slopes >= 0).all():
            break
        del kept[int(np.argmin(slopes))]
    out = [0.0] * columns.shape[1]
    for position, slope in zip(kept, slopes, strict=True):
        out[position] = float(slope)
    return [*out, float(fitted[-1])]


def choose_shift(logit: Floats, holdout: Holdout) -> float:
    """Return the calibration-in-the-large of the latest training dates, 0 if it is noise.

    A model that sees no dates predicts the mean of its whole training period. Where the base
    rate drifts, the latest dates are a better guide to what comes next. A shift of less than
    two standard errors, by prospect, is noise.

    Parameters
    ----------
    logit : ndarray of float64, shape (n_rows,)
        Of the refitted model, on the latest training dates.
    holdout : Holdout
    """
    shift = calibration_in_the_large(logit, holdout.labels, holdout.weights)
    p = sigmoid(logit + shift)
    sums = np.bincount(holdout.prospects, weights=holdout.weights * (holdout.labels - p))
    error = float(np.sqrt((sums**2).sum()) / (holdout.weights * p * (1 - p)).sum())
    return shift if abs(shift) > 2 * error else 0.0


def choose_calibration(kinds: tuple[Kind, ...], logit: Floats, holdout: Holdout) -> Calibration:
    """Choose a map by log loss on rows that the models were not fitted on, whatever their mean.

    The first kind is kept unless another is better by more than noise: in a cross-validation
    by prospect the mean gain must exceed its standard error.

    Parameters
    ----------
    kinds : tuple of {"none", "sigmoid", "beta"}
    logit : ndarray of float64, shape (n_rows,)
    holdout : Holdout
    """
    logit = logit + calibration_in_the_large(logit, holdout.labels, holdout.weights)
    first = _cross_validated_losses(kinds[0], logit, holdout)
    best, largest = kinds[0], 0.0
    for kind in kinds[1:]:
        other = _cross_validated_losses(kind, logit, holdout)
        gain, error = paired_gain(first, other, holdout.prospects, holdout.weights)
        if gain > error and gain > largest:
            best, largest = kind, gain
    return fit_calibration(best, logit, holdout.labels, holdout.weights)


def _cross_validated_losses(kind: Kind, logit: Floats, holdout: Holdout) -> Floats:
    """Return the loss of each row under a map fitted on the other folds."""
    losses = np.empty(len(logit))
    for fold in range(FOLDS):
        out = holdout.prospects % FOLDS == fold
        others = holdout.select(~out)
        fitted = fit_calibration(kind, logit[~out], others.labels, others.weights)
        losses[out] = row_losses(fitted(logit[out]), holdout.labels[out])
    return losses
