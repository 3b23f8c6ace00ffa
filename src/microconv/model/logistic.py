"""Logistic link, log loss, small maximum-likelihood fits and paired comparisons of losses.

Rows can have weights: where negatives were downsampled, each drawn row stands for several.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from microconv.model.training_rows import Floats, Mask

MIN_STEP = 1e-5
"""Below this length the mean slope of a link is measured over a step of this length: dividing by
1e-17, left over where contributions cancel, would amplify rounding errors."""


def sigmoid(logit: Floats) -> Floats:
    """Return probabilities for logits, without overflow.

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
    """Return the log loss of each row.

    Parameters
    ----------
    logit : ndarray of float64, shape (n_rows,)
    labels : ndarray of bool, shape (n_rows,)

    Examples
    --------
    >>> row_losses(np.array([0.0, 0.0]), np.array([True, False])).round(3).tolist()
    [0.693, 0.693]
    """
    return -log_sigmoid(np.where(labels, logit, -logit))


def fit_logistic(
    design: Floats,
    labels: Mask,
    *,
    offset: Floats | float = 0.0,
    weights: Floats | float = 1.0,
    ridge: float = 1e-6,
) -> Floats:
    """Fit a small logistic regression by Newton's method.

    Parameters
    ----------
    design : ndarray of float64, shape (n_rows, n_coefficients)
        Including its column of ones.
    labels : ndarray of bool, shape (n_rows,)
    offset : float or ndarray of float64, shape (n_rows,)
        Added to each row's logit.
    weights : float or ndarray of float64, shape (n_rows,)
    ridge : float
        A small penalty, so that perfectly separable rows have a finite solution too.

    Returns
    -------
    ndarray of float64, shape (n_coefficients,)
    """
    beta = np.zeros(design.shape[1])
    penalty = ridge * np.eye(design.shape[1])

    def loss(at: Floats) -> float:
        losses = weights * row_losses(design @ at + offset, labels)
        return float(losses.sum() + 0.5 * at @ penalty @ at)

    before = loss(beta)
    for _ in range(100):
        p = sigmoid(design @ beta + offset)
        gradient = design.T @ (weights * (labels - p)) - penalty @ beta
        curvature = (design * (weights * p * (1 - p))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        size, after = 1.0, loss(beta + step)
        while after > before and size > 1e-8:
            size /= 2
            after = loss(beta + size * step)
        beta, before = beta + size * step, after
        if np.abs(size * step).max() < 1e-10:
            break
    return beta


def calibration_in_the_large(logit: Floats, labels: Mask, weights: Floats | float = 1.0) -> float:
    """Return the shift of all logits that makes the mean probability that of the labels.

    Parameters
    ----------
    logit : ndarray of float64, shape (n_rows,)
    labels : ndarray of bool, shape (n_rows,)
    weights : float or ndarray of float64, shape (n_rows,)

    Examples
    --------
    >>> labels = np.array([True, False, False, False])
    >>> shift = calibration_in_the_large(np.zeros(4), labels)
    >>> round(shift, 4) == round(float(np.log(1 / 3)), 4)
    True
    """
    ones = np.ones((len(logit), 1))
    return float(fit_logistic(ones, labels, offset=logit, weights=weights)[0])


def paired_gain(
    before: Floats,
    after: Floats,
    prospects: npt.NDArray[np.int64],
    weights: Floats | float = 1.0,
) -> tuple[float, float]:
    """Return the mean gain in loss per row and its standard error, clustered by prospect.

    Parameters
    ----------
    before, after : ndarray of float64, shape (n_rows,)
        Losses of the same rows.
    prospects : ndarray of int64, shape (n_rows,)
        Codes 0, 1, 2, …
    weights : float or ndarray of float64, shape (n_rows,)

    Examples
    --------
    >>> paired_gain(np.ones(4), np.full(4, 0.5), np.array([0, 0, 1, 1]))
    (0.5, 0.0)
    """
    weights = np.broadcast_to(weights, len(before))
    sums = np.bincount(prospects, weights=weights * (before - after))
    n, groups = weights.sum(), len(sums)
    if groups < 2:
        return float(sums.sum() / n), float("inf")
    scatter = sums - np.bincount(prospects, weights=weights) * sums.sum() / n
    error = np.sqrt(groups / (groups - 1) * (scatter**2).sum()) / n
    return float(sums.sum() / n), float(error)


def rescale_contributions(contributions: Floats, link: Callable[[Floats], Floats]) -> Floats:
    """Rescale each row's contributions so that they sum to the link of their sum.

    All contributions of a row but the intercept are multiplied by the link's mean slope
    between the intercept and the row's sum.

    Parameters
    ----------
    contributions : ndarray of float64, shape (n_rows, n_columns + 1)
        The last column is the intercept.
    link : callable
        An increasing, smooth function from logits to logits.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_columns + 1)
        The last column is the link of the intercept.
    """
    start = contributions[:, -1]
    distance = contributions[:, :-1].sum(axis=1)
    step = np.where(np.abs(distance) < MIN_STEP, MIN_STEP, distance)
    first = link(start)
    slope = (link(start + step) - first) / step
    return np.column_stack([contributions[:, :-1] * slope[:, None], first])
