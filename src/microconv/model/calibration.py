"""Calibration: none, sigmoid or beta, chosen on a later slice; none unless clearly beaten.

Only the shape is learnt there. The models tried on the slice had not seen it, the
models that are used are refitted on it and take up part of a drifting base rate by
themselves. What they leave of it is set by :func:`choose_level` after the refit.

::

    none      logit' = logit
    sigmoid   logit' = a · logit + c                      a > 0          (Platt)
    beta      logit' = a · log p − b · log(1 − p) + c     a, b >= 0      (Kull et al. 2017)

All three rise with the probability, so they change no ranking.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from microconv.model.training import Floats, Mask

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


def sigmoid(logit: Floats) -> Floats:
    """Turn logits into probabilities, without overflow.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    small = np.exp(-np.abs(logit))
    return np.where(logit >= 0, 1 / (1 + small), small / (1 + small))


def log_sigmoid(logit: Floats) -> Floats:
    """Return the logarithm of the probability, exact far out in both tails."""
    return np.minimum(logit, 0) - np.log1p(np.exp(-np.abs(logit)))


def row_losses(logit: Floats, labels: Mask) -> Floats:
    """Log loss of each row.

    Examples
    --------
    >>> row_losses(np.array([0.0, 0.0]), np.array([True, False])).round(3).tolist()
    [0.693, 0.693]
    """
    return -log_sigmoid(np.where(labels, logit, -logit))


def fit_calibration(kind: Kind, logit: Floats, labels: Mask) -> Calibration:
    """Fit one map by maximum likelihood, its slopes kept from falling below zero."""
    if kind == "none":
        return UNCALIBRATED
    if kind == "sigmoid":
        a, c = _rising_fit(logit[:, None], labels)
        return Calibration("sigmoid", a, a, c)
    a, b, c = _rising_fit(np.column_stack([log_sigmoid(logit), -log_sigmoid(-logit)]), labels)
    return Calibration("beta", a, b, c)


def _rising_fit(columns: Floats, labels: Mask) -> list[float]:
    """Regress on the columns; one with a negative slope is left out and the rest refitted."""
    kept = list(range(columns.shape[1]))
    while True:
        design = np.column_stack([columns[:, kept], np.ones(len(columns))])
        fitted = fit_logistic(design, labels)
        slopes = fitted[:-1]
        if len(kept) == 0 or (slopes >= 0).all():
            break
        del kept[int(np.argmin(slopes))]
    out = [0.0] * columns.shape[1]
    for position, slope in zip(kept, slopes, strict=True):
        out[position] = float(slope)
    return [*out, float(fitted[-1])]


def fit_logistic(
    design: Floats, labels: Mask, *, offset: Floats | float = 0.0, ridge: float = 1e-6
) -> Floats:
    """Fit a small logistic regression by Newton's method.

    Parameters
    ----------
    design : ndarray of float64, shape (n_rows, n_coefficients)
        With its column of ones.
    labels : ndarray of bool, shape (n_rows,)
    offset : float or ndarray of float64, shape (n_rows,)
        Added to each row's logit as it is.
    ridge : float
        A trace of penalty: rows that can be told apart without error have a
        finite answer too.

    Returns
    -------
    ndarray of float64, shape (n_coefficients,)
    """
    beta = np.zeros(design.shape[1])
    penalty = ridge * np.eye(design.shape[1])

    def loss(at: Floats) -> float:
        return float(row_losses(design @ at + offset, labels).sum() + 0.5 * at @ penalty @ at)

    for _ in range(100):
        p = sigmoid(design @ beta + offset)
        gradient = design.T @ (labels - p) - penalty @ beta
        curvature = (design * (p * (1 - p))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        before, size = loss(beta), 1.0
        while loss(beta + size * step) > before and size > 1e-8:
            size /= 2
        beta = beta + size * step
        if np.abs(size * step).max() < 1e-10:
            break
    return beta


def level(logit: Floats, labels: Mask) -> float:
    """Return what, added to every logit, makes the mean probability that of the labels.

    Examples
    --------
    >>> labels = np.array([True, False, False, False])
    >>> round(level(np.zeros(4), labels), 4) == round(float(np.log(1 / 3)), 4)
    True
    """
    return float(fit_logistic(np.ones((len(logit), 1)), labels, offset=logit)[0])


def choose_level(logit: Floats, labels: Mask, prospects: npt.NDArray[np.int64]) -> float:
    """Return the shift that brings the latest training dates to their conversions.

    A model that sees no dates predicts the mean of its whole training period. Where
    the base rate drifts, the latest dates say better what comes next. A shift of
    less than two standard errors, by prospect, is noise, and 0 is returned.

    Parameters
    ----------
    logit, labels : ndarray, shape (n_rows,)
        Of the refitted model, on the latest training dates.
    prospects : ndarray of int64, shape (n_rows,)
        Codes 0, 1, 2, …
    """
    shift = level(logit, labels)
    p = sigmoid(logit + shift)
    sums = np.bincount(prospects, weights=labels - p)
    error = float(np.sqrt((sums**2).sum()) / (p * (1 - p)).sum())
    return shift if abs(shift) > 2 * error else 0.0


def choose_calibration(
    kinds: tuple[Kind, ...], logit: Floats, labels: Mask, prospects: npt.NDArray[np.int64]
) -> Calibration:
    """Pick a map by log loss on rows that the models never learnt from, their level set aside.

    The first kind is kept unless another beats it by more than noise: each part
    of the prospects is judged by what the other parts taught, and the mean gain
    must exceed its own standard error.

    Parameters
    ----------
    kinds : tuple of {"none", "sigmoid", "beta"}
    logit, labels : ndarray, shape (n_rows,)
    prospects : ndarray of int64, shape (n_rows,)
        Codes 0, 1, 2, …; rows of one prospect stand or fall together.
    """
    logit = logit + level(logit, labels)
    first = held_out_losses(kinds[0], logit, labels, prospects)
    best, most = kinds[0], 0.0
    for kind in kinds[1:]:
        other = held_out_losses(kind, logit, labels, prospects)
        gain, error = paired_gain(first, other, prospects)
        if gain > error and gain > most:
            best, most = kind, gain
    return fit_calibration(best, logit, labels)


def held_out_losses(
    kind: Kind, logit: Floats, labels: Mask, prospects: npt.NDArray[np.int64]
) -> Floats:
    """Loss of each row under a map that its prospect's part had no say in."""
    losses = np.empty(len(logit))
    for part in range(FOLDS):
        out = prospects % FOLDS == part
        fitted = fit_calibration(kind, logit[~out], labels[~out])
        losses[out] = row_losses(fitted(logit[out]), labels[out])
    return losses


def paired_gain(
    before: Floats, after: Floats, prospects: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """Mean gain in loss per row, and its standard error by prospect.

    Examples
    --------
    >>> paired_gain(np.ones(4), np.full(4, 0.5), np.array([0, 0, 1, 1]))
    (0.5, 0.0)
    """
    sums = np.bincount(prospects, weights=before - after)
    n, groups = len(before), len(sums)
    if groups < 2:
        return float(sums.sum() / n), float("inf")
    scatter = sums - np.bincount(prospects) * sums.sum() / n
    error = np.sqrt(groups / (groups - 1) * (scatter**2).sum()) / n
    return float(sums.sum() / n), float(error)
