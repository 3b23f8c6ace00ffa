"""The amount: what a conversion is worth, where one comes.

Amounts have long tails: a few are worth more than all others together. So the mean
is taken with the highest hundredth drawn in, and a model of the logarithm has to beat
that mean, on conversions that it did not learn from, before it is used:

    amount = level · exp(Σ coefficient · (clip(squash(x)) − centre) / scale),

a ridge regression on the columns as :mod:`microconv.model.regression` prepares them, its
level set so that the amounts add up to those that were paid, no amount beyond the
range of the training conversions. Better or not is told by the gamma deviance, which
weighs a miss by the size of what is missed:

    deviance(y, m) = 2 · (y / m − 1 − log(y / m)).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.features.family import Columns
from microconv.model.logistic import paired_gain
from microconv.model.regression import Regression, prepare
from microconv.model.training_rows import Floats, Mask, sorted_rows

HIGHEST = 0.99
"""An amount above this quantile of all of them counts as that quantile."""

ENOUGH = 50
"""With fewer conversions of known value than this everybody gets the mean."""

FOLDS = 5
PENALTIES = np.logspace(1, 5, 9)


@dataclass(frozen=True)
class Amount:
    """Expected amounts.

    Attributes
    ----------
    mean : float
        The mean amount, the highest hundredth drawn in.
    line : Regression or None
        Its logit is the log of the amount over `level`; None where the mean does as well.
    level : float
        What brings the amounts to those that were paid.
    low, high : float
        No amount is beyond.
    """

    mean: float
    line: Regression | None = field(default=None, repr=False)
    level: float = 1.0
    low: float = 0.0
    high: float = float("inf")

    def predict(self, values: Columns) -> Floats:
        """Return what each row's conversion would be worth, shape (n_rows,)."""
        if self.line is None:
            return np.full(values.shape[1], self.mean)
        raw = self.level * np.exp(np.clip(self.line.logit(values), -50, 50))
        return np.asarray(np.clip(raw, self.low, self.high))

    def to_json(self) -> dict[str, Any]:
        """Write every number out."""
        if self.line is None:
            return {"mean": self.mean}
        numbers = {"level": self.level, "low": self.low, "high": self.high}
        return {"mean": self.mean, "line": self.line.to_json(), **numbers}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Amount:
        """Read what :meth:`to_json` wrote."""
        if "line" not in content:
            return cls(float(content["mean"]))
        numbers = {name: float(content[name]) for name in ("level", "low", "high")}
        return cls(float(content["mean"]), Regression.from_json(content["line"]), **numbers)


def conversions_of(snapshots: pd.DataFrame, known: Mask) -> npt.NDArray[np.intp]:
    """List one row per conversion of known value: the last one asked before it came.

    Parameters
    ----------
    snapshots : DataFrame
    known : ndarray of bool, shape (n_rows,)
        Rows whose conversion, in their window, was known.
    """
    value = snapshots["value"].to_numpy(np.float64)
    rows = sorted_rows(snapshots, known & np.isfinite(value) & (value > 0))
    asked = snapshots.iloc[rows]
    # of one conversion's rows, by instant, the last
    last = ~asked.duplicated(["prospect_id", "known_at"], keep="last").to_numpy()
    latest: npt.NDArray[np.intp] = rows[last]
    return latest


def fit_amount(values: Columns, paid: Floats, prospects: npt.NDArray[np.int64]) -> Amount | None:
    """Learn the amount; the mean, unless the columns clearly say more.

    Parameters
    ----------
    values : ndarray of float32, shape (n_columns, n_conversions)
    paid : ndarray of float64, shape (n_conversions,)
        Above zero.
    prospects : ndarray of int64, shape (n_conversions,)
        Codes 0, 1, 2, …

    Returns
    -------
    Amount or None
        None without a single conversion of known value.
    """
    if len(paid) == 0:
        return None
    mean = Amount(winsorised_mean(paid))
    if len(paid) < ENOUGH:
        return mean
    before, after = np.empty(len(paid)), np.empty(len(paid))
    for part in range(FOLDS):
        out = prospects % FOLDS == part
        if not out.any():
            continue
        plain = Amount(winsorised_mean(paid[~out]))
        before[out] = deviance(paid[out], plain.predict(values[:, out]))
        fitted = _fit_line(values[:, ~out], paid[~out])
        after[out] = deviance(paid[out], fitted.predict(values[:, out]))
    gain, error = paired_gain(before, after, prospects)
    return _fit_line(values, paid) if gain > 2 * error else mean


def deviance(paid: Floats, expected: Floats) -> Floats:
    """Gamma deviance of each conversion: 0 where the amount was right.

    Examples
    --------
    >>> deviance(np.array([100.0, 200.0]), np.array([100.0, 100.0])).round(3).tolist()
    [0.0, 0.614]
    """
    ratio = paid / expected
    return np.asarray(2 * (ratio - 1 - np.log(ratio)))


def winsorised_mean(paid: Floats) -> float:
    """Average, with the highest hundredth drawn in to the 99th percentile.

    Examples
    --------
    >>> winsorised_mean(np.array([10.0, 10.0, 10.0]))
    10.0
    """
    return float(np.minimum(paid, np.quantile(paid, HIGHEST)).mean())


def _fit_line(values: Columns, paid: Floats) -> Amount:
    from sklearn.linear_model import RidgeCV
    from threadpoolctl import threadpool_limits

    unit = prepare(values)
    used = [int(column) for column in np.flatnonzero(unit.weight)]
    parts = [unit.contribution(column, values[column]) for column in used]
    design = np.column_stack(parts or [np.zeros(len(paid))])
    with threadpool_limits(1):  # sums of several threads are added in no fixed order
        model = RidgeCV(PENALTIES).fit(design, np.log(paid))
    weight = np.zeros(len(values))
    weight[used] = model.coef_[: len(used)]
    line = Regression(0.0, unit.low, unit.high, unit.centre, unit.scale, weight, unit.missing)
    drawn_in = np.minimum(paid, np.quantile(paid, HIGHEST))
    level = float(drawn_in.sum() / np.exp(line.logit(values)).sum())
    low, high = (float(np.quantile(paid, q)) for q in (1 - HIGHEST, HIGHEST))
    return Amount(winsorised_mean(paid), line, level, low, high)
