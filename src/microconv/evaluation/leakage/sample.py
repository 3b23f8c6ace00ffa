"""A sample of the latest fold, small enough to fit a model on it ten times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from microconv.features.family import Columns
from microconv.features.training_set import TrainingSet
from microconv.histories.folds import Fold
from microconv.model.training_rows import (
    MIN_PER_CLASS,
    Floats,
    Mask,
    known_labels,
    labelled_rows_at,
    sorted_rows,
)

MAX_ROWS = 8_000
"""Rows that are sampled: all conversions first, up to half of them."""


@dataclass(frozen=True)
class FoldSample:
    """Some training and test rows of a fold.

    Conversions and other rows are drawn at different rates, the same in training and
    test. That changes no AUC; shares of rows need `weight`.

    Attributes
    ----------
    rows : TrainingSet
        Sorted by prospect and `as_of`.
    train : ndarray of bool, shape (n_rows,)
        The training rows; the others are test rows.
    labels : ndarray of bool, shape (n_rows,)
        Of training rows: as known when the test began.
    weight : ndarray of float64, shape (n_rows,)
        How many rows of the fold each row represents.
    """

    rows: TrainingSet = field(repr=False)
    train: Mask = field(repr=False)
    labels: Mask = field(repr=False)
    weight: Floats = field(repr=False)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    def columns(self) -> tuple[list[str], Columns]:
        """Return names and values of every column, families fitted on the training rows."""
        fitted = self.rows.fit_columns(self.train, self.labels)
        return fitted.names, fitted.values


def sample_fold(
    training_set: TrainingSet, folds: Sequence[Fold], *, seed: int, max_rows: int = MAX_ROWS
) -> FoldSample | str:
    """Sample rows of the latest fold.

    Parameters
    ----------
    training_set : TrainingSet
    folds : sequence of Fold
        Earliest first.
    seed, max_rows : int

    Returns
    -------
    FoldSample or str
        The reason, where there are too few rows of either class.
    """
    if not folds:
        return "there is no fold"
    fold, snapshots = folds[-1], training_set.snapshots
    train, test = (labelled_rows_at(training_set, dates) for dates in (fold.train, fold.test))
    labels = np.where(train, known_labels(snapshots, fold.test[0]), known_labels(snapshots, None))
    for part, name in ((labels[train], "training"), (labels[test], "test")):
        if min(part.sum(), (~part).sum()) < MIN_PER_CLASS:
            return (
                f"only {part.sum()} of {len(part)} {name} rows of fold {fold.name} convert; "
                f"the checks need {MIN_PER_CLASS} rows of each class"
            )
    rows = sorted_rows(snapshots, train | test)
    kept, weight = _draw(labels[rows], np.random.default_rng(seed), max_rows)
    chosen = rows[kept]
    return FoldSample(training_set.take_rows(chosen), train[chosen], labels[chosen], weight)


def _draw(
    labels: Mask, rng: np.random.Generator, max_rows: int
) -> tuple[npt.NDArray[np.intp], Floats]:
    """Sample each class at its own rate; keep the rarer one whole up to half of `max_rows`."""
    yes, no = np.flatnonzero(labels), np.flatnonzero(~labels)
    rare = min(len(yes), len(no), max_rows // 2)
    parts = [
        rng.choice(
            part, rare if len(part) == rare else min(len(part), max_rows - rare), replace=False
        )
        for part in (yes, no)
    ]
    weight = np.ones(len(labels))
    for part, drawn in zip((yes, no), parts, strict=True):
        weight[part] = len(part) / max(len(drawn), 1)
    kept = np.sort(np.concatenate(parts))
    return kept, weight[kept]
