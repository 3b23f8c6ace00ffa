"""A small part of a training set, on which one can afford to fit a model ten times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from microconv.features.training_set import TrainingSet
from microconv.histories.timeline import Fold
from microconv.model.training_rows import (
    MIN_PER_CLASS,
    Floats,
    Mask,
    known_labels,
    labelled_rows_at,
    sorted_rows,
)

MOST = 8_000
"""Rows that are kept. All conversions first, up to half of them."""


@dataclass(frozen=True)
class Sampled:
    """Some training and test rows of the latest fold.

    Conversions and the rest are drawn at rates of their own, the same in training
    and test. That moves no AUC; a share of rows needs `weight`.

    Attributes
    ----------
    rows : TrainingSet
        By prospect and instant.
    train : ndarray of bool, shape (n_rows,)
        The training rows; the others are tested.
    labels : ndarray of bool, shape (n_rows,)
        Outcomes: of training rows as they were known when the test began.
    weight : ndarray of float64, shape (n_rows,)
        How many rows of the whole fold each one stands for.
    """

    rows: TrainingSet = field(repr=False)
    train: Mask = field(repr=False)
    labels: Mask = field(repr=False)
    weight: Floats = field(repr=False)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    def relabelled(self, labels: Mask) -> Sampled:
        """Give the rows other outcomes."""
        return replace(self, labels=labels)

    def resplit(self, train: Mask) -> Sampled:
        """Train on other rows."""
        return replace(self, train=train)


def sample_fold(
    training_set: TrainingSet, folds: Sequence[Fold], *, seed: int, most: int = MOST
) -> Sampled | str:
    """Draw rows of the latest fold.

    Parameters
    ----------
    training_set : TrainingSet
    folds : sequence of Fold
        Earliest first.
    seed : int
    most : int

    Returns
    -------
    Sampled or str
        Or the reason why there is nothing to look at.
    """
    if not folds:
        return "there is no fold"
    fold, snapshots = folds[-1], training_set.snapshots
    train, test = (labelled_rows_at(training_set, dates) for dates in (fold.train, fold.test))
    labels = np.where(train, known_labels(snapshots, fold.test[0]), known_labels(snapshots, None))
    for part, name in ((labels[train], "training"), (labels[test], "test")):
        if min(part.sum(), (~part).sum()) < MIN_PER_CLASS:
            return (
                f"only {part.sum()} of {len(part)} {name} rows of the fold {fold.name} convert, "
                f"and it takes {MIN_PER_CLASS} of each outcome"
            )
    rows = sorted_rows(snapshots, train | test)
    kept, weight = _draw(labels[rows], np.random.default_rng(seed), most)
    chosen = rows[kept]
    return Sampled(training_set.take_rows(chosen), train[chosen], labels[chosen], weight)


def _draw(labels: Mask, rng: np.random.Generator, most: int) -> tuple[npt.NDArray[np.intp], Floats]:
    """Draw from each outcome at its own rate; the rarer one is kept whole up to half of `most`."""
    yes, no = np.flatnonzero(labels), np.flatnonzero(~labels)
    rare = min(len(yes), len(no), most // 2)
    parts = [
        rng.choice(part, rare if len(part) == rare else min(len(part), most - rare), replace=False)
        for part in (yes, no)
    ]
    weight = np.ones(len(labels))
    for part, drawn in zip((yes, no), parts, strict=True):
        weight[part] = len(part) / max(len(drawn), 1)
    kept = np.sort(np.concatenate(parts))
    return kept, weight[kept]
