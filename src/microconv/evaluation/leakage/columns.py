"""Single columns: what they are made from, and how well each ranks alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.features.families.attributes import MISSING
from microconv.features.family import Columns
from microconv.model.training_rows import Floats, Mask

ATTRIBUTES = "attributes."
"""Prefix of columns made from attributes; all others are made from the event history."""

MAX_LEVELS = 20
"""Numbers with more distinct values are cut at this many quantiles."""

PRIOR_ROWS = 10
"""The conversion rate of a value is shrunk to the mean as by this many rows."""


def is_attribute(name: str) -> bool:
    """Check whether a column is made from an attribute."""
    return name.startswith(ATTRIBUTES)


def origin_of(name: str) -> str:
    """Return the step or attribute that a column is made from, without measure and window.

    Examples
    --------
    >>> origin_of("counts.pricing_visit.30d"), origin_of("recency.pricing_visit.last")
    ('pricing_visit', 'pricing_visit')
    >>> origin_of("path.last=demo_video"), origin_of("counts.stage=decision.7d")
    ('demo_video', 'stage=decision')
    >>> origin_of("attributes.source=web.site"), origin_of("attributes.size")
    ('source', 'size')
    """
    if is_attribute(name):
        return name.removeprefix(ATTRIBUTES).split("=", 1)[0]
    about = name.split(".", 1)[-1]
    return about.rsplit(".", 1)[0] if "." in about else about.split("=", 1)[-1]


def combine_attribute_columns(
    names: Sequence[str], values: Columns
) -> dict[str, tuple[npt.NDArray[np.int64], list[str]]]:
    """Combine the columns of each attribute into one value per row.

    Parameters
    ----------
    names : sequence of str
    values : ndarray of float32, shape (n_columns, n_rows)

    Returns
    -------
    dict of str to (ndarray of int64, list of str)
        Attribute → code of each row, and the value of each code. The last code is
        the missing value.
    """
    columns: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        if is_attribute(name):
            columns.setdefault(origin_of(name), []).append(position)
    out = {}
    for attribute, at in columns.items():
        if "=" in names[at[0]]:
            codes = values[at].argmax(axis=0).astype(np.int64)
            out[attribute] = (codes, [names[c].split("=", 1)[1] for c in at])
        else:
            out[attribute] = _cut(values[at[0]])
    return out


def _cut(numbers: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Cut a number at its quantiles; few distinct numbers stay as they are."""
    known = numbers[~np.isnan(numbers)]
    levels = np.unique(known)
    if len(levels) > MAX_LEVELS:
        levels = np.unique(np.quantile(known, np.arange(MAX_LEVELS) / MAX_LEVELS, method="lower"))
    codes = np.searchsorted(levels, numbers, side="right") - 1
    codes = np.where(np.isnan(numbers), len(levels), np.maximum(codes, 0))
    return codes.astype(np.int64), [*(f"from {level:g}" for level in levels), MISSING]


def column_aucs(values: Columns, labels: Mask) -> Floats:
    """Compute the AUC of every column used as a score; missing values rank lowest.

    Parameters
    ----------
    values : ndarray of float32, shape (n_columns, n_rows)
    labels : ndarray of bool, shape (n_rows,)
        Both classes.

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


def auc_error(auc: float, labels: Mask) -> float:
    """Compute the standard error of an AUC (Hanley and McNeil 1982).

    Parameters
    ----------
    auc : float
    labels : ndarray of bool, shape (n_rows,)

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


def auc_estimate(auc: float, labels: Mask) -> dict[str, Any]:
    """Return an AUC with its 95 % interval as `value`, `low` and `high`.

    Parameters
    ----------
    auc : float
    labels : ndarray of bool, shape (n_rows,)
    """
    reach = 1.96 * auc_error(auc, labels)
    return {"value": auc, "low": max(0.0, auc - reach), "high": min(1.0, auc + reach)}


def rates_by_value(codes: npt.NDArray[np.int64], labels: Mask, *, n_values: int) -> Floats:
    """Estimate the conversion rate of each value, shrunk to the mean where rows are few.

    Parameters
    ----------
    codes : ndarray of int64, shape (n_rows,)
    labels : ndarray of bool, shape (n_rows,)
    n_values : int

    Returns
    -------
    ndarray of float64, shape (n_values,)
    """
    rows = np.bincount(codes, minlength=n_values).astype(np.float64)
    yes = np.bincount(codes, weights=labels, minlength=n_values)
    rates: Floats = (yes + PRIOR_ROWS * labels.mean()) / (rows + PRIOR_ROWS)
    return rates
