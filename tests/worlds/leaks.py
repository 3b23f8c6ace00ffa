"""Training sets with a planted leak, and the results of the leakage checks on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from microconv.evaluation.leakage.checks import check_leakage
from microconv.evaluation.leakage.diagnostics import diagnose_leakage
from microconv.features.training_set import TrainingSet
from microconv.histories.arrays import DAY, Attributes
from microconv.histories.folds import Fold
from microconv.model.training_rows import TrainingConfig
from microconv.settings import LeakageCheckSettings
from worlds.training_sets import mondays, planted_set, settings_for

FOLDS = (
    Fold(mondays(12)[:6], mondays(12)[10:11]),
    Fold(mondays(12)[:7], mondays(12)[11:12]),
)
"""Two folds whose training windows (30 days) close before the test begins."""


def clean(seed: int = 0) -> TrainingSet:
    """Return a training set without a leak: steps, recency and an attribute decide."""
    return planted_set(prospects=600, dates=12, seed=seed)


def one_row_per_prospect(seed: int = 0) -> TrainingSet:
    """Return a clean set with one row per prospect: the outcome is the prospect's."""
    everything = planted_set(prospects=2000, dates=12, seed=seed)
    drawn = everything.snapshots.sample(frac=1, random_state=seed)
    return everything.take_rows(np.sort(drawn.drop_duplicates("prospect_id").index.to_numpy()))


def diagnose(training_set: TrainingSet, latest=None):
    """Return the diagnostics, without a judgement."""
    return diagnose_leakage(
        training_set, FOLDS, TrainingConfig.from_settings(settings_for()), latest
    )


def failed_checks(training_set: TrainingSet, *, status: str = "failed"):
    """Return the results with this status as (check, columns)."""
    results = check_leakage({"leakage_diagnostics": diagnose(training_set)}, LeakageCheckSettings())
    return [(a["check"], a["columns"]) for a in results if a["status"] == status]


def converters(training_set: TrainingSet) -> np.ndarray:
    """Mark the prospects of the histories that ever convert."""
    visible, converted = training_set.visible, training_set.snapshots["converted"]
    out = np.zeros(len(visible.histories), dtype=bool)
    out[visible.prospect[converted.to_numpy(bool)]] = True
    return out


def conversion_times(training_set: TrainingSet) -> np.ndarray:
    """Return when each prospect first converts, in microseconds; 0 for never."""
    snapshots, out = training_set.snapshots, np.zeros(len(training_set.visible.histories), np.int64)
    yes = snapshots["converted"].to_numpy(bool)
    at = training_set.visible.as_of + (snapshots["days_to_conversion"].to_numpy() * DAY)
    for prospect, instant in sorted(
        zip(training_set.visible.prospect[yes], at[yes], strict=True), key=lambda pair: -pair[1]
    ):
        out[prospect] = int(instant)
    return out


def with_attribute(training_set: TrainingSet, name: str, values, known_at=None) -> TrainingSet:
    """Add an attribute to each prospect, known since 1970 or since `known_at`."""
    visible, histories = training_set.visible, training_set.visible.histories
    old = histories.attributes
    assert old is not None
    n = len(histories)
    if known_at is None:
        attributes = replace(old, table=old.table.append_column(name, pa.array(values)))
    else:  # a second row for everybody
        first = old.table.append_column(name, pa.array([None] * n, pa.array(values).type))
        blank = pa.array([None] * n, old.table.schema.field("source").type)
        second = pa.table({"source": blank, name: pa.array(values)})
        order = np.arange(2 * n).reshape(2, n).T.ravel()
        attributes = Attributes(
            np.arange(n + 1) * 2,
            np.stack([old.known_at, known_at], axis=1).ravel(),
            pa.concat_tables([first, second]).take(pa.array(order)),
        )
    there = replace(visible, histories=replace(histories, attributes=attributes))
    return replace(training_set, visible=there)


def with_column(training_set: TrainingSet, name: str, column) -> TrainingSet:
    """Replace the values of a history column."""
    values = training_set.values.copy()
    values[training_set.names.index(name)] = column
    return replace(training_set, values=values)


def on_first_mondays(training_set: TrainingSet, count: int) -> np.ndarray:
    """Mark the rows of the first `count` dates."""
    as_of: pd.Series = training_set.snapshots["as_of"]
    return as_of.isin(list(map(pd.Timestamp, mondays(12)[:count]))).to_numpy(bool)
