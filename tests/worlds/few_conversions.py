"""A small world in which the journey is right: more committed steps, more conversions.

Everybody has one snapshot, so that a row is a person. Training snapshots are in winter, until
as many converted as a test wants; in spring the same world has so many others that the quality
of a model there is known to the third decimal.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from microconv.features.matrix import column_names
from microconv.features.training_set import TrainingSet
from microconv.histories.arrays import Attributes, Histories, VisibleEvents
from worlds.logs import JOURNEY
from worlds.training_sets import FEATURES, mondays

RATE, TESTED = 0.04, 10_000
TRAINING_DATES, TEST_DATE = mondays(8), mondays(17)[16]

RATES = {"sent": 3.0, "opened": 1.2, "blog": 0.9, "guide": 0.5, "pricing": 0.4, "reference": 0.15}
"""Events of each step in thirty days, on average; as many again came before."""

JOURNEY_IS_RIGHT = {"blog": 0.1, "guide": 0.3, "pricing": 0.5, "reference": 0.9}
"""What one of each in the last thirty days adds to the log odds, in the order of commitment."""

JOURNEY_IS_WRONG = {"blog": 0.9, "reference": -0.9}
NOTHING_PREDICTS: dict[str, float] = {}


def few_conversions(
    conversions: int, *, seed: int, truth: Mapping[str, float] = JOURNEY_IS_RIGHT
) -> tuple[TrainingSet, np.ndarray]:
    """Make a training set with exactly so many conversions, and mark its training rows.

    The other rows are later, of :data:`TESTED` other people.
    """
    rng = np.random.default_rng(seed)
    pool = round(2 * conversions / RATE) + 500
    lately = {step: rng.poisson(rate, pool + TESTED) for step, rate in RATES.items()}
    signal = sum((value * lately[step] for step, value in truth.items()), np.zeros(pool + TESTED))
    converted = rng.random(len(signal)) < 1 / (1 + np.exp(-_intercept(signal) - signal))
    enough = int(np.flatnonzero(np.cumsum(converted[:pool]) == conversions)[0]) + 1
    kept = np.r_[:enough, pool : pool + TESTED]
    train = np.arange(len(kept)) < enough
    dates = np.array(TRAINING_DATES)[rng.integers(0, len(TRAINING_DATES), len(kept))]
    dates = pd.to_datetime(np.where(train, dates, TEST_DATE), utc=True)
    values = _columns({step: count[kept] for step, count in lately.items()}, rng)
    snapshots = _snapshots(dates.astype("datetime64[us, UTC]"), converted[kept], rng)
    names = column_names(JOURNEY, FEATURES, {}, fitted=False)
    visible = _visible(snapshots["as_of"])
    return TrainingSet(snapshots, names, values, visible, JOURNEY, FEATURES), train


def _intercept(signal: np.ndarray) -> float:
    """Find what makes :data:`RATE` of everybody convert, by halving."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        too_many = (1 / (1 + np.exp(-middle - signal))).mean() > RATE
        low, high = (low, middle) if too_many else (middle, high)
    return low


def _columns(lately: Mapping[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Write the columns of :data:`FEATURES` out by their definitions."""
    n = len(lately["sent"])
    zero = np.zeros(n, int)
    counts = {}
    for step in JOURNEY.steps:
        recent = lately.get(step.name, zero)
        ever = recent + (rng.poisson(RATES[step.name], n) if step.name in RATES else 0)
        for group in (step.name, f"kind={step.kind}", f"stage={step.stage}"):
            counts[f"{group}.30d"] = counts.get(f"{group}.30d", zero) + recent
            counts[f"{group}.ever"] = counts.get(f"{group}.ever", zero) + ever
    names = column_names(JOURNEY, FEATURES, {}, fitted=False)
    values = np.full((len(names), n), np.nan, np.float32)
    for position, name in enumerate(names):
        family, _, rest = name.partition(".")
        if family == "counts":
            values[position] = counts[rest]
            continue
        step, _, which = rest.rpartition(".")
        done = counts.get(f"{step}.30d", counts["kind=micro.30d"])
        ever = counts.get(f"{step}.ever", counts["kind=micro.ever"])
        days = np.where(done > 0, rng.uniform(0, 30, n), rng.uniform(30, 90, n))
        values[position] = np.where(ever > 0, days + (30 if which == "first" else 0), np.nan)
    return values


def _snapshots(as_of: pd.DatetimeIndex, converted: np.ndarray, rng) -> pd.DataFrame:
    days = np.floor(rng.uniform(0, 30, len(as_of)) * 24) / 24
    return pd.DataFrame(
        {
            "prospect_id": [f"p{k:05d}" for k in range(len(as_of))],
            "as_of": as_of,
            "observed": True,
            "converted": converted,
            "value": np.where(converted, rng.lognormal(8, 1, len(as_of)).round(2), np.nan),
            "days_to_conversion": np.where(converted, days, np.nan).astype(np.float32),
            "known_at": pd.Series(as_of + pd.to_timedelta(days, unit="D").floor("s")).where(
                converted
            ),
            "exit_known_at": pd.Series(pd.NaT, range(len(as_of)), "datetime64[us, UTC]"),
            "followed_until": pd.Series(as_of + pd.Timedelta(days=30)).dt.as_unit("us"),
            "weight": np.float32(1),
        }
    )


def _visible(as_of: pd.Series) -> VisibleEvents:
    """Let nobody have an event or an attribute: the columns are made already."""
    n, nothing = len(as_of), np.empty(0, np.int64)
    attributes = Attributes(np.zeros(n + 1, np.int64), nothing, pa.table({}))
    histories = Histories(
        pa.array([f"p{k:05d}" for k in range(n)]),
        np.zeros(n + 1, np.int64),
        nothing,
        nothing,
        nothing,
        nothing.astype(np.int16),
        nothing.astype(np.float64),
        nothing.astype(np.float32),
        attributes,
    )
    h, zeros = histories, np.zeros(n, np.int64)
    instants = as_of.astype("int64").to_numpy()
    return VisibleEvents(
        h, np.arange(n), instants, zeros, zeros, h.time, h.step, h.value, h.human_probability
    )
