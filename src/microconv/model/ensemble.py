"""The ensemble: three base models, averaged on the logit scale and then calibrated.

::

    logit = calibration(Σ weight · logit of a base model) + shift

The trees learn from closed windows whether a prospect converts, the hazard learns from all
windows when, and the regression is the steady one of the three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial
from itertools import product
from typing import Annotated

import numpy as np
from pydantic import Field, InstanceOf
from pydantic.dataclasses import dataclass

from microconv.features.family import Columns
from microconv.model.artefact import STRICT
from microconv.model.calibration import UNCALIBRATED, Calibration, Holdout
from microconv.model.hazard import Hazard
from microconv.model.logistic import paired_gain, rescale_contributions, row_losses, sigmoid
from microconv.model.regression import Regression
from microconv.model.training_rows import Floats
from microconv.model.trees import ConversionTrees

BASE_MODELS = ("trees", "hazard", "regression")
"""The base models, in the order of the weights."""

Weights = tuple[float, float, float]
"""Weights of the base models, summing to 1."""

EQUAL_WEIGHTS: Weights = (1 / 3, 1 / 3, 1 / 3)
"""The default: an equal average is hard to beat."""

REGRESSION_ONLY: Weights = (0.0, 0.0, 1.0)

TENTHS = 10

GRID: tuple[Weights, ...] = tuple(
    (a / TENTHS, b / TENTHS, (TENTHS - a - b) / TENTHS)
    for a, b in product(range(TENTHS + 1), repeat=2)
    if a + b <= TENTHS
)
"""The weights tried."""


@dataclass(frozen=True, config=STRICT)
class Ensemble:
    """The three fitted base models as one.

    Attributes
    ----------
    trees : ConversionTrees
    hazard : Hazard
    regression : Regression
    weights : tuple of float
        In the order of :data:`BASE_MODELS`.
    calibration : Calibration
    shift : float
        Matches the mean probability to the conversions of the latest training dates.
    """

    trees: Annotated[InstanceOf[ConversionTrees], Field(exclude=True)] = field(repr=False)
    hazard: Hazard = field(repr=False)
    regression: Regression = field(repr=False)
    weights: Weights = EQUAL_WEIGHTS
    calibration: Calibration = UNCALIBRATED
    shift: float = 0.0

    def base_logits(self, values: Columns, *, threads: int | None = None) -> dict[str, Floats]:
        """Return each base model's logit, also of those without weight.

        Parameters
        ----------
        values : ndarray of float32, shape (n_columns, n_rows)
        threads : int, optional

        Returns
        -------
        dict of str to ndarray of float64, shape (n_rows,)
        """
        return {name: logit(values) for name, logit in self._logits(threads).items()}

    def _logits(self, threads: int | None) -> dict[str, Callable[[Columns], Floats]]:
        return {
            "trees": partial(self.trees.logit, threads=threads),
            "hazard": partial(self.hazard.logit, threads=threads),
            "regression": self.regression.logit,
        }

    def logit(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Return each row's logit, shape (n_rows,); no row depends on another.

        Parameters
        ----------
        values, threads
            As in :meth:`base_logits`.
        """
        return self._calibrated(self._average(self._logits(threads), values))

    def _calibrated(self, logit: Floats) -> Floats:
        return self.calibration(logit) + self.shift

    def _average(
        self, functions: Mapping[str, Callable[[Columns], Floats]], values: Columns
    ) -> Floats:
        """Average what the base models with a weight return, and call no other."""
        weights = zip(BASE_MODELS, self.weights, strict=True)
        results = {name: functions[name](values) for name, weight in weights if weight}
        return average_logits(results, self.weights)

    def predict(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Return each row's probability of converting, shape (n_rows,).

        Parameters
        ----------
        values, threads
            As in :meth:`base_logits`.
        """
        return sigmoid(self.logit(values, threads=threads))

    def predict_from(self, base_logits: Mapping[str, Floats]) -> Floats:
        """Return what :meth:`predict` would, given the result of :meth:`base_logits`."""
        return sigmoid(self._calibrated(average_logits(base_logits, self.weights)))

    def contributions(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Split each row's logit into its columns.

        Contributions of the base models are averaged as the logits are, and then rescaled
        through the calibration: for none and sigmoid by its slope, for beta by the mean slope
        between intercept and logit.

        Parameters
        ----------
        values, threads
            As in :meth:`base_logits`.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_columns + 1)
            The last column is the intercept; a row sums to its logit.
        """
        functions: dict[str, Callable[[Columns], Floats]] = {
            "trees": partial(self.trees.contributions, threads=threads),
            "hazard": partial(self.hazard.contributions, threads=threads),
            "regression": self.regression.contributions,
        }
        parts = rescale_contributions(self._average(functions, values), self.calibration)
        parts[:, -1] += self.shift
        return parts


def average_logits(base_logits: Mapping[str, Floats], weights: Weights) -> Floats:
    """Return the weighted sum, always added in the order of :data:`BASE_MODELS`.

    Parameters
    ----------
    base_logits : mapping of str to ndarray of float64
        A base model without weight may be missing.
    weights : tuple of float
    """
    pairs = zip(BASE_MODELS, weights, strict=True)
    return np.asarray(sum(weight * base_logits[name] for name, weight in pairs if weight))


def choose_weights(base_logits: Mapping[str, Floats], holdout: Holdout) -> Weights:
    """Choose weights by log loss on rows that no base model was fitted on.

    Equal weights are kept unless the best are better by more than the standard error, by
    prospect, of the gain.

    Parameters
    ----------
    base_logits : mapping of str to ndarray of float64, shape (n_rows,)
    holdout : Holdout
    """
    losses = [row_losses(average_logits(base_logits, each), holdout.labels) for each in GRID]
    weights = np.broadcast_to(holdout.weights, len(holdout))
    best = int(np.argmin([weights @ loss for loss in losses]))
    equal = row_losses(average_logits(base_logits, EQUAL_WEIGHTS), holdout.labels)
    gain, error = paired_gain(equal, losses[best], holdout.prospects, weights)
    return GRID[best] if gain > error else EQUAL_WEIGHTS
