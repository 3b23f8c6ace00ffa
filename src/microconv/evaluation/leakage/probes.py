"""Probes: small models fitted only for diagnosis, to compare their AUC.

==================  ==========================================================
all                 all columns, tested on later rows: the reference
history             the columns made from events
attributes          the columns made from attributes
event_count         the number of events, whatever they are
order_shuffled      all columns, after shuffling the steps of each history over
                    their times: the order of steps carries no information
random_split        all columns, training and test rows drawn at random
shuffled_labels     all columns, labels shuffled: the AUC must be 0.5
==================  ==========================================================
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

import numpy as np

from microconv.evaluation.intervals import estimate
from microconv.evaluation.leakage.columns import is_attribute
from microconv.evaluation.leakage.sample import FoldSample
from microconv.evaluation.metrics import Predictions, draw_resamples, ranking_metrics
from microconv.features.family import Columns
from microconv.features.matrix import build_features
from microconv.features.training_set import TrainingSet
from microconv.histories.arrays import VisibleEvents
from microconv.model.training_rows import Floats
from microconv.model.trees import fit_trees
from microconv.settings import TreeSettings

SMALL_TREES = TreeSettings(
    num_iterations=40,
    learning_rate=0.1,
    num_leaves=15,
    min_data_in_leaf=20,
    feature_fraction=0.3,
    bagging_fraction=1.0,
)
"""Settings of the probes: half a second of fitting shows what there is."""

SHUFFLES = 2
"""How often the labels are shuffled."""

RESAMPLES, CONFIDENCE = 200, 0.95


def start_probes(
    sample: FoldSample, names: list[str], values: Columns, *, seed: int, pool: Executor
) -> Callable[[], dict[str, Any]]:
    """Submit the probes to a thread pool; return a function that waits for their AUCs.

    Parameters
    ----------
    sample : FoldSample
    names, values
        Its columns, from :meth:`FoldSample.columns`.
    seed : int
    pool : Executor
        Fits each probe in one of its threads.

    Returns
    -------
    callable
        Returns a dict: probe → `value`, `low`, `high`; and the differences `order_gain`
        (all − order_shuffled), `step_type_gain` (all − event_count) and `random_split_gap`
        (random_split − all). A probe without columns is None with a reason.
    """
    rng = np.random.default_rng(seed)
    history = np.array([not is_attribute(name) for name in names], dtype=bool)
    reordered = replace(sample, rows=shuffle_order(sample.rows, rng))
    mixed = replace(sample, train=rng.permutation(sample.train))
    relabelled = [replace(sample, labels=rng.permutation(sample.labels)) for _ in range(SHUFFLES)]

    def submit(rows: FoldSample, values: Columns | None = None, seed: int = seed) -> Future[Floats]:
        return pool.submit(_resampled_auc, rows, values, seed)

    probes = {
        "all": submit(sample, values),
        "history": submit(sample, values[history]),
        "attributes": submit(sample, values[~history]),
        "event_count": submit(sample, event_counts(sample.rows)),
        "order_shuffled": submit(reordered),
        "random_split": submit(mixed, seed=seed + 1),
    }
    shuffled = [submit(rows) for rows in relabelled]

    def wait() -> dict[str, Any]:
        aucs = {name: probe.result() for name, probe in probes.items()}
        aucs["shuffled_labels"] = np.mean([probe.result() for probe in shuffled], axis=0)
        aucs["order_gain"] = aucs["all"] - aucs["order_shuffled"]
        aucs["step_type_gain"] = aucs["all"] - aucs["event_count"]
        aucs["random_split_gap"] = aucs["random_split"] - aucs["all"]
        return {
            name: estimate(auc, CONFIDENCE, why="there are no such columns")
            for name, auc in aucs.items()
        }

    return wait


def predict_with_probe(sample: FoldSample, values: Columns, *, seed: int) -> Floats:
    """Fit a small model on the training rows; return the logit of each test row.

    Parameters
    ----------
    sample : FoldSample
    values : ndarray of float32, shape (n_columns, n_rows)
    seed : int
    """
    train = sample.train
    ones = np.ones(int(train.sum()))
    model = fit_trees(
        values[:, train], sample.labels[train], ones, SMALL_TREES, seed=seed, threads=1
    )
    return model.logit(values[:, ~train], threads=1)


def _resampled_auc(sample: FoldSample, values: Columns | None, seed: int) -> Floats:
    """Return a probe's AUC on the test rows, then its resamples by prospect.

    Unless given, the columns are made here, so that they are freed with the probe.
    """
    if values is None:
        values = sample.columns()[1]
    test = ~sample.train
    ids = sample.rows.snapshots["prospect_id"].to_numpy(str)[test]
    prospect = np.unique(ids, return_inverse=True)[1].astype(np.int64)
    counts = draw_resamples(int(prospect.max()) + 1, RESAMPLES, seed=seed)
    if len(values) == 0:
        return np.full(len(counts), np.nan)
    logit = predict_with_probe(sample, values, seed=seed)
    levels = np.unique(logit, return_inverse=True)[1]
    probability = (levels + 1.0) / (levels.max() + 2.0)  # AUC depends on the order only
    no_value = np.zeros(len(logit))
    predictions = Predictions(probability, sample.labels[test], no_value, prospect, prospect)
    return ranking_metrics(predictions, counts)[:, 0]


def event_counts(rows: TrainingSet) -> Columns:
    """Count each row's visible events, in total and by window where steps are counted."""
    total = [(rows.visible.end - rows.visible.start).astype(np.float32)]
    windows: dict[str, list[int]] = {}
    for position, name in enumerate(rows.names):
        if name.startswith("counts.") and "=" not in name:
            windows.setdefault(name.rsplit(".", 1)[1], []).append(position)
    return np.stack([*total, *(rows.values[at].sum(axis=0) for at in windows.values())])


def shuffle_order(rows: TrainingSet, rng: np.random.Generator) -> TrainingSet:
    """Shuffle the visible events of each row over their own times.

    Which events there are, how many, and at which times something happened stays the
    same; what happened when does not. Rows are shuffled separately, so no row gets an
    event that it may not see.

    Parameters
    ----------
    rows : TrainingSet
    rng : Generator

    Returns
    -------
    TrainingSet
        With columns of the shuffled events.
    """
    visible = rows.visible
    lengths = visible.end - visible.start
    last = np.cumsum(lengths)
    row = np.repeat(np.arange(len(visible)), lengths)
    source = np.arange(len(row)) - np.repeat(last - lengths, lengths) + visible.start[row]
    shuffled_from = source[np.lexsort((rng.random(len(row)), row))]
    shuffled = VisibleEvents(
        visible.histories,
        visible.prospect,
        visible.as_of,
        last - lengths,
        last,
        visible.time[source],
        visible.step[shuffled_from],
        visible.value[shuffled_from],
        visible.human_probability[shuffled_from],
    )
    values = build_features(shuffled, rows.journey, rows.settings, {}, fitted=False)
    return replace(rows, values=values, visible=shuffled)
