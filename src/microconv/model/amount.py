"""The amount model: how much a conversion is worth, if there is one.

Amounts have long tails: a few are worth more than all others together. So the mean is
winsorised at the 99th percentile, and a model of the logarithm is used only if it beats that
mean in cross-validation:

    amount = level · exp(Σ coefficient · (clip(_squash(x)) − centre) / scale),

a ridge regression on the columns as :mod:`microconv.model.regression` prepares them, with its
level set so that the amounts add up to those that were paid, and no amount beyond the range of
the training conversions. Both are compared by the gamma deviance, in which an error counts
relative to the amount:

    deviance(y, m) = 2 · (y / m − 1 − log(y / m)).
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic.dataclasses import dataclass

from microconv.features.family import Columns
from microconv.model.artefact import STRICT
from microconv.model.logistic import paired_gain
from microconv.model.regression import Regression, fit_scaling
from microconv.model.training_rows import Floats, Mask, sorted_rows

if TYPE_CHECKING:
    from microconv.features.training_set import FittedColumns

UPPER_QUANTILE = 0.99
"""An amount above this quantile of all amounts counts as that quantile."""

MIN_CONVERSIONS = 50
"""With fewer conversions of known value everybody gets the mean."""

FOLDS = 5
PENALTIES = np.logspace(1, 5, 9)


@dataclass(frozen=True, config=STRICT)
class AmountModel:
    """Expected amounts.

    Attributes
    ----------
    mean : float
        The winsorised mean.
    regression : Regression or None
        Its logit is the log of the amount over `level`; None where the mean is as good.
    level : float
        Factor that makes the amounts add up to those that were paid.
    low, high : float or None
        Limits of a predicted amount.
    """

    mean: float
    regression: Regression | None = field(default=None, repr=False)
    level: float = 1.0
    low: float | None = None
    high: float | None = None

    def predict(self, values: Columns) -> Floats:
        """Return the expected amount of each row's conversion, shape (n_rows,)."""
        if self.regression is None:
            return np.full(values.shape[1], self.mean)
        raw = self.level * np.exp(np.clip(self.regression.logit(values), -50, 50))
        return np.asarray(np.clip(raw, self.low, self.high))


def fit_known_amounts(
    snapshots: pd.DataFrame, columns: FittedColumns, known: Mask
) -> AmountModel | None:
    """Fit the amount model on the conversions that were known when training ended.

    Parameters
    ----------
    snapshots : DataFrame
        Of a training set.
    columns : FittedColumns
    known : ndarray of bool, shape (n_rows,)
        Rows whose conversion, in their window, was known.

    Returns
    -------
    AmountModel or None
        None without a single conversion of known value.
    """
    rows = _conversion_rows(snapshots, known)
    prospects = pd.factorize(snapshots["prospect_id"].to_numpy()[rows])[0].astype(np.int64)
    paid = snapshots["value"].to_numpy(np.float64)[rows]
    return _fit_amount(columns.take(rows), paid, prospects)


def _conversion_rows(snapshots: pd.DataFrame, known: Mask) -> npt.NDArray[np.intp]:
    """Return one row per conversion of known value: the last snapshot before it."""
    value = snapshots["value"].to_numpy(np.float64)
    rows = sorted_rows(snapshots, known & np.isfinite(value) & (value > 0))
    last = ~snapshots.iloc[rows].duplicated(["prospect_id", "known_at"], keep="last").to_numpy()
    latest: npt.NDArray[np.intp] = rows[last]
    return latest


def _fit_amount(
    values: Columns, paid: Floats, prospects: npt.NDArray[np.int64]
) -> AmountModel | None:
    """Fit the mean, or the regression if it clearly beats the mean in cross-validation."""
    if len(paid) == 0:
        return None
    mean = AmountModel(winsorised_mean(paid))
    if len(paid) < MIN_CONVERSIONS:
        return mean
    before, after = np.empty(len(paid)), np.empty(len(paid))
    for fold in range(FOLDS):
        out = prospects % FOLDS == fold
        if not out.any():
            continue
        plain = AmountModel(winsorised_mean(paid[~out]))
        before[out] = gamma_deviance(paid[out], plain.predict(values[:, out]))
        fitted = _fit_regression(values[:, ~out], paid[~out])
        after[out] = gamma_deviance(paid[out], fitted.predict(values[:, out]))
    gain, error = paired_gain(before, after, prospects)
    return _fit_regression(values, paid) if gain > 2 * error else mean


def gamma_deviance(paid: Floats, expected: Floats) -> Floats:
    """Return the gamma deviance of each conversion: 0 where the amount was right.

    Parameters
    ----------
    paid, expected : ndarray of float64, shape (n_conversions,)

    Examples
    --------
    >>> gamma_deviance(np.array([100.0, 200.0]), np.array([100.0, 100.0])).round(3).tolist()
    [0.0, 0.614]
    """
    ratio = paid / expected
    return np.asarray(2 * (ratio - 1 - np.log(ratio)))


def winsorised_mean(paid: Floats) -> float:
    """Return the mean, with amounts above the 99th percentile counted as that percentile.

    Examples
    --------
    >>> winsorised_mean(np.array([10.0, 10.0, 10.0]))
    10.0
    """
    return float(np.minimum(paid, np.quantile(paid, UPPER_QUANTILE)).mean())


def _fit_regression(values: Columns, paid: Floats) -> AmountModel:
    from sklearn.linear_model import RidgeCV
    from threadpoolctl import threadpool_limits

    unit = fit_scaling(values)
    used = [int(column) for column in np.flatnonzero(unit.weight)]
    parts = [unit.contribution(column, values[column]) for column in used]
    design = np.column_stack(parts or [np.zeros(len(paid))])
    with threadpool_limits(1):  # several threads add up in varying order
        model = RidgeCV(PENALTIES).fit(design, np.log(paid))
    weight = np.zeros(len(values))
    weight[used] = model.coef_[: len(used)]
    regression = replace(unit, weight=weight)
    capped = np.minimum(paid, np.quantile(paid, UPPER_QUANTILE))
    level = float(capped.sum() / np.exp(regression.logit(values)).sum())
    low, high = (float(np.quantile(paid, q)) for q in (1 - UPPER_QUANTILE, UPPER_QUANTILE))
    return AmountModel(winsorised_mean(paid), regression, level, low, high)
