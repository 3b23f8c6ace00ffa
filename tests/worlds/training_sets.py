"""Training sets with a planted effect: real columns and fitted families, made-up prospects."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from microconv.features.matrix import column_names
from microconv.features.training_set import TrainingSet
from microconv.histories.arrays import Attributes, Histories, VisibleEvents
from microconv.settings import (
    BacktestSettings,
    EngineSettings,
    FeatureSettings,
    ForestSettings,
    JourneySettings,
    ModelSettings,
    Settings,
    SnapshotSettings,
    StepSettings,
    TreeSettings,
)
from worlds.logs import JOURNEY

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
"""A Monday; further dates follow weekly."""

FEATURES = FeatureSettings(families=("counts", "recency", "attributes"), windows_days=(30,))

MODEL = ModelSettings(
    seed=3,
    trees=TreeSettings(num_iterations=40, num_leaves=7, learning_rate=0.1),
    hazard=TreeSettings(num_iterations=40, num_leaves=7, learning_rate=0.1),
    forest=ForestSettings(trees=20),
)

JOURNEY_SETTINGS = JourneySettings(
    stages=JOURNEY.stages,
    steps={
        step.name: StepSettings(
            kind=step.kind, stage=step.stage, commitment=step.commitment, events=step.events
        )
        for step in JOURNEY.steps
    },
)


def mondays(count: int) -> tuple[datetime, ...]:
    """Return `count` Mondays, starting with FIRST."""
    return tuple(FIRST + timedelta(days=7 * k) for k in range(count))


def planted_set(
    prospects: int = 300, dates: int = 12, *, seed: int = 0, signal: float = 1.0
) -> TrainingSet:
    """Make a set in which pricing visits and recency predict, and an attribute a little.

    Each prospect has a snapshot on about half of the dates; with `signal` 0 nothing
    predicts anything.
    """
    rng = np.random.default_rng(seed)
    names = column_names(JOURNEY, FEATURES, {}, fitted=False)
    who, when = np.argwhere(rng.random((prospects, dates)) < 0.5).T
    values = rng.poisson(0.7, (len(names), len(who))).astype(np.float32)
    for position, name in enumerate(names):
        if name.startswith("recency."):
            values[position] = rng.exponential(10, len(who))
            values[position, rng.random(len(who)) < 0.3] = np.nan
    values[names.index("recency.(any).last")] = rng.exponential(10, len(who))
    source = rng.choice(["webinar", "fair", "search"], prospects)
    truth = (
        1.5 * values[names.index("counts.pricing.30d")]
        - 0.1 * values[names.index("recency.(any).last")]
        + 0.5 * (source[who] == "webinar")
    )
    chance = 1 / (1 + np.exp(1.5 - signal * truth))
    converted = rng.random(len(who)) < chance
    as_of = pd.to_datetime([mondays(dates)[k] for k in when], utc=True).astype(
        "datetime64[us, UTC]"
    )
    days = rng.uniform(0, 30, len(who))
    snapshots = pd.DataFrame(
        {
            "prospect_id": [f"p{k:04d}" for k in who],
            "as_of": as_of,
            "observed": True,
            "converted": converted,
            "value": np.where(converted, rng.lognormal(8, 1, len(who)).round(2), np.nan),
            "days_to_conversion": np.where(converted, days, np.nan).astype(np.float32),
            "known_at": (as_of + pd.to_timedelta(days, unit="D").floor("s")).where(converted),
            "exit_known_at": pd.Series(pd.NaT, range(len(as_of)), "datetime64[us, UTC]"),
            "followed_until": pd.Timestamp(mondays(dates)[-1] + timedelta(days=30)).as_unit("us"),
            "weight": np.float32(1),
        }
    )
    return TrainingSet(snapshots, names, values, _visible(who, as_of, source), JOURNEY, FEATURES)


def _visible(who, as_of, source) -> VisibleEvents:
    """Give each prospect no events and one attribute, known since 1970."""
    n, nothing = len(source), np.empty(0, np.int64)
    attributes = Attributes(
        np.arange(n + 1), np.zeros(n, np.int64), pa.table({"source": source.tolist()})
    )
    histories = Histories(
        pa.array([f"p{k:04d}" for k in range(n)]),
        np.zeros(n + 1, np.int64),
        nothing,
        nothing,
        nothing,
        nothing.astype(np.int16),
        nothing.astype(np.float64),
        nothing.astype(np.float32),
        attributes,
    )
    zeros = np.zeros(len(who), np.int64)
    h = histories
    instants = as_of.astype("int64").to_numpy()
    return VisibleEvents(
        h,
        who.astype(np.int64),
        instants,
        zeros,
        zeros,
        h.time,
        h.step,
        h.value,
        h.human_probability,
    )


def with_outcomes(training_set: TrainingSet, converted: np.ndarray) -> TrainingSet:
    """Replace the outcomes: new conversions happen, and are known, after 29 days."""
    snapshots = training_set.snapshots.copy()
    fresh = converted & ~snapshots["converted"].to_numpy(bool)
    late = snapshots["as_of"] + pd.Timedelta(days=29)
    snapshots["converted"] = converted
    snapshots["known_at"] = snapshots["known_at"].where(~fresh, late).where(converted)
    days = snapshots["days_to_conversion"].where(~fresh, np.float32(29)).where(converted)
    snapshots["days_to_conversion"] = days.astype(np.float32)
    return replace(training_set, snapshots=snapshots)


def with_exits(training_set: TrainingSet, left: np.ndarray, *, days: float = 10) -> TrainingSet:
    """Add exits to some rows, which become known so many days after `as_of`."""
    snapshots = training_set.snapshots.copy()
    known = snapshots["as_of"] + pd.Timedelta(days=days)
    snapshots["exit_known_at"] = known.where(left)
    return replace(training_set, snapshots=snapshots)


def reordered(training_set: TrainingSet, order: np.ndarray) -> TrainingSet:
    """Return the rows in another order."""
    return training_set.take_rows(order)


def settings_for(model: ModelSettings = MODEL, *, threads: int | None = 1) -> Settings:
    """Return the sections that training reads, around the planted sets."""
    return Settings.model_construct(
        journey=JOURNEY_SETTINGS,
        snapshots=SnapshotSettings(
            first=FIRST, every_days=7, horizon_days=30, active_within_days=60
        ),
        features=FEATURES,
        backtest=BacktestSettings(folds=1, test_snapshots=2),
        model=model,
        engine=EngineSettings(threads=threads),
    )
