"""Calibration: none, sigmoid or beta, chosen on a later slice; none unless clearly beaten.

Only the shape is learnt there. The models tried on the slice had not seen it, the
models that are used are refitted on it and take up part of a drifting base rate by
themselves. What they leave of it is set by :func:`choose_shift` after the refit.

::

    none      logit' = logit
    sigmoid   logit' = a · logit + c                      a > 0          (Platt)
    beta      logit' = a · log p − b · log(1 − p) + c     a, b >= 0      (Kull et al. 2017)

All three rise with the probability, so they change no ranking.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

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
"""Parts of the later slice, by prospect: each is judged by what the others taught."""


@dataclass(frozen=True)
class Calibration:
    """A rising map from logit to logit; by default each to itself.

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
        """Map logits; the same bits whatever rows are mapped together."""
        if self.kind == "none":
            return logit
        if self.kind == "sigmoid":
            return self.a * logit + self.c
        return self.a * log_sigmoid(logit) - self.b * log_sigmoid(-logit) + self.c

    def to_json(self) -> dict[str, Any]:
        """Write the numbers out."""
        return {"kind": self.kind, "a": self.a, "b": self.b, "c": self.c}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Calibration:
        """Read what :meth:`to_json` wrote."""
        return cls(content["kind"], float(content["a"]), float(content["b"]), float(content["c"]))


UNCALIBRATED = Calibration()
"""Each logit to itself."""


@dataclass(frozen=True)
class Holdout:
    """Rows of the later slice that judge: what happened, to whom, and how much each weighs.

    Attributes
    ----------
    labels : ndarray of bool, shape (n_rows,)
    prospects : ndarray of int64, shape (n_rows,)
        Codes 0, 1, 2, …; rows of one prospect stand or fall together.
    weights : float or ndarray of float64, shape (n_rows,)
        1 where every row of the slice is here.
    """

    labels: Mask = field(repr=False)
    prospects: npt.NDArray[np.int64] = field(repr=False)
    weights: Floats | float = field(default=1.0, repr=False)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.labels)

    def of(self, rows: Mask) -> Holdout:
        """Take some of the rows; the prospects keep their codes."""
        weights = np.broadcast_to(self.weights, len(self))[rows]
        return Holdout(self.labels[rows], self.prospects[rows], weights)


def fit_calibration(
    kind: Kind, logit: Floats, labels: Mask, weights: Floats | float = 1.0
) -> Calibration:
    """Fit one map by maximum likelihood, its slopes kept from falling below zero."""
    if kind == "none":
        return UNCALIBRATED
    if kind == "sigmoid":
        a, c = _rising_fit(logit[:, None], labels, weights)
        return Calibration("sigmoid", a, a, c)
    columns = np.column_stack([log_sigmoid(logit), -log_sigmoid(-logit)])
    a, b, c = _rising_fit(columns, labels, weights)
    return Calibration("beta", a, b, c)


def _rising_fit(columns: Floats, labels: Mask, weights: Floats | float) -> list[float]:
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
    """Return the shift that brings the latest training dates to their conversions.

    A model that sees no dates predicts the mean of its whole training period. Where
    the base rate drifts, the latest dates say better what comes next. A shift of
    less than two standard errors, by prospect, is noise, and 0 is returned.

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
    """Pick a map by log loss on rows that the models never learnt from, their level set aside.

    The first kind is kept unless another beats it by more than noise: each part
    of the prospects is judged by what the other parts taught, and the mean gain
    must exceed its own standard error.

    Parameters
    ----------
    kinds : tuple of {"none", "sigmoid", "beta"}
    logit : ndarray of float64, shape (n_rows,)
    holdout : Holdout
    """
    logit = logit + calibration_in_the_large(logit, holdout.labels, holdout.weights)
    first = held_out_losses(kinds[0], logit, holdout)
    best, most = kinds[0], 0.0
    for kind in kinds[1:]:
        other = held_out_losses(kind, logit, holdout)
        gain, error = paired_gain(first, other, holdout.prospects, holdout.weights)
        if gain > error and gain > most:
            best, most = kind, gain
    return fit_calibration(best, logit, holdout.labels, holdout.weights)


def held_out_losses(kind: Kind, logit: Floats, holdout: Holdout) -> Floats:
    """Loss of each row under a map that its prospect's part had no say in."""
    losses = np.empty(len(logit))
    for part in range(FOLDS):
        out = holdout.prospects % FOLDS == part
        others = holdout.of(~out)
        fitted = fit_calibration(kind, logit[~out], others.labels, others.weights)
        losses[out] = row_losses(fitted(logit[out]), holdout.labels[out])
    return losses
