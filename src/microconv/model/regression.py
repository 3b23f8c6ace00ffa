"""Regularised logistic regression on robustly prepared columns.

::

    logit = intercept + sum over columns of
                weight · (clip(_squash(x), low, high) − centre) / scale    where x is a number
                missing                                                  where it is nan or ±inf
    _squash(x) = sign(x) · log(1 + |x|)

A column that is missing in some training rows has two coefficients, one for its value and
one for being missing ("never visited pricing" differs from "visited it long ago"). Columns
that are missing in the very same rows share the second one equally. A column that is
constant in training has no coefficient. Every number is fitted on training rows.
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from dataclasses import field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from microconv.features.family import Columns
from microconv.features.row_view import BLOCK_ROWS, RowView
from microconv.model.artefact import STRICT, FloatArray
from microconv.model.training_rows import Floats, Mask
from microconv.settings import RegressionSettings

CLIP = 0.001
"""Values beyond this quantile, at either end, are clipped to it."""

MIN_MISSING_SHARE = 0.005
"""A column missing (or present) in a smaller share of rows has no second coefficient."""

COLUMNS_AT_A_TIME = 8
"""Columns written into the matrix together: as many float64 as fill a cache line."""


@dataclass(frozen=True, config=STRICT)
class Regression:
    """A fitted regression.

    Attributes
    ----------
    intercept : float
    low, high, centre, scale, weight, missing : ndarray of float64, shape (n_columns,)
        As in the formula above.
    """

    intercept: float
    low: FloatArray = field(repr=False)
    high: FloatArray = field(repr=False)
    centre: FloatArray = field(repr=False)
    scale: FloatArray = field(repr=False)
    weight: FloatArray = field(repr=False)
    missing: FloatArray = field(repr=False)

    def __post_init__(self) -> None:
        """Check that there is one number per column in every array.

        Raises
        ------
        ValueError
        """
        arrays = (self.low, self.high, self.centre, self.scale, self.weight, self.missing)
        lengths = {len(array) for array in arrays}
        if len(lengths) > 1:
            raise ValueError(f"the regression has arrays of different lengths: {sorted(lengths)}")

    def logit(self, values: Columns) -> Floats:
        """Return each row's logit, its columns summed in order: no row depends on another.

        Parameters
        ----------
        values : ndarray of float32, shape (n_columns, n_rows)

        Returns
        -------
        ndarray of float64, shape (n_rows,)
        """
        total = np.full(values.shape[1], self.intercept)
        for begin in range(0, values.shape[1], BLOCK_ROWS):
            rows = slice(begin, begin + BLOCK_ROWS)
            for column in self.used_columns():
                total[rows] += self.contribution(column, values[column, rows])
        return total

    def contributions(self, values: Columns) -> Floats:
        """Split the logit into its columns.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_columns + 1)
            The last column is the intercept.
        """
        out = np.zeros((values.shape[1], values.shape[0] + 1))
        out[:, -1] = self.intercept
        for column in self.used_columns():
            out[:, column] = self.contribution(column, values[column])
        return out

    def used_columns(self) -> list[int]:
        """Return the positions of the columns that have a coefficient."""
        return [int(c) for c in np.flatnonzero((self.weight != 0) | (self.missing != 0))]

    def contribution(self, column: int, values: npt.NDArray[np.float32]) -> Floats:
        """Return what one column adds to the logit of each row, shape (n_rows,).

        Parameters
        ----------
        column : int
            Its position.
        values : ndarray of float32, shape (n_rows,)
        """
        x = _squash(values)
        present = np.isfinite(x)
        x = np.clip(x, self.low[column], self.high[column]) - self.centre[column]
        x *= self.weight[column] / self.scale[column]
        out: Floats = np.where(present, x, self.missing[column])
        return out


def _squash(values: npt.NDArray[np.floating[Any]]) -> Floats:
    """Return sign(x) · log(1 + |x|): it shortens long tails, and keeps the sign and zero.

    Examples
    --------
    >>> _squash(np.array([-1.0, 0.0, np.e - 1])).round(3).tolist()
    [-0.693, 0.0, 1.0]
    """
    x = values.astype(np.float64)
    return np.copysign(np.log1p(np.abs(x)), x)


@plain_dataclass(frozen=True)
class DesignMatrix:
    """Training rows as a regression takes them, and the way back to the columns.

    Attributes
    ----------
    unit : Regression
        Weight 1 for every column that is not constant.
    used : list of int
        These columns; they come first in the matrix.
    groups : list of list of int
        Columns missing in the same rows; one further column of the matrix each.
    centres, scales : ndarray of float64, shape (n_groups,)
        Of those further columns.
    matrix : ndarray of float64, shape (n_rows, len(used) + n_groups)
        Each column with mean 0 and standard deviation 1.
    """

    unit: Regression
    used: list[int]
    groups: list[list[int]]
    centres: Floats = field(repr=False)
    scales: Floats = field(repr=False)
    matrix: Floats = field(repr=False)

    @classmethod
    def from_values(cls, values: Columns | RowView) -> DesignMatrix:
        """Prepare every column that is not constant."""
        unit = fit_scaling(values)
        used, groups = unit.used_columns(), _missing_patterns(values)
        matrix = np.empty((values.shape[1], len(used) + len(groups)))
        for begin in range(0, len(used), COLUMNS_AT_A_TIME):
            here = used[begin : begin + COLUMNS_AT_A_TIME]
            parts = np.array([unit.contribution(column, values[column]) for column in here])
            matrix[:, begin : begin + len(here)] = parts.T
        gone = [~np.isfinite(values[group[0]]) for group in groups]
        centres, scales = np.array([[g.mean(), g.std()] for g in gone]).reshape(-1, 2).T
        for position in range(len(groups)):
            scaled = (gone[position] - centres[position]) / scales[position]
            matrix[:, len(used) + position] = scaled
        return cls(unit, used, groups, centres, scales, matrix)

    def to_regression(self, intercept: float, coefficients: Floats) -> Regression:
        """Turn coefficients of the matrix into those of the columns.

        Parameters
        ----------
        intercept : float
        coefficients : ndarray of float64, shape (len(used) + n_groups,)
        """
        n = len(self.used)
        weight, missing = np.zeros(len(self.unit.weight)), np.zeros(len(self.unit.weight))
        weight[self.used] = coefficients[:n]
        jumps = coefficients[n:] / self.scales
        for jump, group in zip(jumps, self.groups, strict=True):
            missing[group] = jump / len(group)
        intercept -= float(jumps @ self.centres)
        return replace(self.unit, intercept=intercept, weight=weight, missing=missing)


def fit_regression(
    values: Columns | RowView, labels: Mask, weights: Floats, settings: RegressionSettings
) -> Regression:
    """Fit the regression.

    Parameters
    ----------
    values : ndarray of float32 or RowView, shape (n_columns, n_rows)
    labels : ndarray of bool, shape (n_rows,)
        Of both classes.
    weights : ndarray of float64, shape (n_rows,)
    settings : RegressionSettings
    """
    design = DesignMatrix.from_values(values)
    if design.matrix.shape[1] == 0:  # every column is constant: only the base rate is left
        rate = float(np.average(labels, weights=weights))
        return design.to_regression(float(np.log(rate / (1 - rate))), np.empty(0))
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    model = LogisticRegression(C=settings.inverse_penalty, max_iter=5000)
    with threadpool_limits(1):  # several threads add up in varying order
        model.fit(design.matrix, labels, sample_weight=weights)
    return design.to_regression(float(model.intercept_[0]), model.coef_[0])


def fit_scaling(values: Columns | RowView) -> Regression:
    """Fit low, high, centre and scale; weight 1 for every column that is not constant."""
    low, high, centre, weight, missing = np.zeros((5, len(values)))
    scale = np.ones(len(values))
    for position, column in enumerate(values):
        x = _squash(column[np.isfinite(column)])
        if len(x) == 0 or x.min() == x.max():
            continue
        lowest, highest = np.quantile(x, [CLIP, 1 - CLIP])
        if lowest == highest:  # so rare that clipping would make it constant
            lowest, highest = x.min(), x.max()
        low[position], high[position] = lowest, highest
        np.clip(x, lowest, highest, out=x)
        centre[position], scale[position] = x.mean(), x.std()
        weight[position] = 1.0
    return Regression(0.0, low, high, centre, scale, weight, missing)


def _missing_patterns(values: Columns | RowView) -> list[list[int]]:
    """Group the columns that are missing in the same rows, (nearly) never or always aside."""
    groups: dict[bytes, list[int]] = {}
    for position, column in enumerate(values):
        gone = ~np.isfinite(column)
        if MIN_MISSING_SHARE <= gone.mean() <= 1 - MIN_MISSING_SHARE:
            groups.setdefault(np.packbits(gone).tobytes(), []).append(position)
    return list(groups.values())
