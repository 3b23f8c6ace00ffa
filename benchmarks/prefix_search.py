"""Choose every setting of the prefix benchmark on inner folds of the training cases.

An inner fold repeats the protocol inside the first 80 % of the cases: train on
the first 40 % of them (or 65 %), predict the next 25 %. Training uses no event after the first
predicted case has begun, and no fold uses an event after the test part has begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TypeVar

import numpy as np
from prefix_controls import Control, predict
from prefix_protocol import Cases, Rows, outer_split, split_rows, weighted_auc
from two_models import SEED, BaseLogits

from microconv.features.family import Columns
from microconv.model.calibration import Calibration, fit_calibration
from microconv.model.regression import fit_regression
from microconv.model.trees import fit_trees
from microconv.settings import RegressionSettings, TreeSettings

FOLDS = ((0.40, 0.65), (0.65, 0.90))
SHARE = 0.3
"""Share of an inner fold's rows used for training: neighbouring prefixes hardly differ."""

FAMILIES = {
    "counts": ("counts.", "recency.", "attributes."),
    "all": ("counts.", "recency.", "tempo.", "path.", "ladder.", "calendar.", "attributes."),
}
BOOSTED = (
    TreeSettings(
        num_iterations=500, learning_rate=0.03, num_leaves=4, min_data_in_leaf=40,
        feature_fraction=0.1, bagging_fraction=0.7, lambda_l2=10,
    ),
    TreeSettings(
        num_iterations=300, learning_rate=0.03, num_leaves=7, min_data_in_leaf=40,
        feature_fraction=0.1, bagging_fraction=0.7, lambda_l2=10,
    ),
    TreeSettings(
        num_iterations=300, learning_rate=0.03, num_leaves=15, min_data_in_leaf=80,
        feature_fraction=0.1, bagging_fraction=0.7, lambda_l2=30,
    ),
    TreeSettings(
        num_iterations=300, learning_rate=0.03, num_leaves=31, min_data_in_leaf=80,
        feature_fraction=0.1, bagging_fraction=0.7, lambda_l2=30,
    ),
)  # fmt: skip
LIKE_CONTROLS = tuple(
    TreeSettings(
        num_iterations=trees, learning_rate=0.03, num_leaves=leaves, min_data_in_leaf=20,
        feature_fraction=0.3, bagging_fraction=0.7, lambda_l2=0,
    )
    for trees, leaves in ((150, 15), (80, 31))
)  # fmt: skip
"""Settings of two of the boosted controls."""

GROWN = tuple(product((*BOOSTED, *LIKE_CONTROLS), (False, True)))
"""Settings of the trees, and whether the two other outcomes are separate classes."""

LINEAR = tuple(RegressionSettings(inverse_penalty=c) for c in (0.001, 0.01, 0.1))
WEIGHTS = tuple(tenths / 10 for tenths in range(11))

_TREES = {"learning_rate": 0.03, "colsample_bytree": 0.3, "subsample": 0.7, "subsample_freq": 1}
CONTROLS = {
    "RF-agg": [
        Control("forest", {"n_estimators": 60, "max_features": share, "min_samples_leaf": leaf})
        for share, leaf in ((0.1, 0.0005), (0.1, 0.002), (0.1, 0.005), (0.3, 0.002))
    ],
    "boosted-agg": [
        Control("boosted", {**_TREES, "n_estimators": n, "num_leaves": leaves}, weighted=weighted)
        for n, leaves, weighted in (
            (80, 15, False),
            (80, 15, True),
            (80, 31, False),
            (150, 15, False),
            (200, 6, False),
        )
    ],
}
"""A leaf of the forest is a share of the rows, so that it means the same on all of them."""

RESAMPLES = 200

T = TypeVar("T")


@dataclass(frozen=True)
class Choice:
    """Our settings, and the weighted AUC they reached on the inner folds."""

    families: str
    boosted: TreeSettings
    competing: bool
    linear: RegressionSettings
    weight: float
    weighted: bool
    inner_auc: float

    @property
    def own(self) -> bool:
        """Whether these are the package's own settings, with each case weighing 1."""
        return self.weighted and self.boosted in BOOSTED


@dataclass(frozen=True)
class Matrix:
    """Our columns of every prefix of every case, row `end - 1` of `Cases.events`."""

    values: Columns = field(repr=False)
    names: list[str] = field(repr=False)

    def of(self, rows: Rows, families: str) -> Columns:
        """Take the columns of some families for some rows."""
        chosen = np.flatnonzero([name.startswith(FAMILIES[families]) for name in self.names])
        columns: Columns = self.values[np.ix_(chosen, rows.end - 1)]
        return columns


def inner_folds(cases: Cases) -> list[tuple[Rows, Rows]]:
    """Split the training cases by time, and sample the training rows."""
    n = len(outer_split(cases)[0])
    folds = [
        split_rows(cases, range(int(a * n)), range(int(a * n), int(b * n)), before=n)
        for a, b in FOLDS
    ]
    return [(sample_rows(train), test) for train, test in folds]


def sample_rows(rows: Rows) -> Rows:
    """Keep a random share of the rows."""
    kept = np.random.default_rng(SEED).random(len(rows)) < SHARE
    return rows.some(kept)


