"""A training set of any size with a hidden truth: who converts is a known curve of ten columns.

Counts with many zeros, and times since something that are missing where it never was: the
two kinds that a log gives. Ten of the columns are informative, some with a
step that is not linear; the rest is noise. Everybody has a snapshot
on ten Mondays, four weeks apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from microconv.features.training_set import TrainingSet
from microconv.histories.arrays import Attributes, Histories, VisibleEvents
from microconv.journey import JourneyMap
from microconv.settings import FeatureSettings, JourneySettings, StepSettings

DATES = 10
APART_DAYS = 28
HORIZON_DAYS = 30
INFORMATIVE = 10
RECENCIES = 5
"""Every fifth column is a time since something, missing in three rows of ten."""

SOURCES = ("webinar", "fair", "search")
JOURNEY = JourneyMap.from_settings(
    JourneySettings(stages=("one",), steps={"deal": StepSettings(kind="major", events=("deal",))})
)
FEATURES = FeatureSettings(families=("counts", "attributes"), windows_days=(30,))


@dataclass(frozen=True)
class World:
    """A training set, and the probability that each of its rows truly had.

    Attributes
    ----------
    training_set : TrainingSet
    truth : ndarray of float64, shape (n_rows,)
    """

    training_set: TrainingSet
    truth: npt.NDArray[np.float64] = field(repr=False)


def make(rows: int, columns: int, *, rate: float, seed: int) -> World:
    """Make the world: about so many rows (ten per prospect), `rate` of which convert."""
    rng = np.random.default_rng(seed)
    people = rows // DATES
    n = people * DATES
    values = np.empty((columns, n), np.float32)
    for position, column in enumerate(values):
        _fill(column, position, rng)
    informative = values[:INFORMATIVE]
    source = rng.integers(0, len(SOURCES), people)
    logit = _signal(informative) + 0.4 * (np.repeat(source, DATES) == 0)
    truth = _sigmoid(logit + _intercept(logit, rate))
    converted = rng.random(n) < truth
    snapshots = _snapshots(people, converted, rng)
    names = [f"counts.step{k}.30d" for k in range(columns)]
    visible = _visible(people, source, snapshots["as_of"])
    return World(TrainingSet(snapshots, names, values, visible, JOURNEY, FEATURES), truth)


def _fill(column: npt.NDArray[np.float32], position: int, rng: np.random.Generator) -> None:
    """Draw one column in place: a matrix of gigabytes is never there twice."""
    rng.standard_exponential(out=column, dtype=np.float32)
    if position % RECENCIES == 0:
        column *= 20
        column[rng.random(len(column), dtype=np.float32) < 0.3] = np.nan
    else:
        column *= 2
        np.floor(column, out=column)


def _signal(informative: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    total = np.zeros(informative.shape[1])
    for position, column in enumerate(informative):
        strength = 0.6 - 0.05 * position
        if position % RECENCIES == 0:
            total += strength * np.where(np.isnan(column), -1.0, np.exp(-column / 20))
        elif position % 2:
            total += strength * np.log1p(column)
        else:  # a step: what no line follows
            total += strength * (column >= 3)
    both: npt.NDArray[np.float64] = 0.8 * ((informative[1] >= 2) & (informative[2] >= 2))
    return total + both


def _intercept(logit: npt.NDArray[np.float64], rate: float) -> float:
    low, high = -20.0, 20.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(logit + middle).mean() < rate else (low, middle)
    return middle


def _sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-x)))


def _snapshots(
    people: int, converted: npt.NDArray[np.bool_], rng: np.random.Generator
) -> pd.DataFrame:
    when = np.tile(np.arange(DATES) * APART_DAYS, people)
    as_of = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(when, "D").as_unit("us")
    days = rng.integers(0, HORIZON_DAYS - 1, len(when))
    return pd.DataFrame(
        {
            "prospect_id": np.repeat([f"p{k:07d}" for k in range(people)], DATES),
            "as_of": as_of,
            "observed": True,
            "converted": converted,
            "value": np.nan,
            "days_to_conversion": np.where(converted, days, np.nan).astype(np.float32),
            "known_at": pd.Series(as_of + pd.to_timedelta(days, "D").as_unit("us")).where(
                converted
            ),
            "exit_known_at": pd.Series(pd.NaT, range(len(as_of)), "datetime64[us, UTC]"),
            "followed_until": as_of.max() + pd.Timedelta(days=HORIZON_DAYS),
        }
    )


def _visible(
    people: int, source: npt.NDArray[np.int64], as_of: pd.Series[pd.Timestamp]
) -> VisibleEvents:
    """Give each prospect no events and one attribute, known since 1970."""
    nothing = np.empty(0, np.int64)
    known = pa.table({"source": pa.array([SOURCES[k] for k in source])})
    histories = Histories(
        pa.array([f"p{k:07d}" for k in range(people)]),
        np.zeros(people + 1, np.int64),
        *(nothing, nothing, nothing, nothing.astype(np.int16)),
        nothing.astype(np.float64),
        nothing.astype(np.float32),
        Attributes(np.arange(people + 1), np.zeros(people, np.int64), known),
    )
    h, zeros = histories, np.zeros(len(as_of), np.int64)
    who = np.repeat(np.arange(people), DATES)
    instants = as_of.astype("int64").to_numpy().astype(np.int64)
    return VisibleEvents(
        h, who, instants, zeros, zeros, h.time, h.step, h.value, h.human_probability
    )
