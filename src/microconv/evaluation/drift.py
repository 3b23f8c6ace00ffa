"""What changes between then and now: columns (PSI), the base rate, and what a column is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from microconv.evaluation.leakage.probes import columns_of
from microconv.evaluation.leakage.sample import sample_fold
from microconv.evaluation.leakage.univariate_auc import auc_error, column_aucs
from microconv.features.family import Columns
from microconv.features.training_set import TrainingSet
from microconv.histories.timeline import Fold
from microconv.model.training_rows import Floats, known_labels, labelled_rows_at

PARTS = 10
"""Parts of equal size into which the earlier values are cut; missing is one more."""

SMALLEST = 1e-3
"""A part that is empty on one side counts as this share, or its logarithm has no value."""

MOST_ROWS = 4_000
"""Rows of a fold in which a collapse is looked for."""

SURE = 3.5
"""Standard errors between two AUCs before a collapse is one: there are hundreds of columns."""


def stability_index(then: Floats, now: Floats) -> float:
    """Compute the population stability index of one column.

    ``Σ (now − then) · ln(now / then)`` over the parts. By the usual rule of thumb
    below 0.1 is stable, and above 0.25 a shift.

    Parameters
    ----------
    then, now : ndarray, shape (n_then,), (n_now,)
        nan is missing.

    Examples
    --------
    >>> stability_index(np.arange(1000.0), np.arange(1000.0))
    0.0
    >>> then = np.repeat([0.0, 1.0], [500, 500])
    >>> now = np.repeat([0.0, 1.0], [250, 750])
    >>> round(stability_index(then, now), 4)  # .25 ln 1.5 − .25 ln .5
    0.2747
    """
    known = then[~np.isnan(then)]
    edges = np.unique(np.quantile(known, np.arange(1, PARTS) / PARTS)) if len(known) else known
    return _index(_shares(then, edges), _shares(now, edges))


def _shares(values: Floats, edges: Floats) -> Floats:
    code = np.searchsorted(edges, values, side="left")
    code = np.where(np.isnan(values), len(edges) + 1, code)
    return np.bincount(code, minlength=len(edges) + 2) / max(len(values), 1)


def column_drift(names: Sequence[str], then: Columns, now: Columns, *, top: int) -> dict[str, Any]:
    """List the columns that shifted most.

    Returns
    -------
    dict
        Column → index, the largest first.
    """
    moved = [stability_index(one, other) for one, other in zip(then, now, strict=True)]
    first = np.argsort(-np.array(moved), kind="stable")[:top]
    return {names[k]: moved[k] for k in first}


def base_rate_drift(training_set: TrainingSet, fold: Fold) -> dict[str, float]:
    """Compare the share of conversions of a fold's training rows and of its test rows."""
    snapshots = training_set.snapshots
    train, test = (labelled_rows_at(training_set, dates) for dates in (fold.train, fold.test))
    then = float(known_labels(snapshots, fold.test[0])[train].mean())
    now = float(known_labels(snapshots, None)[test].mean())
    return {"train": then, "test": now, "index": rate_index(then, now)}


def rate_index(then: float, now: float) -> float:
    """Compute the stability index of a share.

    Examples
    --------
    >>> round(rate_index(0.5, 0.75), 4)  # as two parts of a column
    0.2747
    """
    return _index(np.array([1 - then, then]), np.array([1 - now, now]))


def _index(then: Floats, now: Floats) -> float:
    one, other = np.maximum(then, SMALLEST), np.maximum(now, SMALLEST)
    return float(((other - one) * np.log(other / one)).sum())


def collapses(training_set: TrainingSet, folds: Sequence[Fold], *, seed: int) -> dict[str, Any]:
    """Find columns that ranked well on training rows and less on the rows tested after them.

    Returns
    -------
    dict
        Column → the fold where it fell most: `fold`, `train` and `test` (AUC, turned
        so that training is above one half). Only falls that chance does not explain.
    """
    out: dict[str, Any] = {}
    for fold in folds:
        sampled = sample_fold(training_set, [fold], seed=seed, most=MOST_ROWS)
        if isinstance(sampled, str):
            continue
        names, values = columns_of(sampled)
        train, labels = sampled.train, sampled.labels
        then = column_aucs(values[:, train], labels[train])
        now = column_aucs(values[:, ~train], labels[~train])
        now = np.where(then < 0.5, 1 - now, now)
        then = np.maximum(then, 1 - then)
        for name, before, after in zip(names, then.tolist(), now.tolist(), strict=True):
            error = np.hypot(auc_error(before, labels[train]), auc_error(after, labels[~train]))
            worst = out[name]["train"] - out[name]["test"] if name in out else SURE * error
            if before - after > max(worst, SURE * error):
                out[name] = {"fold": fold.name, "train": before, "test": after}
    return out
