"""Probes: small models that are fitted to be looked at, not to be used.

==================  ==========================================================
all                 every column, tested later than trained: the reference
history             the columns made from events
attributes          the columns made from attributes
volume              how many events, whatever they were
order_shuffled      every column, after the steps of each history were dealt to
                    its instants anew: nothing is known of what followed what
random_rows         every column, training and test rows drawn at random
shuffled_labels     every column, outcomes dealt to the rows anew: must be chance
==================  ==========================================================
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

import numpy as np

from microconv.evaluation.intervals import estimate
from microconv.evaluation.leakage.column_kinds import is_attribute
from microconv.evaluation.leakage.sample import Sampled
from microconv.evaluation.metrics import Predictions, draw_resamples, ranking_metrics
from microconv.features.family import Columns
from microconv.features.matrix import build_features
from microconv.features.training_set import TrainingSet
from microconv.histories.arrays import VisibleEvents
from microconv.model.training_rows import Floats
from microconv.model.trees import fit_trees
from microconv.settings import TreeSettings

SMALL = TreeSettings(
    num_iterations=40,
    learning_rate=0.1,
    num_leaves=15,
    min_data_in_leaf=20,
    feature_fraction=0.3,
    bagging_fraction=1.0,
)
"""Trees enough to see what there is, in half a second."""

SHUFFLES = 2
"""Times the outcomes are dealt anew."""

RESAMPLES, CONFIDENCE = 200, 0.95


def run_probes(
    sampled: Sampled, names: list[str], values: Columns, *, seed: int, pool: Executor
) -> Callable[[], dict[str, Any]]:
    """Hand the probes in; what comes back waits for them and says their AUC.

    Parameters
    ----------
    sampled : Sampled
    names, values
        Its columns, by :func:`columns_of`.
    seed : int
    pool : Executor
        Each probe is fitted by one of its threads.

    Returns
    -------
    callable
        Returns a dict: probe → `value`, `low`, `high`; and `order_adds` (all − order_shuffled),
        `steps_add` (all − volume) and `random_gap` (random_rows − all), alike.
        A probe without columns is None with a reason.
    """
    rng = np.random.default_rng(seed)
    history = np.array([not is_attribute(name) for name in names], dtype=bool)
    reordered = replace(sampled, rows=shuffle_order(sampled.rows, rng))
    mixed = sampled.resplit(rng.permutation(sampled.train))
    dealt = [sampled.relabelled(rng.permutation(sampled.labels)) for _ in range(SHUFFLES)]

    def tested(rows: Sampled, values: Columns | None = None, seed: int = seed) -> Future[Floats]:
        return pool.submit(_tested, rows, values, seed)

    fitted = {
        "all": tested(sampled, values),
        "history": tested(sampled, values[history]),
        "attributes": tested(sampled, values[~history]),
        "event_count": tested(sampled, volume_columns(sampled.rows)),
        "order_shuffled": tested(reordered),
        "random_split": tested(mixed, seed=seed + 1),
    }
    shuffled = [tested(rows) for rows in dealt]

    def wait() -> dict[str, Any]:
        samples = {name: probe.result() for name, probe in fitted.items()}
        samples["shuffled_labels"] = np.mean([probe.result() for probe in shuffled], axis=0)
        samples["order_gain"] = samples["all"] - samples["order_shuffled"]
        samples["step_type_gain"] = samples["all"] - samples["event_count"]
        samples["random_split_gap"] = samples["random_split"] - samples["all"]
        return {
            name: estimate(sample, CONFIDENCE, why="there are no such columns")
            for name, sample in samples.items()
        }

    return wait


def columns_of(sampled: Sampled) -> tuple[list[str], Columns]:
    """Fill every column of the rows, the fitted families' learnt on the training rows."""
    fitted = sampled.rows.fit_columns(sampled.train, sampled.labels)
    return fitted.names, fitted.values


def probe(sampled: Sampled, values: Columns, *, seed: int) -> Floats:
    """Fit a small model on the training rows; return the logit of each test row."""
    train = sampled.train
    ones = np.ones(int(train.sum()))
    model = fit_trees(values[:, train], sampled.labels[train], ones, SMALL, seed=seed, threads=1)
    return model.logit(values[:, ~train], threads=1)


def _tested(sampled: Sampled, values: Columns | None, seed: int) -> Floats:
    """Return a probe's AUC on the test rows, then its resamples by prospect.

    The columns are made here unless given: each probe's are gone once it is fitted.
    """
    if values is None:
        values = columns_of(sampled)[1]
    tested = ~sampled.train
    who = sampled.rows.snapshots["prospect_id"].to_numpy(str)[tested]
    prospect = np.unique(who, return_inverse=True)[1].astype(np.int64)
    counts = draw_resamples(int(prospect.max()) + 1, RESAMPLES, seed=seed)
    if len(values) == 0:
        return np.full(len(counts), np.nan)
    said = probe(sampled, values, seed=seed)
    levels = np.unique(said, return_inverse=True)[1]
    probability = (levels + 1.0) / (levels.max() + 2.0)  # AUC asks for an order only
    nothing = np.zeros(len(said))
    predictions = Predictions(probability, sampled.labels[tested], nothing, prospect, prospect)
    return ranking_metrics(predictions, counts)[:, 0]


def volume_columns(rows: TrainingSet) -> Columns:
    """Count each row's events: all it may see, and by window where steps are counted."""
    total = [(rows.visible.end - rows.visible.start).astype(np.float32)]
    windows: dict[str, list[int]] = {}
    for position, name in enumerate(rows.names):
        if name.startswith("counts.") and "=" not in name:
            windows.setdefault(name.rsplit(".", 1)[1], []).append(position)
    return np.stack([*total, *(rows.values[at].sum(axis=0) for at in windows.values())])


def shuffle_order(rows: TrainingSet, rng: np.random.Generator) -> TrainingSet:
    """Deal the events that each row may see to the instants of the same row anew.

    How many events there were, which, and when something happened stays as it
    was; what happened when does not. Rows are dealt by themselves: nothing that a
    row may not see is dealt into it.
    """
    seen = rows.visible
    lengths = seen.end - seen.start
    last = np.cumsum(lengths)
    row = np.repeat(np.arange(len(seen)), lengths)
    source = np.arange(len(row)) - np.repeat(last - lengths, lengths) + seen.start[row]
    dealt = source[np.lexsort((rng.random(len(row)), row))]
    shuffled = VisibleEvents(
        seen.histories,
        seen.prospect,
        seen.as_of,
        last - lengths,
        last,
        seen.time[source],
        seen.step[dealt],
        seen.value[dealt],
        seen.human_probability[dealt],
    )
    values = build_features(shuffled, rows.journey, rows.settings, {}, fitted=False)
    return replace(rows, values=values, visible=shuffled)
