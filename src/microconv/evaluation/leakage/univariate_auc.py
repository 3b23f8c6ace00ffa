"""How well one column alone ranks: its AUC, with what chance does to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.features.family import Columns
from microconv.model.training_rows import Floats, Mask

PRIOR_ROWS = 10
"""The rate of a value is drawn to the average as if so many average rows had it."""


def column_aucs(values: Columns, labels: Mask) -> Floats:
    """Compute the AUC of every column taken as a score; a missing value ranks lowest.

    Parameters
    ----------
    values : ndarray of float32, shape (n_columns, n_rows)
    labels : ndarray of bool, shape (n_rows,)
        Of both kinds.

    Returns
    -------
    ndarray of float64, shape (n_columns,)
        0.5 for a constant column, below where larger values convert less.

    Examples
    --------
    >>> values = np.array([[1, 2, 3, 4], [4, 3, 2, 1], [7, 7, 7, 7]], np.float32)
    >>> column_aucs(values, np.array([False, False, True, True])).tolist()
    [1.0, 0.0, 0.5]
    """
    from scipy.stats import rankdata

    yes, no = int(labels.sum()), int((~labels).sum())
    out = np.full(len(values), 0.5)
    for position, column in enumerate(values):
        lowest = np.where(np.isfinite(column), column, -np.inf)
        if lowest.min() < lowest.max():
            ranks = rankdata(lowest)[labels].sum()
            out[position] = (ranks - yes * (yes + 1) / 2) / (yes * no)
    return out


def rate_by_value(
    codes: npt.NDArray[np.int64], labels: Mask, *, values: int
) -> tuple[Floats, Floats]:
    """Count rows and estimate the share of conversions for each value.

    Returns
    -------
    rows, rate : ndarray of float64, shape (values,)
        The rate is drawn to the average, so that a rare value claims little.
    """
    rows = np.bincount(codes, minlength=values).astype(np.float64)
    yes = np.bincount(codes, weights=labels, minlength=values)
    rate: Floats = (yes + PRIOR_ROWS * labels.mean()) / (rows + PRIOR_ROWS)
    return rows, rate


def auc_error(auc: float, labels: Mask) -> float:
    """Return the standard error of an AUC (Hanley and McNeil 1982).

    Examples
    --------
    >>> labels = np.arange(200) < 100
    >>> round(auc_error(0.5, labels), 4)
    0.0409
    """
    yes, no = int(labels.sum()), int((~labels).sum())
    a = max(auc, 1 - auc)
    one, two = a / (2 - a), 2 * a * a / (1 + a)
    variance = a * (1 - a) + (yes - 1) * (one - a * a) + (no - 1) * (two - a * a)
    return float(np.sqrt(variance / (yes * no)))


def wilson(rate: Floats, rows: Floats, *, z: float = 1.96) -> tuple[Floats, Floats]:
    """Return the Wilson interval of shares.

    Examples
    --------
    >>> low, high = wilson(np.array([0.5]), np.array([100.0]))
    >>> round(float(low[0]), 3), round(float(high[0]), 3)
    (0.404, 0.596)
    """
    n = np.maximum(rows, 1)
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half


def as_figure(auc: float, labels: Mask) -> dict[str, Any]:
    """Write an AUC with its 95 % interval."""
    reach = 1.96 * auc_error(auc, labels)
    return {"value": auc, "low": max(0.0, auc - reach), "high": min(1.0, auc + reach)}
