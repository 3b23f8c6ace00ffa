"""The blend: trees and regression averaged on the logit scale, then calibrated.

::

    logit = calibration(weight · trees + (1 − weight) · regression) + level
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.features.family import Columns
from microconv.model.boosted import Boosted
from microconv.model.calibration import (
    UNCALIBRATED,
    Calibration,
    paired_gain,
    row_losses,
    sigmoid,
)
from microconv.model.linear import Linear
from microconv.model.training import Floats, Mask

EQUAL = 0.5
"""The weight where nothing speaks for another: averages of equals are hard to beat."""

GRID = np.arange(21) / 20
"""The weights tried."""


@dataclass(frozen=True)
class Blend:
    """The two fitted models as one.

    Attributes
    ----------
    boosted : Boosted
    linear : Linear
    weight : float
        Share of the trees, from 0 to 1.
    calibration : Calibration
    level : float
        Brings the mean probability to the conversions of the latest training dates.
    """

    boosted: Boosted = field(repr=False)
    linear: Linear = field(repr=False)
    weight: float = EQUAL
    calibration: Calibration = UNCALIBRATED
    level: float = 0.0

    def logit(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Score rows on the logit scale; no row's score depends on another row."""
        trees = self.boosted.logit(values, threads=threads)
        return self.calibration(mix(trees, self.linear.logit(values), self.weight)) + self.level

    def predict(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Return each row's probability of converting, shape (n_rows,)."""
        return sigmoid(self.logit(values, threads=threads))

    def contributions(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Split each row's logit into its columns.

        The parts of trees and regression are mixed as the logits are. Calibration
        then scales a row's parts alike, from the calibrated intercept to the
        calibrated logit: for none and sigmoid that is the slope, for beta the
        mean slope between the two.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_columns + 1)
            The last column is the intercept; a row sums to its logit.
        """
        trees = self.boosted.contributions(values, threads=threads)
        parts = mix(trees, self.linear.contributions(values), self.weight)
        start = parts[:, -1]
        way = parts[:, :-1].sum(axis=1)
        end = self.calibration(start + way) - self.calibration(start)
        still = way == 0
        parts[:, :-1] *= np.where(still, 1.0, end / np.where(still, 1.0, way))[:, None]
        parts[:, -1] = self.calibration(start) + self.level
        return parts

    def to_json(self) -> dict[str, Any]:
        """Write out everything but the trees, which have their own text."""
        return {
            "weight": self.weight,
            "calibration": self.calibration.to_json(),
            "level": self.level,
            "linear": self.linear.to_json(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any], trees: str) -> Blend:
        """Read what :meth:`to_json` wrote, and the text of the trees."""
        return cls(
            Boosted(trees),
            Linear.from_json(content["linear"]),
            float(content["weight"]),
            Calibration.from_json(content["calibration"]),
            float(content["level"]),
        )


def mix(trees: Floats, regression: Floats, weight: float) -> Floats:
    """Average on the logit scale."""
    return weight * trees + (1 - weight) * regression


def choose_weight(
    trees: Floats, regression: Floats, labels: Mask, prospects: npt.NDArray[np.int64]
) -> float:
    """Pick the trees' share by log loss on rows that neither model learnt from.

    One half is kept unless the best share beats it by more than the standard
    error, by prospect, of the gain.

    Parameters
    ----------
    trees, regression : ndarray of float64, shape (n_rows,)
        Logits.
    labels : ndarray of bool, shape (n_rows,)
    prospects : ndarray of int64, shape (n_rows,)
        Codes 0, 1, 2, …
    """
    losses = [row_losses(mix(trees, regression, weight), labels) for weight in GRID]
    best = int(np.argmin([loss.mean() for loss in losses]))
    equal = int(np.argmin(np.abs(GRID - EQUAL)))
    gain, error = paired_gain(losses[equal], losses[best], prospects)
    return float(GRID[best]) if gain > error else EQUAL