def choose_ours(cases: Cases, matrix: Matrix) -> Choice:
    """Choose among every pair of trees and regression at every ensemble weight.

    Families, trees (with the two other outcomes as separate classes or not), regression and
    whether each case weighs 1 are searched together. Of the package's own settings the ensemble
    with the highest inner AUC is chosen (the first of equals), unless the best of all settings
    is better by more than one standard deviation of their difference.
    """
    folds = inner_folds(cases)
    logits: dict[Choice, list[np.ndarray]] = {}
    for choice, mixed in every_ensemble(folds, matrix):
        if choice.inner_auc > max(
            (c.inner_auc for c in logits if c.own == choice.own), default=0.0
        ):
            logits = {c: s for c, s in logits.items() if c.own != choice.own}
            logits[choice] = mixed
    return choose_if_better(logits, [test for _, test in folds])


def every_ensemble(
    folds: Sequence[tuple[Rows, Rows]], matrix: Matrix
) -> Iterator[tuple[Choice, list[np.ndarray]]]:
    """Fit every candidate ensemble; yield each with its logits on the folds."""
    test_rows = [test for _, test in folds]
    for name, weighted in product(FAMILIES, (True, False)):
        parts = [
            (matrix.of(train, name), train, train.weights() if weighted else np.ones(len(train)),
             matrix.of(test, name))
            for train, test in folds
        ]  # fmt: skip
        lines = {penalty: [_regression(*part, penalty) for part in parts] for penalty in LINEAR}
        for settings, competing in GROWN:
            grown = [_trees(*part, settings, competing=competing) for part in parts]
            for linear, weight in product(LINEAR, WEIGHTS):
                logit_pairs = zip(grown, lines[linear], strict=True)
                mixed = [BaseLogits(*pair).mixed(weight) for pair in logit_pairs]
                auc = _mean(test_rows, mixed)
                yield Choice(name, settings, competing, linear, weight, weighted, auc), mixed


def choose_if_better(logits: dict[Choice, list[np.ndarray]], test_rows: Sequence[Rows]) -> Choice:
    """Return the package's own settings unless the other's gain exceeds its standard deviation.

    The deviation is that of the paired difference over resampled cases.
    """
    own, other = sorted(logits, key=lambda choice: not choice.own)
    rng = np.random.default_rng(SEED)
    drawn = [[_draw(rows, rng) for rows in test_rows] for _ in range(RESAMPLES)]
    gains = [
        _mean(test_rows, logits[other], counts) - _mean(test_rows, logits[own], counts)
        for counts in drawn
    ]
    gain, error = other.inner_auc - own.inner_auc, float(np.std(gains))
    print(f"own {own}\nother {other}\ngain {gain:.4f}, its deviation {error:.4f}", flush=True)
    return other if gain > error else own


def _draw(rows: Rows, rng: np.random.Generator) -> np.ndarray:
    cases = np.unique(rows.case)
    return np.bincount(rng.choice(cases, len(cases)), minlength=int(cases[-1]) + 1)


def _trees(
    x: Columns,
    train: Rows,
    weights: np.ndarray,
    z: Columns,
    settings: TreeSettings,
    *,
    competing: bool,
) -> np.ndarray:
    exits = train.exits if competing else None
    training_rows = (x, train.labels, weights, settings)
    return fit_trees(*training_rows, exits=exits, seed=SEED, threads=1).logit(z, threads=1)


def _regression(
    x: Columns, train: Rows, weights: np.ndarray, z: Columns, settings: RegressionSettings
) -> np.ndarray:
    return fit_regression(x, train.labels, weights, settings).logit(z)


def choose_control(
    cases: Cases, encoded: np.ndarray, candidates: Sequence[Control]
) -> tuple[Control, float]:
    """Return the control of the highest inner AUC, and that AUC."""
    folds = inner_folds(cases)
    return best(
        candidates,
        lambda c: _mean(
            [test for _, test in folds],
            [predict(c, encoded, train, test) for train, test in folds],
        ),
    )


def calibrate(cases: Cases, logits: Callable[[Rows, Rows], np.ndarray]) -> Calibration:
    """Fit a line on the logits that a model gives all prefixes predicted on the inner folds.

    Training weights the prefixes so that every case counts equally; the Brier score does not,
    so the mean changes too.
    """
    folds = inner_folds(cases)
    values = np.concatenate([logits(train, test) for train, test in folds])
    return fit_calibration("sigmoid", values, np.concatenate([test.labels for _, test in folds]))


def best(candidates: Sequence[T], score: Callable[[T], float]) -> tuple[T, float]:
    """Return the first candidate of the highest score, and the score."""
    scores = [score(candidate) for candidate in candidates]
    top = int(np.argmax(scores))
    return candidates[top], scores[top]


def _mean(
    test_rows: Sequence[Rows],
    scores: Sequence[np.ndarray],
    counts: Sequence[np.ndarray | None] | None = None,
) -> float:
    """Average the folds' weighted AUC by their rows; `counts` as in `weighted_auc`."""
    counts = counts or [None] * len(test_rows)
    figures = [weighted_auc(s, r, c) for s, r, c in zip(scores, test_rows, counts, strict=True)]
    return float(np.average(figures, weights=[len(rows) for rows in test_rows]))
