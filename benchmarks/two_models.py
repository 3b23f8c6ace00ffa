"""Trees, regression and their ensemble on precomputed columns, as the package fits them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microconv.features.family import Columns
from microconv.model.regression import fit_regression
from microconv.model.trees import fit_trees
from microconv.settings import RegressionSettings, TreeSettings

SEED = 7


@dataclass(frozen=True)
class BaseLogits:
    """The two models' logits on some rows."""

    trees: np.ndarray
    regression: np.ndarray

    def mixed(self, weight: float) -> np.ndarray:
        """Average the logits; `weight` is the weight of the trees."""
        return weight * self.trees + (1 - weight) * self.regression


@dataclass(frozen=True)
class TrainingRows:
    """Training rows.

    Attributes
    ----------
    values : ndarray of float32, shape (n_columns, n_rows)
    labels : ndarray of bool, shape (n_rows,)
    weights : ndarray of float64, shape (n_rows,)
    exits : ndarray of bool, shape (n_rows,), optional
    """

    values: Columns
    labels: np.ndarray
    weights: np.ndarray
    exits: np.ndarray | None = None


def fit_both(
    training_rows: TrainingRows,
    test_rows: Columns,
    boosted: TreeSettings,
    linear: RegressionSettings,
) -> BaseLogits:
    """Fit both models and score the rows `test_rows`, on one thread."""
    fit_arguments = (training_rows.values, training_rows.labels, training_rows.weights)
    trees = fit_trees(*fit_arguments, boosted, exits=training_rows.exits, seed=SEED, threads=1)
    return BaseLogits(
        trees.logit(test_rows, threads=1), fit_regression(*fit_arguments, linear).logit(test_rows)
    )
