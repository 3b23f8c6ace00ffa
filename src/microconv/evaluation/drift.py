"""Drift: how far columns (PSI) and the base rate have shifted between two periods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from microconv.features.family import Columns
from microconv.features.training_set import TrainingSet
from microconv.histories.folds import Fold
from microconv.model.training_rows import Floats, known_labels, labelled_rows_at

PARTS = 10
"""Earlier values are cut into this many parts of equal size; missing is one more."""

MIN_SHARE = 1e-3
"""A part that is empty on one side counts as this share, as its logarithm has no value."""


def stability_index(before: Floats, after: Floats) -> float:
    """Compute the population stability index (PSI) of one column.

    ``Σ (after − before) · ln(after / before)`` over the shares of the parts. By the usual
    rule of thumb a column is stable below 0.1 and has shifted above 0.25.

    Parameters
    ----------
    before, after : ndarray, shape (n_before,), (n_after,)
        nan is missing.

    Examples
    --------
    >>> stability_index(np.arange(1000.0), np.arange(1000.0))
    0.0
    >>> before = np.repeat([0.0, 1.0], [500, 500])
    >>> after = np.repeat([0.0, 1.0], [250, 750])
    >>> round(stability_index(before, after), 4)  # .25 ln 1.5 − .25 ln .5
    0.2747
    """
    known = before[~np.isnan(before)]
    edges = np.unique(np.quantile(known, np.arange(1, PARTS) / PARTS)) if len(known) else known
    return _index(_shares(before, edges), _shares(after, edges))


def _shares(values: Floats, edges: Floats) -> Floats:
    code = np.searchsorted(edges, values, side="left")
    code = np.where(np.isnan(values), len(edges) + 1, code)
    return np.bincount(code, minlength=len(edges) + 2) / max(len(values), 1)


def column_drift(
    names: Sequence[str], before: Columns, after: Columns, *, top: int
) -> dict[str, Any]:
    """Return the columns that shifted most with their PSI, the largest first.

    Parameters
    ----------
    names : sequence of str
    before, after : ndarray of float32, shape (n_columns, n_rows)
        Each with its own rows.
    top : int
        How many columns to return.
    """
    indices = [stability_index(one, other) for one, other in zip(before, after, strict=True)]
    first = np.argsort(-np.array(indices), kind="stable")[:top]
    return {names[k]: indices[k] for k in first}


def base_rate_drift(training_set: TrainingSet, fold: Fold) -> dict[str, float]:
    """Compare the conversion rates of a fold's training rows and test rows.

    Parameters
    ----------
    training_set : TrainingSet
    fold : Fold

    Returns
    -------
    dict
        `train` and `test` (rates), and their `psi`.
    """
    snapshots = training_set.snapshots
    train, test = (labelled_rows_at(training_set, dates) for dates in (fold.train, fold.test))
    before = float(known_labels(snapshots, fold.test[0])[train].mean())
    after = float(known_labels(snapshots, None)[test].mean())
    return {"train": before, "test": after, "psi": rate_index(before, after)}


def rate_index(before: float, after: float) -> float:
    """Compute the stability index of a rate.

    Parameters
    ----------
    before, after : float

    Examples
    --------
    >>> round(rate_index(0.5, 0.75), 4)  # as two parts of a column
    0.2747
    """
    return _index(np.array([1 - before, before]), np.array([1 - after, after]))


def _index(before: Floats, after: Floats) -> float:
    one, other = np.maximum(before, MIN_SHARE), np.maximum(after, MIN_SHARE)
    return float(((other - one) * np.log(other / one)).sum())
