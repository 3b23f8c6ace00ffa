"""Regularised logistic regression on robustly prepared columns.

::

    logit = intercept + sum over columns of
                weight · (clip(squash(x), low, high) − centre) / scale    where x is a number
                missing                                                  where it is nan or ±inf
    squash(x) = sign(x) · log(1 + |x|)

A column that is missing in some training rows has two coefficients, one for its
value and one for being missing ("never visited pricing" is not "visited it long
ago"). Columns that are missing in the very same rows share the second one equally.
A column that is constant in training has no coefficient. Every number is learnt
from training rows and fits in JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.features.family import Columns
from microconv.features.row_view import BLOCK_ROWS, RowView
from microconv.model.training_rows import Floats, Mask
from microconv.settings import RegressionSettings

CLIP = 0.001
"""Values beyond this quantile, at either end, are drawn in to it."""

MIN_MISSING_SHARE = 0.005
"""A column missing in fewer rows than this (or present in fewer) has no second coefficient."""

SIDE_BY_SIDE = 8
"""Columns written into the matrix at a time: so many numbers fill a line of the cache."""


@dataclass(frozen=True)
class Regression:
    """A fitted logistic regression.

    Attributes
    ----------
    intercept : float
    low, high, centre, scale, weight, missing : ndarray of float64, shape (n_columns,)
        As in the formula above.
    """

    intercept: float
    low: Floats = field(repr=False)
    high: Floats = field(repr=False)
    centre: Floats = field(repr=False)
    scale: Floats = field(repr=False)
    weight: Floats = field(repr=False)
    missing: Floats = field(repr=False)

    def logit(self, values: Columns) -> Floats:
        """Add the columns up in their order, row by row: no row depends on another.

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
            for column in self._used():
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
        for column in self._used():
            out[:, column] = self.contribution(column, values[column])
        return out

    def _used(self) -> list[int]:
        return [int(c) for c in np.flatnonzero((self.weight != 0) | (self.missing != 0))]

    def contribution(self, column: int, values: npt.NDArray[np.float32]) -> Floats:
        """Return what one column adds to the logit of each row, shape (n_rows,)."""
        x = squash(values)
        there = np.isfinite(x)
        x = np.clip(x, self.low[column], self.high[column]) - self.centre[column]
        x *= self.weight[column] / self.scale[column]
        out: Floats = np.where(there, x, self.missing[column])
        return out

    def to_json(self) -> dict[str, Any]:
        """Write every number out; :meth:`from_json` reads the same bits."""
        arrays = {f.name: getattr(self, f.name).tolist() for f in fields(self)[1:]}
        return {"intercept": self.intercept, **arrays}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Regression:
        """Read what :meth:`to_json` wrote."""
        arrays = {f.name: np.array(content[f.name], dtype=np.float64) for f in fields(cls)[1:]}
        return cls(float(content["intercept"]), **arrays)


def squash(values: npt.NDArray[np.floating[Any]]) -> Floats:
    """Return sign(x) · log(1 + |x|): long tails drawn in, the sign and zero kept.

    Examples
    --------
    >>> squash(np.array([-1.0, 0.0, np.e - 1])).round(3).tolist()
    [-0.693, 0.0, 1.0]
    """
    x = values.astype(np.float64)
    return np.copysign(np.log1p(np.abs(x)), x)


@dataclass(frozen=True)
class Design:
    """Training rows as a regression takes them, and the way back to the columns.

    Attributes
    ----------
    unit : Regression
        Weight 1 for every column that is not constant.
    used : list of int
        These columns; the first ones of the matrix.
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
    def of(cls, values: Columns | RowView) -> Design:
        """Prepare every column that has something to say."""
        unit = prepare(values)
        used, groups = unit._used(), missing_patterns(values)
        matrix = np.empty((values.shape[1], len(used) + len(groups)))
        for begin in range(0, len(used), SIDE_BY_SIDE):
            here = used[begin : begin + SIDE_BY_SIDE]
            parts = np.array([unit.contribution(column, values[column]) for column in here])
            matrix[:, begin : begin + len(here)] = parts.T
        gone = [~np.isfinite(values[group[0]]) for group in groups]
        centres, scales = np.array([[g.mean(), g.std()] for g in gone]).reshape(-1, 2).T
        for position in range(len(groups)):
            scaled = (gone[position] - centres[position]) / scales[position]
            matrix[:, len(used) + position] = scaled
        return cls(unit, used, groups, centres, scales, matrix)

    def linear(self, intercept: float, coefficients: Floats) -> Regression:
        """Turn coefficients of the matrix into those of the columns."""
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
        Of both kinds.
    weights : ndarray of float64, shape (n_rows,)
    settings : RegressionSettings
    """
    design = Design.of(values)
    return design.linear(*_regress(design.matrix, labels, weights, settings))


def _regress(
    design: Floats, labels: Mask, weights: Floats, settings: RegressionSettings
) -> tuple[float, Floats]:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if design.shape[1] == 0:  # every column is constant: the base rate is all there is to say
        rate = float(np.average(labels, weights=weights))
        return float(np.log(rate / (1 - rate))), np.empty(0)
    model = LogisticRegression(C=settings.inverse_penalty, max_iter=5000)
    with threadpool_limits(1):  # sums of several threads are added in no fixed order
        model.fit(design, labels, sample_weight=weights)
    return float(model.intercept_[0]), model.coef_[0]


def prepare(values: Columns | RowView) -> Regression:
    """Learn low, high, centre and scale; weight 1 for every column that is not constant."""
    prepared = Regression(0.0, *(np.zeros(len(values)) for _ in range(6)))
    prepared.scale[:] = 1.0
    for position, column in enumerate(values):
        x = squash(column[np.isfinite(column)])
        if len(x) == 0 or x.min() == x.max():
            continue
        low, high = np.quantile(x, [CLIP, 1 - CLIP])
        if low == high:  # so rare that clipping would leave nothing of it
            low, high = x.min(), x.max()
        np.clip(x, low, high, out=x)
        prepared.low[position], prepared.high[position] = low, high
        prepared.centre[position], prepared.scale[position] = x.mean(), x.std()
        prepared.weight[position] = 1.0
    return prepared


def missing_patterns(values: Columns | RowView) -> list[list[int]]:
    """Group the columns that are missing in the same training rows.

    Returns
    -------
    list of list of int
        Positions of columns; those that are (nearly) never or always missing
        are in no group.
    """
    groups: dict[bytes, list[int]] = {}
    for position, column in enumerate(values):
        gone = ~np.isfinite(column)
        if MIN_MISSING_SHARE <= gone.mean() <= 1 - MIN_MISSING_SHARE:
            groups.setdefault(np.packbits(gone).tobytes(), []).append(position)
    return list(groups.values())
