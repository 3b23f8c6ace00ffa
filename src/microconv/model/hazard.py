"""The hazard: when prospects convert, fitted on every outcome window, open ones included.

A snapshot whose window is still open has no label, but it carries information: eight days
have passed without a conversion, or it has already happened. Where a log is short, or the
present differs from the past, these latest rows are worth more than any tuning.

A row with columns x converts on day t after its `as_of` at the rate

    hazard(t | x) = baseline(t) · exp(score(x)),

piecewise constant in t, so that the probability of converting within h days is

    P(h | x) = 1 − exp(−B(h) · exp(score(x))),    B(h) = the cumulative baseline at h,

which increases with h for every x. A row followed for t days, with a conversion at its
end (e = 1) or without one (e = 0), has the log likelihood e·score − B(t)·exp(score) plus
a term without the score: that of a Poisson count e with the offset log B(t). So the trees
are LightGBM's Poisson regression on one line per row, and the cumulative baseline is the
Nelson–Aalen estimate before and the Breslow estimate after training.

A worked example, with a horizon of 30 days. `as_of` 1 May, followed until 9 May, no
conversion: t = 8, e = 0. `as_of` 1 May, converted on 4 May: t = 3, e = 1. `as_of` 1 March:
t = 30, e = 0, though it was followed for longer: the score is about the horizon, and only the
baseline uses up to :data:`MAX_DAYS` of follow-up.
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, InstanceOf
from pydantic.dataclasses import dataclass

from microconv.features.family import Columns
from microconv.features.row_view import RowView, score_in_blocks
from microconv.histories.arrays import DAY, microseconds
from microconv.model.artefact import STRICT, FloatArray
from microconv.model.booster import Booster, fit_booster
from microconv.model.logistic import rescale_contributions
from microconv.model.training_rows import (
    Floats,
    Mask,
    TrainingConfig,
    downsample_negatives,
    sorted_rows,
    visit_order_weights,
)

KNOTS = (0.0, 1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180)
"""Days at which the baseline rate may change; the horizon is added."""

MAX_DAYS = 180.0
"""The baseline is estimated for at most this many days."""

MIN_AT_RISK = 100
"""The baseline ends at the last knot beyond the horizon to which this many rows were followed."""

TINY = 1e-9


@plain_dataclass(frozen=True)
class FollowUp:
    """What was known at an instant about the outcome of each row.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_rows,)
        Positions in the training set, sorted by prospect and instant.
    days : ndarray of float64, shape (n_rows,)
        How long each row was followed: to its conversion, if there was one.
    converted : ndarray of bool, shape (n_rows,)
    weights : ndarray of float64, shape (n_rows,)
    """

    rows: npt.NDArray[np.intp] = field(repr=False)
    days: Floats = field(repr=False)
    converted: Mask = field(repr=False)
    weights: Floats = field(repr=False)

    def censor_at(self, days: float) -> FollowUp:
        """Return the same rows, followed for at most so many days."""
        inside = self.converted & (self.days < days)
        return FollowUp(self.rows, np.minimum(self.days, days), inside, self.weights)


@dataclass(frozen=True, config=STRICT)
class Hazard:
    """Trees that score the rate, and the baseline that the scores are relative to.

    Attributes
    ----------
    booster : Booster
        Its raw score is the log of the rate over the baseline's.
    days, cumulative : ndarray of float64, shape (n_knots,)
        The cumulative baseline, linear between the knots.
    horizon : float
        Days.
    """

    booster: Annotated[InstanceOf[Booster], Field(exclude=True)] = field(repr=False)
    days: FloatArray = field(repr=False)
    cumulative: FloatArray = field(repr=False)
    horizon: float

    def __post_init__(self) -> None:
        """Check the booster's number of scores and the lengths of the arrays.

        Raises
        ------
        ValueError
        """
        if self.booster.scores != 1:
            raise ValueError(f"trees with {self.booster.scores} scores: a hazard's have 1")
        if len(self.days) != len(self.cumulative):
            raise ValueError(f"{len(self.days)} days and {len(self.cumulative)} cumulative rates")

    def logit(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Return the logit of converting within the horizon, shape (n_rows,).

        Parameters
        ----------
        values, threads
            As in :meth:`~microconv.model.booster.Booster.raw`.
        """
        return self._link(self.booster.raw(values, threads=threads))

    def _link(self, score: Floats) -> Floats:
        """Turn log rates into logits: log(exp(B·exp(score)) − 1), without overflow."""
        expected = np.exp(np.clip(score + np.log(self.baseline_at(self.horizon)), -60, 60))
        small = expected < 30
        return np.where(small, np.log(np.expm1(np.where(small, expected, 1.0))), expected)

    def contributions(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Split each row's logit into its columns: those of the score, rescaled alike.

        Parameters
        ----------
        values, threads
            As in :meth:`~microconv.model.booster.Booster.raw`.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_columns + 1)
            The last column is the intercept; a row sums to its logit.
        """
        return rescale_contributions(
            self.booster.contributions(values, threads=threads), self._link
        )

    def baseline_at(self, days: float) -> float:
        """Return the cumulative baseline at so many days; nan beyond its last knot."""
        return float(np.interp(days, self.days, self.cumulative, right=np.nan))

    def probability_within(self, probability: Floats, days: float) -> Floats:
        """Convert probabilities for the horizon into those for another number of days.

        1 − (1 − p)^(B(days) / B(horizon)), which never decreases as `days` increases.

        Parameters
        ----------
        probability : ndarray of float64, shape (n_rows,)
            Of the whole model, for the horizon.
        days : float

        Returns
        -------
        ndarray of float64, shape (n_rows,)
            nan where the log is too short for an estimate.
        """
        share = self.baseline_at(days) / self.baseline_at(self.horizon)
        return np.asarray(-np.expm1(np.log1p(-np.clip(probability, 0, 1 - 1e-12)) * share))


def follow_up_rows(
    snapshots: pd.DataFrame, config: TrainingConfig, *, now: datetime | None
) -> FollowUp:
    """Return what was known at an instant about the outcomes of the rows before it.

    Parameters
    ----------
    snapshots : DataFrame
        Of a training set.
    config : TrainingConfig
        Outcomes take `label_lag` to become known: rows are followed until that long
        before `now`.
    now : datetime or None
        None: follow every row as long as the log does.
    """
    as_of, end = _instants(snapshots["as_of"]), _instants(snapshots["followed_until"])
    converted = snapshots["days_to_conversion"].notna().to_numpy(bool)
    if now is not None:
        instant = pd.Timestamp(now)
        known = (snapshots["known_at"] < instant).to_numpy(bool)
        converted = converted & known & (as_of < _micros(instant))
        end = np.minimum(end, _micros(instant - config.label_lag))
    took = snapshots["days_to_conversion"].to_numpy(np.float64)
    days = np.where(converted, took, (end - as_of) / DAY)
    rows = sorted_rows(snapshots, converted | (days > 0))
    chosen = snapshots.iloc[rows]
    kept, weights = downsample_negatives(
        chosen,
        converted[rows],
        visit_order_weights(chosen),
        config.model.max_negatives,
        max_positives=config.max_positives,
    )
    rows = rows[kept]
    return FollowUp(rows, days[rows], converted[rows], weights)


def _instants(column: pd.Series[Any]) -> npt.NDArray[np.int64]:
    utc: npt.NDArray[np.datetime64] = column.dt.tz_convert(None).to_numpy()
    return utc.astype("datetime64[us]").astype(np.int64)


def _micros(instant: pd.Timestamp) -> int:
    return microseconds(instant.to_pydatetime())


def fit_hazard(parts: tuple[Columns, ...], follow_up: FollowUp, config: TrainingConfig) -> Hazard:
    """Train the trees and estimate the baseline.

    Parameters
    ----------
    parts : tuple of ndarray of float32, each of shape (n_its_columns, n_rows of the training set)
    follow_up : FollowUp
        With a conversion before the horizon.
    config : TrainingConfig
    """
    horizon = config.horizon.total_seconds() / 86_400
    near = follow_up.censor_at(horizon)
    zero = np.zeros(len(near.rows))
    offset = np.interp(near.days, *_estimate_baseline(near, zero, horizon))
    target = {
        "label": near.converted.astype(np.float32),
        "weight": near.weights.astype(np.float32),
        "init_score": np.log(np.maximum(offset, TINY)),
    }
    fixed = {
        "objective": "poisson",
        "boost_from_average": False,
        "seed": config.model.seed + 1,
        "num_threads": config.threads or 0,
    }
    rows = RowView(parts, near.rows)
    booster = fit_booster(rows, target, config.model.hazard, fixed)
    score = score_in_blocks(partial(booster.raw, threads=1), rows, threads=config.threads)
    baseline = _estimate_baseline(follow_up.censor_at(MAX_DAYS), score, horizon)
    return Hazard(booster, *baseline, horizon)


def _estimate_baseline(follow_up: FollowUp, score: Floats, horizon: float) -> tuple[Floats, Floats]:
    """Return knots and cumulative baseline: conversions over weighted time at risk, per interval.

    `score` is the log rate of each row over the baseline's. The last knot is the last one that
    enough rows were followed to; the horizon, in days, is one of the knots.
    """
    knots = sorted({*KNOTS, horizon})
    risk, total = follow_up.weights * np.exp(score), [0.0]
    days = [0.0]
    for begin, end in pairwise(knots):
        if end > horizon and (follow_up.days >= end).sum() < MIN_AT_RISK:
            break
        happened = follow_up.converted & (follow_up.days >= begin) & (follow_up.days < end)
        spent = np.clip(follow_up.days - begin, 0, end - begin)
        at_risk = float((risk * spent).sum())
        rate = float(follow_up.weights[happened].sum()) / at_risk if at_risk > 0 else 0.0
        total.append(total[-1] + rate * (end - begin))
        days.append(end)
    return np.array(days), np.array(total)
