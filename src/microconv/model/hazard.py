"""The hazard: when prospects convert, learnt from every window, the open ones too.

A snapshot whose window is still open has no label, and yet it says something: eight
days have gone by and nothing happened, or it already did. Where a log is short or its
present unlike its past, these latest rows are worth more than any model's settings.

A row with columns x converts on day t after it was asked at the rate

    hazard(t | x) = baseline(t) · exp(score(x)),

piecewise constant in t, so that the probability of converting within h days is

    P(h | x) = 1 − exp(−B(h) · exp(score(x))),    B(h) = the baseline added up to h,

which rises with h whatever x is. A row followed for t days, with a conversion at its
end (e = 1) or without one (e = 0), has the log likelihood e·score − B(t)·exp(score) plus
what does not depend on the score: that of a Poisson count e with the offset log B(t).
So the trees are LightGBM's Poisson regression on one line per row, and the
cumulative baseline is Nelson and Aalen's before and Breslow's after they are grown.

A worked example, with a horizon of 30 days. Asked on 1 May, followed until 9 May,
nothing happened: t = 8, e = 0. Asked on 1 May, converted on 4 May: t = 3, e = 1.
Asked on 1 March: t = 30, e = 0, though it was followed for longer: the score is about
the horizon, only the baseline is followed as far as :data:`FARTHEST`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.features.family import Columns
from microconv.features.row_view import RowView, score_in_blocks
from microconv.histories.arrays import DAY, microseconds
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
"""Days at which the baseline may change its rate; the horizon is added."""

FARTHEST = 180.0
"""The baseline is followed for so many days at most."""

FOLLOWED = 100
"""So many rows must be at risk at a horizon for the baseline to reach it."""

TINY = 1e-9


@dataclass(frozen=True)
class FollowUp:
    """What was known at an instant of what came of each question.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_rows,)
        Positions in the training set, in the order that models learn in.
    days : ndarray of float64, shape (n_rows,)
        How long each row was followed: to its conversion, if there was one.
    converted : ndarray of bool, shape (n_rows,)
    weights : ndarray of float64, shape (n_rows,)
    """

    rows: npt.NDArray[np.intp] = field(repr=False)
    days: Floats = field(repr=False)
    converted: Mask = field(repr=False)
    weights: Floats = field(repr=False)

    def until(self, days: float) -> FollowUp:
        """Look away after so many days."""
        inside = self.converted & (self.days < days)
        return FollowUp(self.rows, np.minimum(self.days, days), inside, self.weights)


@dataclass(frozen=True)
class Hazard:
    """Trees that score the rate, and the baseline they score it against.

    Attributes
    ----------
    booster : Booster
        Their raw score is the log of the rate over the baseline's.
    days, cumulative : ndarray of float64, shape (n_knots,)
        The cumulative baseline, linear between the knots.
    horizon : float
        Days.
    """

    booster: Booster = field(repr=False)
    days: Floats = field(repr=False)
    cumulative: Floats = field(repr=False)
    horizon: float

    def logit(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Return the logit of converting within the horizon, shape (n_rows,)."""
        return self._logit(self.booster.raw(values, threads=threads))

    def _logit(self, score: Floats) -> Floats:
        """Turn log rates into logits: log(exp(B·exp(score)) − 1), without overflow."""
        expected = np.exp(np.clip(score + np.log(self.at(self.horizon)), -60, 60))
        small = expected < 30
        return np.where(small, np.log(np.expm1(np.where(small, expected, 1.0))), expected)

    def contributions(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Split each row's logit into its columns: the parts of the score, scaled alike.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_columns + 1)
            The last column is the intercept; a row sums to its logit.
        """
        return rescale_contributions(
            self.booster.contributions(values, threads=threads), self._logit
        )

    def at(self, days: float) -> float:
        """Return the cumulative baseline at so many days; nan beyond its last knot."""
        return float(np.interp(days, self.days, self.cumulative, right=np.nan))

    def probability_within(self, probability: Floats, days: float) -> Floats:
        """Turn probabilities for the horizon into those for another number of days.

        What the whole model says of the horizon stays; the baseline says how much of
        it lies before `days`, or comes on top: 1 − (1 − p)^(B(days) / B(horizon)), which
        never falls as `days` rises. nan where the log is too short to say.
        """
        share = self.at(days) / self.at(self.horizon)
        return np.asarray(-np.expm1(np.log1p(-np.clip(probability, 0, 1 - 1e-12)) * share))

    def to_json(self) -> dict[str, Any]:
        """Write out everything but the trees, which have their own text."""
        return {
            "days": self.days.tolist(),
            "cumulative": self.cumulative.tolist(),
            "horizon": self.horizon,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any], trees: str) -> Hazard:
        """Read what :meth:`to_json` wrote, and the text of the trees."""
        days, cumulative = (np.array(content[n], np.float64) for n in ("days", "cumulative"))
        grown = Booster(trees)
        if grown.scores != 1:
            raise ValueError(f"trees of {grown.scores} scores are no hazard's")
        return cls(grown, days, cumulative, float(content["horizon"]))


def follow(snapshots: pd.DataFrame, config: TrainingConfig, *, now: datetime | None) -> FollowUp:
    """Say what was known at an instant of what came of the questions asked before it.

    Parameters
    ----------
    snapshots : DataFrame
        Of a training set.
    config : TrainingConfig
        An outcome takes `label_lag` to become known: rows are followed until so
        long before `now`.
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
    asked, most = snapshots.iloc[rows], config.model.max_negatives
    kept, weights = downsample_negatives(
        *(asked, converted[rows], visit_order_weights(asked), most),
        conversions=config.max_conversions,
    )
    rows = rows[kept]
    return FollowUp(rows, days[rows], converted[rows], weights)


def _instants(column: pd.Series[Any]) -> npt.NDArray[np.int64]:
    utc: npt.NDArray[np.datetime64] = column.dt.tz_convert(None).to_numpy()
    return utc.astype("datetime64[us]").astype(np.int64)


def _micros(instant: pd.Timestamp) -> int:
    return microseconds(instant.to_pydatetime())


def fit_hazard(parts: tuple[Columns, ...], followed: FollowUp, config: TrainingConfig) -> Hazard:
    """Grow the trees and add the baseline up.

    Parameters
    ----------
    parts : tuple of ndarray of float32, each of shape (n_its_columns, n_rows of the training set)
    followed : FollowUp
        With a conversion before the horizon.
    config : TrainingConfig
    """
    horizon = config.horizon.total_seconds() / 86_400
    near = followed.until(horizon)
    even = np.zeros(len(near.rows))
    offset = np.log(np.maximum(np.interp(near.days, *estimate_baseline(near, even, horizon)), TINY))
    target = {
        "label": near.converted.astype(np.float32),
        "weight": near.weights.astype(np.float32),
        "init_score": offset,
    }
    given = {
        "objective": "poisson",
        "boost_from_average": False,
        "seed": config.model.seed + 1,
        "num_threads": config.threads or 0,
    }
    asked = RowView(parts, near.rows)
    trees = fit_booster(asked, target, config.model.hazard, given)
    score = score_in_blocks(partial(trees.raw, threads=1), asked, threads=config.threads)
    return Hazard(trees, *estimate_baseline(followed.until(FARTHEST), score, horizon), horizon)


def estimate_baseline(followed: FollowUp, score: Floats, horizon: float) -> tuple[Floats, Floats]:
    """Estimate the cumulative baseline: conversions over weighted time at risk, span by span.

    Returns
    -------
    days, cumulative : ndarray of float64, shape (n_knots,)
        From 0 to the last knot that enough rows were followed to; the horizon is one.
    """
    knots = sorted({*KNOTS, horizon})
    risk, total = followed.weights * np.exp(score), [0.0]
    days = [0.0]
    for begin, end in pairwise(knots):
        if end > horizon and (followed.days >= end).sum() < FOLLOWED:
            break
        happened = followed.converted & (followed.days >= begin) & (followed.days < end)
        spent = np.clip(followed.days - begin, 0, end - begin)
        at_risk = float((risk * spent).sum())
        rate = float(followed.weights[happened].sum()) / at_risk if at_risk > 0 else 0.0
        total.append(total[-1] + rate * (end - begin))
        days.append(end)
    return np.array(days), np.array(total)
