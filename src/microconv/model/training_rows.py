"""What every model learns from: rows, labels as they were known, weights, and a later slice.

A worked example, with a horizon of 30 days and no label lag. Training rows ask on
ten Mondays, 3 October to 5 December; a quarter of the dates, rounded up, is three.

* The later slice is 21 November to 5 December.
* What is tried out on it may only have learnt from windows that had closed by
  21 November: as_of + 30 days <= 21 November, so 3 October to 17 October.
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
from microconv.histories.timeline import closed_as_ofs
from microconv.settings import ModelSettings, Settings

if TYPE_CHECKING:
    from microconv.features.training_set import TrainingSet

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

MIN_PER_CLASS = 25
"""Fewer conversions (or non-conversions) than this on a later slice choose nothing."""


@dataclass(frozen=True)
class TrainingConfig:
    """How models are learnt, apart from the rows.

    Attributes
    ----------
    model : ModelSettings
    horizon, label_lag : timedelta
    threads : int or None
        For the libraries; changes no bit of any model.
    max_conversions : int or None
        Of rows with a conversion about so many are learnt from, weighed back to all; None: every
        one. Only a trial is so sparing.
    """

    model: ModelSettings
    horizon: timedelta
    label_lag: timedelta = timedelta(0)
    threads: int | None = None
    max_conversions: int | None = None

    @property
    def embargo(self) -> timedelta:
        """How long before a test begins the dates that have labels must end."""
        return self.horizon + self.label_lag

    @classmethod
    def from_settings(cls, settings: Settings) -> TrainingConfig:
        """Gather the config from the sections of params.yaml."""
        return cls(
            settings.model,
            settings.snapshots.horizon,
            settings.backtest.label_lag,
            settings.engine.threads,
        )


@dataclass(frozen=True)
class LaterSlice:
    """The latest training dates, and the earlier ones that may be learnt from for them.

    Attributes
    ----------
    train, test : ndarray of bool, shape (n_rows,)
        Of the whole training set; disjoint, neither need cover all.
    begins : datetime
        The first instant of `test`: labels of `train` count as known by then.
    """

    train: Mask = field(repr=False)
    test: Mask = field(repr=False)
    begins: datetime


def known_labels(snapshots: pd.DataFrame, before: datetime | None) -> Mask:
    """Say which rows were known to have converted at an instant.

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
    """Say which rows were known at an instant to have left inside the window.

    Parameters
    ----------
    snapshots : DataFrame
        With `exit_known_at`.
    before : datetime or None
        An exit counts if it was known strictly before; None counts all.

    Returns
    -------
    ndarray of bool, shape (n_rows,)
        Some of them may have converted nevertheless.
    """
    known = snapshots["exit_known_at"]
    left = known.notna() if before is None else known < pd.Timestamp(before)
    return np.asarray(left, dtype=bool)


def rows_at(snapshots: pd.DataFrame, as_ofs: tuple[datetime, ...]) -> Mask:
    """Mark the rows that ask at one of these instants."""
    asked: Mask = snapshots["as_of"].isin([pd.Timestamp(a) for a in as_ofs]).to_numpy(dtype=bool)
    return asked


def labelled_rows_at(training_set: TrainingSet, as_ofs: tuple[datetime, ...]) -> Mask:
    """Mark the rows that ask at one of these instants and whose window has closed."""
    return rows_at(training_set.snapshots, as_ofs) & training_set.labelled


def sorted_rows(snapshots: pd.DataFrame, rows: Mask) -> npt.NDArray[np.intp]:
    """List the marked rows by prospect and instant, however the table is sorted.

    Sums in floating point and drawn samples depend on the order of the rows; that
    of a training set depends on how many buckets the log has. Models must not.
    """
    chosen = np.flatnonzero(rows)
    asked = snapshots.iloc[chosen][["prospect_id", "as_of"]].reset_index(drop=True)
    order = asked.sort_values(["prospect_id", "as_of"], kind="stable").index.to_numpy(dtype=np.intp)
    return chosen[order]


def visit_order_weights(snapshots: pd.DataFrame) -> Floats:
    """Weigh a prospect's first row 1, the second 1/2, the third 1/3, in the order asked.

    Somebody asked about ten times should not speak ten times as loud. But 1 / all
    rows of the prospect would know the outcome: who converts is not asked again, so
    has few rows, so would weigh much, and every probability would come out too high
    (by half and more where conversions are rare). How often somebody has been asked
    *so far* is known at `as_of`, and tilts nothing.

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
    >>> asked = pd.DataFrame({"prospect_id": ["ada", "ada", "bo"], "as_of": days})
    >>> visit_order_weights(asked).tolist()
    [0.5, 1.0, 1.0]
    """
    turns = snapshots.groupby("prospect_id", sort=False)["as_of"].rank(method="first")
    weights: Floats = 1.0 / turns.to_numpy(dtype=np.float64)
    return weights


def require_both_classes(labels: Mask, where: str) -> None:
    """Refuse rows among which nobody, or everybody, converted.

    Raises
    ------
    NotEnoughDataError
    """
    rows, yes = len(labels), int(labels.sum())
    if rows == 0:
        raise NotEnoughDataError(
            f"There are no rows with a closed outcome window {where}. Ask earlier "
            "(`snapshots.first`), shorten `snapshots.horizon_days`, or bring a longer export."
        )
    if yes == 0:
        raise NotEnoughDataError(
            f"None of the {rows} rows {where} is followed by a conversion, so there is nothing to "
            "learn from. Check that the outcome's event is a step of `kind: major` in the journey "
            "and that the source that bears it was ingested, or bring a longer export."
        )
    if yes == rows:
        raise NotEnoughDataError(
            f"All {rows} rows {where} are followed by a conversion: without prospects who did not "
            "convert there is nothing to tell apart. Check that the export is not limited to "
            "customers."
        )


