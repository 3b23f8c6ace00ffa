"""Rows that models are fitted on: labels as they were known, weights, validation dates, sampling.

A worked example of the validation split, with a horizon of 30 days and no label lag. The
training snapshots are on ten Mondays, 3 October to 5 December; a quarter of the dates,
rounded up, is three.

* The validation dates are 21 November to 5 December.
* Models tried on them may only use windows that had closed by 21 November:
  as_of + 30 days <= 21 November, so 3 October to 17 October.

Negative downsampling: rows with a conversion are few, and all are kept (a trial, whose model is
thrown away, samples them too where there are very many). Of the other rows a fraction is drawn
by a hash, and the weights of the drawn rows are scaled up to the total of all. So every base
model sees the true base rate, the hazard's time at risk included, and nothing needs to be
corrected afterwards. For a model fitted without weights the same correction of its probability
p is q = p / (p + (1 - p) / fraction). An example: of 20,000 rows with a conversion and 980,000
without, at most 200,000 to be drawn, each of the latter is drawn with probability 0.204 and
weighs 4.9 times its own weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.errors import NotEnoughDataError
from microconv.histories.folds import closed_as_ofs
from microconv.settings import ModelSettings, Settings

if TYPE_CHECKING:
    from microconv.features.training_set import TrainingSet

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

MIN_PER_CLASS = 25
"""With fewer conversions (or non-conversions) than this on validation rows nothing is chosen."""

NEGATIVES_PER_POSITIVE = 4
"""At least so many rows without a conversion are drawn for each row with one: a model overfits
few heavy rows, and then gives too high a probability to those that were not drawn."""


@dataclass(frozen=True)
class TrainingConfig:
    """How models are fitted, apart from the rows.

    Attributes
    ----------
    model : ModelSettings
    horizon, label_lag : timedelta
    threads : int or None
        For the libraries; results are identical.
    max_positives : int or None
        About so many rows with a conversion are drawn, with weights scaled up to all; None: all
        are used. Only a trial samples them.
    """

    model: ModelSettings
    horizon: timedelta
    label_lag: timedelta = timedelta(0)
    threads: int | None = None
    max_positives: int | None = None

    @property
    def embargo(self) -> timedelta:
        """How long before a test begins the dates that have labels must end."""
        return self.horizon + self.label_lag

    @classmethod
    def from_settings(cls, settings: Settings) -> TrainingConfig:
        """Collect the configuration from the sections of params.yaml."""
        return cls(
            settings.model,
            settings.snapshots.horizon,
            settings.backtest.label_lag,
            settings.engine.threads,
        )


@dataclass(frozen=True)
class ValidationSplit:
    """The latest training dates, and the earlier ones that models tried on them may use.

    Attributes
    ----------
    train, validation : ndarray of bool, shape (n_rows,)
        Of the whole training set; disjoint, not necessarily covering it.
    begins : datetime
        The first instant of `validation`: labels of `train` count as known by then.
    """

    train: Mask = field(repr=False)
    validation: Mask = field(repr=False)
    begins: datetime


def known_labels(snapshots: pd.DataFrame, before: datetime | None) -> Mask:
    """Return which rows were known to have converted at an instant.

    Parameters
    ----------
    snapshots : DataFrame
        With `converted` and `known_at`.
    before : datetime or None
        A conversion counts if it was known strictly before; None counts all.

    Returns
    -------
    ndarray of bool, shape (n_rows,)
    """
    converted = snapshots["converted"].to_numpy(dtype=bool)
    if before is None:
        return converted
    known: Mask = (snapshots["known_at"] < pd.Timestamp(before)).to_numpy(dtype=bool)
    return converted & known


def known_exits(snapshots: pd.DataFrame, before: datetime | None) -> Mask:
    """Return which rows were known at an instant to have left inside the window.

    Parameters
    ----------
    snapshots : DataFrame
        With `exit_known_at`.
    before : datetime or None
        An exit counts if it was known strictly before; None counts all.

    Returns
    -------
    ndarray of bool, shape (n_rows,)
        Some of them may have converted as well.
    """
    known = snapshots["exit_known_at"]
    left = known.notna() if before is None else known < pd.Timestamp(before)
    return np.asarray(left, dtype=bool)


def rows_at(snapshots: pd.DataFrame, as_ofs: tuple[datetime, ...]) -> Mask:
    """Return which rows have one of these `as_of` dates.

    Parameters
    ----------
    snapshots : DataFrame
    as_ofs : tuple of datetime
    """
    found: Mask = snapshots["as_of"].isin([pd.Timestamp(a) for a in as_ofs]).to_numpy(dtype=bool)
    return found


def labelled_rows_at(training_set: TrainingSet, as_ofs: tuple[datetime, ...]) -> Mask:
    """Return which rows have one of these `as_of` dates and a closed window.

    Parameters
    ----------
    training_set : TrainingSet
    as_ofs : tuple of datetime
    """
    return rows_at(training_set.snapshots, as_ofs) & training_set.labelled


def sorted_rows(snapshots: pd.DataFrame, rows: Mask) -> npt.NDArray[np.intp]:
    """Return the positions of the marked rows by prospect and instant.

    Floating-point sums and random samples depend on the order of the rows, and that of a
    training set depends on the number of buckets of the log. Models must not.

    Parameters
    ----------
    snapshots : DataFrame
        With `prospect_id` and `as_of`.
    rows : ndarray of bool, shape (n_rows,)
    """
    chosen = np.flatnonzero(rows)
    keys = snapshots.iloc[chosen][["prospect_id", "as_of"]].reset_index(drop=True)
    order = keys.sort_values(["prospect_id", "as_of"], kind="stable").index.to_numpy(dtype=np.intp)
    return chosen[order]


def visit_order_weights(snapshots: pd.DataFrame) -> Floats:
    """Return 1 for a prospect's first row, 1/2 for the second, 1/3 for the third, in time order.

    A prospect with ten snapshots should not count ten times as much. But a weight of 1 / all
    snapshots of the prospect would leak the outcome: who converts has no later snapshots, so
    fewer rows and a larger weight, and every probability would come out too high (by half and
    more where conversions are rare). The number of snapshots *so far* is known at `as_of` and
    causes no bias.

    Parameters
    ----------
    snapshots : DataFrame
        With `prospect_id` and `as_of`.

    Returns
    -------
    ndarray of float64, shape (n_rows,)

    Examples
    --------
    >>> days = pd.to_datetime(["2024-01-08", "2024-01-01", "2024-01-01"], utc=True)
    >>> snapshots = pd.DataFrame({"prospect_id": ["ada", "ada", "bo"], "as_of": days})
    >>> visit_order_weights(snapshots).tolist()
    [0.5, 1.0, 1.0]
    """
    visits = snapshots.groupby("prospect_id", sort=False)["as_of"].rank(method="first")
    weights: Floats = 1.0 / visits.to_numpy(dtype=np.float64)
    return weights


def require_both_classes(labels: Mask, where: str) -> None:
    """Check that some, but not all, of the rows converted.

    Parameters
    ----------
    labels : ndarray of bool, shape (n_rows,)
    where : str
        Which rows, for the message: "to learn from".

    Raises
    ------
    NotEnoughDataError
    """
    rows, positives = len(labels), int(labels.sum())
    if rows == 0:
        raise NotEnoughDataError(
            f"There are no rows with a closed outcome window {where}. Take earlier snapshots "
            "(`snapshots.first`), shorten `snapshots.horizon_days`, or bring a longer export."
        )
    if positives == 0:
        raise NotEnoughDataError(
            f"None of the {rows} rows {where} is followed by a conversion, so there is nothing to "
            "learn from. Check that the outcome's event is a step of `kind: major` in the journey "
            "and that its source was ingested, or bring a longer export."
        )
    if positives == rows:
        raise NotEnoughDataError(
            f"All {rows} rows {where} are followed by a conversion: a model also needs prospects "
            "who did not convert. Check that the export is not limited to customers."
        )


def plan_validation(
    snapshots: pd.DataFrame, train: Mask, labels: Mask, config: TrainingConfig
) -> ValidationSplit | str:
    """Set the latest training dates aside, with the embargo before them.

    Parameters
    ----------
    snapshots : DataFrame of shape (n_rows, …)
    train : ndarray of bool, shape (n_rows,)
    labels : ndarray of bool, shape (n_rows,)
        As they were known when training ended.
    config : TrainingConfig

    Returns
    -------
    ValidationSplit or str
        Or the reason why there is none.
    """
    unique = snapshots["as_of"][train].drop_duplicates().sort_values()
    dates = tuple(instant.to_pydatetime() for instant in unique)
    later = dates[-math.ceil(config.model.calibration_share * len(dates)) :]
    earlier = closed_as_ofs(dates, later[0], window=config.embargo)
    if not earlier:
        return (
            f"{len(dates)} training dates are too few to set {len(later)} aside with "
            f"{config.embargo.days} days between"
        )
    inner = train & rows_at(snapshots, earlier)
    outer = train & rows_at(snapshots, later)
    before = known_labels(snapshots, later[0])[inner]
    parts = ((before, "before the validation dates"), (labels[outer], "on the validation dates"))
    for known, name in parts:
        if min(known.sum(), (~known).sum()) < MIN_PER_CLASS:
            return (
                f"only {known.sum()} of {len(known)} rows {name} convert, and at least "
                f"{MIN_PER_CLASS} of each outcome are needed"
            )
    return ValidationSplit(inner, outer, later[0])


def downsample_negatives(
    snapshots: pd.DataFrame,
    converted: Mask,
    weights: Floats,
    max_negatives: int | None,
    *,
    max_positives: int | None = None,
) -> tuple[Mask, Floats]:
    """Draw about `max_negatives` of the rows without a conversion, if there are more.

    Whether a row is drawn depends on its prospect and instant, and on the number of rows: not
    on their order, the number of buckets, or a seed.

    Parameters
    ----------
    snapshots : DataFrame of shape (n_rows, …)
        With `prospect_id` and `as_of`.
    converted : ndarray of bool, shape (n_rows,)
    weights : ndarray of float64, shape (n_rows,)
    max_negatives : int or None
        None keeps all.
    max_positives : int, optional
        About so many of the rows with a conversion are drawn; None keeps all.

    Returns
    -------
    kept : ndarray of bool, shape (n_rows,)
    weights : ndarray of float64, shape (n_kept,)
        With the same sums as before, of rows with and of rows without a conversion.
    """
    positives = int(converted.sum())
    share = 1.0 if max_positives is None else min(1.0, max_positives / max(positives, 1))
    fraction = _negative_fraction(converted, max_negatives, share)
    if fraction >= 1 and share >= 1:
        return np.ones(len(converted), dtype=bool), weights
    kept: Mask = _hash_uniforms(snapshots) < np.where(converted, share, fraction)
    scaled = weights.copy()
    for side in (converted, ~converted):
        drawn = side & kept
        if 0 < drawn.sum() < side.sum():
            scaled[drawn] *= weights[side].sum() / weights[drawn].sum()
    return kept, scaled[kept]


def _negative_fraction(
    converted: Mask, max_negatives: int | None, positive_share: float = 1.0
) -> float:
    """Return the probability that a row without a conversion is drawn.

    Examples
    --------
    >>> _negative_fraction(np.arange(1000) < 10, 99)
    0.1
    >>> _negative_fraction(np.arange(1000) < 100, 99)
    0.4444444444444444
    >>> _negative_fraction(np.arange(1000) < 10, None)
    1.0
    """
    positives = int(converted.sum())
    negatives = len(converted) - positives
    if max_negatives is None or negatives == 0:
        return 1.0
    return min(
        1.0, max(max_negatives, NEGATIVES_PER_POSITIVE * positive_share * positives) / negatives
    )


def _hash_uniforms(snapshots: pd.DataFrame) -> Floats:
    """Return a number in [0, 1) per row, hashed from its prospect and instant."""
    keys = pd.DataFrame(
        {
            "prospect_id": snapshots["prospect_id"].to_numpy(object),
            "as_of": snapshots["as_of"].dt.tz_convert(None).to_numpy("datetime64[us]"),
        }
    )
    hashed = pd.util.hash_pandas_object(keys, index=False).to_numpy(np.uint64)
    return (hashed >> np.uint64(11)) / 2.0**53


def describe_downsampling(converted: Mask, max_negatives: int | None) -> str:
    """Return a clause about how many rows were drawn; empty if all were kept.

    Parameters
    ----------
    converted : ndarray of bool, shape (n_rows,)
    max_negatives : int or None
    """
    fraction = _negative_fraction(converted, max_negatives)
    if fraction >= 1:
        return ""
    negatives = int((~converted).sum())
    return (
        f"; trained on about {round(fraction * negatives):,} of {negatives:,} rows without a "
        "conversion, reweighted to all"
    )
