"""The ensemble: three voices averaged on the logit scale, then calibrated.

::

    logit = calibration(Σ weight · voice) + shift

The trees learn from closed windows whether a prospect converts, the hazard from all
windows when, and the regression is the steady one of the three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from microconv.features.family import Columns
from microconv.model.booster import Booster
from microconv.model.calibration import UNCALIBRATED, Calibration, Holdout
from microconv.model.hazard import Hazard
from microconv.model.logistic import paired_gain, rescale_contributions, row_losses, sigmoid
from microconv.model.regression import Regression
from microconv.model.training_rows import Floats
from microconv.model.trees import ConversionTrees

BASE_MODELS = ("trees", "hazard", "regression")
"""The parts of a ensemble, in the order of its weights."""

Weights = tuple[float, float, float]
"""Shares of the voices, summing to 1."""

EQUAL_WEIGHTS: Weights = (1 / 3, 1 / 3, 1 / 3)
"""The weights where nothing speaks for others: averages of equals are hard to beat."""

REGRESSION_ONLY: Weights = (0.0, 0.0, 1.0)
"""The regression has all the say."""

TENTHS = 10

GRID: tuple[Weights, ...] = tuple(
    (a / TENTHS, b / TENTHS, (TENTHS - a - b) / TENTHS)
    for a, b in product(range(TENTHS + 1), repeat=2)
    if a + b <= TENTHS
)
"""The weights tried."""


@dataclass(frozen=True)
class Ensemble:
    """The three fitted models as one.

    Attributes
    ----------
    trees : ConversionTrees
    hazard : Hazard
    regression : Regression
    weights : tuple of float
        Share of each, in the order of :data:`BASE_MODELS`.
    calibration : Calibration
    shift : float
        Brings the mean probability to the conversions of the latest training dates.
    """

    trees: ConversionTrees = field(repr=False)
    hazard: Hazard = field(repr=False)
    regression: Regression = field(repr=False)
    weights: Weights = EQUAL_WEIGHTS
    calibration: Calibration = UNCALIBRATED
    shift: float = 0.0

    def base_logits(self, values: Columns, *, threads: int | None = None) -> dict[str, Floats]:
        """Return each voice's logit, shape (n_rows,); of all three, whatever their weights."""
        return {name: logit(values) for name, logit in self._logits(threads).items()}

    def _logits(self, threads: int | None) -> dict[str, Callable[[Columns], Floats]]:
        return {
            "trees": partial(self.trees.logit, threads=threads),
            "hazard": partial(self.hazard.logit, threads=threads),
            "regression": self.regression.logit,
        }

    def logit(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Score rows on the logit scale; no row's score depends on another row."""
        return self._calibrated(self._mixed(self._logits(threads), values))

    def _calibrated(self, mixed: Floats) -> Floats:
        return self.calibration(mixed) + self.shift

    def _mixed(self, said: Mapping[str, Callable[[Columns], Floats]], values: Columns) -> Floats:
        """Ask the voices that have a share, and no other."""
        shares = zip(BASE_MODELS, self.weights, strict=True)
        return average_logits(
            {name: said[name](values) for name, share in shares if share}, self.weights
        )

    def predict(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Return each row's probability of converting, shape (n_rows,)."""
        return sigmoid(self.logit(values, threads=threads))

    def predict_from(self, voices: Mapping[str, Floats]) -> Floats:
        """Return what :meth:`predict` would, of rows whose :meth:`voices` have been heard."""
        return sigmoid(self._calibrated(average_logits(voices, self.weights)))

    def contributions(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Split each row's logit into its columns.

        The parts of the voices are mixed as the logits are. Calibration then scales a
        row's parts alike, from the calibrated intercept to the calibrated logit: for
        none and sigmoid that is the slope, for beta the mean slope between the two.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_columns + 1)
            The last column is the intercept; a row sums to its logit.
        """
        split: dict[str, Callable[[Columns], Floats]] = {
            "trees": partial(self.trees.contributions, threads=threads),
            "hazard": partial(self.hazard.contributions, threads=threads),
            "regression": self.regression.contributions,
        }
        parts = self._mixed(split, values)
        parts = rescale_contributions(parts, self.calibration)
        parts[:, -1] += self.shift
        return parts

    def texts(self) -> dict[str, str]:
        """Return the trees of the two voices that have some, in LightGBM's own format."""
        return {"trees": self.trees.booster.text, "hazard": self.hazard.booster.text}

    def to_json(self) -> dict[str, Any]:
        """Write out everything but :meth:`texts`."""
        return {
            "weights": list(self.weights),
            "calibration": self.calibration.to_json(),
            "shift": self.shift,
            "hazard": self.hazard.to_json(),
            "regression": self.regression.to_json(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any], texts: Mapping[str, str]) -> Ensemble:
        """Read what :meth:`to_json` and :meth:`texts` wrote."""
        trees, hazard, linear = (float(weight) for weight in content["weights"])
        return cls(
            ConversionTrees(Booster(texts["trees"])),
            Hazard.from_json(content["hazard"], texts["hazard"]),
            Regression.from_json(content["regression"]),
            (trees, hazard, linear),
            Calibration.from_json(content["calibration"]),
            float(content["shift"]),
        )


def average_logits(voices: Mapping[str, Floats], weights: Weights) -> Floats:
    """Average on the logit scale, always in the order of :data:`BASE_MODELS`.

    A voice without weight need not be there.
    """
    said = zip(BASE_MODELS, weights, strict=True)
    return np.asarray(sum(weight * voices[name] for name, weight in said if weight))


def choose_weights(voices: Mapping[str, Floats], holdout: Holdout) -> Weights:
    """Pick the voices' shares by log loss on rows that none of them learnt from.

    Equal shares are kept unless the best beat them by more than the standard error,
    by prospect, of the gain.

    Parameters
    ----------
    voices : mapping of str to ndarray of float64, shape (n_rows,)
        Logits.
    holdout : Holdout
    """
    losses = [row_losses(average_logits(voices, weights), holdout.labels) for weights in GRID]
    weights = np.broadcast_to(holdout.weights, len(holdout))
    best = int(np.argmin([weights @ loss for loss in losses]))
    equal = row_losses(average_logits(voices, EQUAL_WEIGHTS), holdout.labels)
    gain, error = paired_gain(equal, losses[best], holdout.prospects, weights)
    return GRID[best] if gain > error else EQUAL_WEIGHTS