def plan_later_slice(
    snapshots: pd.DataFrame, train: Mask, labels: Mask, config: TrainingConfig
) -> LaterSlice | str:
    """Set aside the latest training dates, with the embargo kept before them.

    Parameters
    ----------
    snapshots : DataFrame of shape (n_rows, …)
    train : ndarray of bool, shape (n_rows,)
    labels : ndarray of bool, shape (n_rows,)
        As they were known when training ended.
    config : TrainingConfig

    Returns
    -------
    LaterSlice or str
        Or the reason why there is none.
    """
    dates = _dates(snapshots, train)
    later = dates[-math.ceil(config.model.calibration_share * len(dates)) :]
    earlier = closed_as_ofs(dates, later[0], window=config.embargo)
    if not earlier:
        return (
            f"{len(dates)} training dates are too few to set {len(later)} aside with "
            f"{config.embargo.days} days between"
        )
    inner = train & rows_at(snapshots, earlier)
    outer = train & rows_at(snapshots, later)
    learnt = known_labels(snapshots, later[0])[inner]
    parts = ((learnt, "before the later slice"), (labels[outer], "on the later slice"))
    for known, name in parts:
        if min(known.sum(), (~known).sum()) < MIN_PER_CLASS:
            return (
                f"only {known.sum()} of {len(known)} rows {name} convert, and a choice takes at "
                f"least {MIN_PER_CLASS} of each outcome"
            )
    return LaterSlice(inner, outer, later[0])


def _dates(snapshots: pd.DataFrame, train: Mask) -> tuple[datetime, ...]:
    asked = snapshots["as_of"][train].drop_duplicates().sort_values()
    return tuple(instant.to_pydatetime() for instant in asked)


PER_CONVERSION = 4
"""At least so many rows without a conversion are drawn for each row with one."""


def downsample_negatives(
    snapshots: pd.DataFrame,
    converted: Mask,
    weights: Floats,
    most: int | None,
    *,
    conversions: int | None = None,
) -> tuple[Mask, Floats]:
    """Draw about `most` of the rows without a conversion, if there are more.

    Whether a row is drawn depends on its prospect and instant, and on how many rows there
    are: not on their order, the number of buckets, or a seed.

    Parameters
    ----------
    snapshots : DataFrame of shape (n_rows, …)
        With `prospect_id` and `as_of`.
    converted : ndarray of bool, shape (n_rows,)
    weights : ndarray of float64, shape (n_rows,)
    most : int or None
        None draws nothing.
    conversions : int, optional
        Of the rows with one about so many are drawn; every one is kept when None.

    Returns
    -------
    kept : ndarray of bool, shape (n_rows,)
    weights : ndarray of float64, shape (n_kept,)
        With the sum of all, of rows with and of rows without a conversion.
    """
    with_one = int(converted.sum())
    of_them = 1.0 if conversions is None else min(1.0, conversions / max(with_one, 1))
    share = sampling_rate(converted, most, of_them)
    if share >= 1 and of_them >= 1:
        return np.ones(len(converted), dtype=bool), weights
    kept: Mask = hash_uniforms(snapshots) < np.where(converted, of_them, share)
    back = weights.copy()
    for side in (converted, ~converted):
        drawn = side & kept
        if 0 < drawn.sum() < side.sum():
            back[drawn] *= weights[side].sum() / weights[drawn].sum()
    return kept, back[kept]


def sampling_rate(converted: Mask, most: int | None, of_them: float = 1.0) -> float:
    """Return the chance of a row without a conversion to be drawn, `of_them` of one with.

    Examples
    --------
    >>> sampling_rate(np.arange(1000) < 10, 99)
    0.1
    >>> sampling_rate(np.arange(1000) < 100, 99)
    0.4444444444444444
    >>> sampling_rate(np.arange(1000) < 10, None)
    1.0
    """
    with_one = int(converted.sum())
    without = len(converted) - with_one
    if most is None or without == 0:
        return 1.0
    return min(1.0, max(most, PER_CONVERSION * of_them * with_one) / without)


def hash_uniforms(snapshots: pd.DataFrame) -> Floats:
    """Deal each row a number in [0, 1) by its prospect and instant, shape (n_rows,)."""
    asked = pd.DataFrame(
        {
            "prospect_id": snapshots["prospect_id"].to_numpy(object),
            "as_of": snapshots["as_of"].dt.tz_convert(None).to_numpy("datetime64[us]"),
        }
    )
    dealt = pd.util.hash_pandas_object(asked, index=False).to_numpy(np.uint64)
    return (dealt >> np.uint64(11)) / 2.0**53


def describe_downsampling(converted: Mask, most: int | None) -> str:
    """Say that rows were drawn; nothing where none were."""
    share = sampling_rate(converted, most)
    if share >= 1:
        return ""
    without = int((~converted).sum())
    return (
        f"; learnt from about {round(share * without):,} of {without:,} rows without a conversion, "
        "weighed back to all"
    )
