"""What the training rows themselves say about leaks: figures only, judged by `alarms`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from microconv.evaluation.drift import base_rate_drift, collapses, column_drift
from microconv.evaluation.leakage.column_kinds import is_attribute
from microconv.evaluation.leakage.missingness import (
    known_after_conversion,
    missingness_by_attribute,
)
from microconv.evaluation.leakage.probes import columns_of, run_probes
from microconv.evaluation.leakage.sample import Sampled, sample_fold
from microconv.evaluation.leakage.single_feature import attribute_aucs, strongest_history_columns
from microconv.features.training_set import ScoringFeatures, TrainingSet
from microconv.histories.timeline import Fold
from microconv.model.training_rows import TrainingConfig

TOP = 15
"""Columns that are listed where there would be hundreds."""


def diagnose_leakage(
    training_set: TrainingSet,
    folds: Sequence[Fold],
    config: TrainingConfig,
    latest: ScoringFeatures | None = None,
) -> dict[str, Any]:
    """Measure all that the alarms are made of.

    Everything is measured on a sample of the latest fold, with small models and a
    fixed seed: the same figures whatever the number of threads or buckets.

    Parameters
    ----------
    training_set : TrainingSet
    folds : sequence of Fold
        Those of the backtest.
    config : TrainingConfig
        Its seed is used.
    latest : ScoringFeatures, optional
        The newest questions, which will be scored; without them nothing is said of
        the drift of columns.

    Returns
    -------
    dict
        Only what JSON can hold. `reason` alone where there is too little to look at.
    """
    seed = config.model.seed
    sampled = sample_fold(training_set, folds, seed=seed)
    if isinstance(sampled, str):
        return {"reason": sampled}
    names, values = columns_of(sampled)
    with ThreadPoolExecutor(config.threads or os.cpu_count()) as pool:
        probes = run_probes(sampled, names, values, seed=seed, pool=pool)
        history = pool.submit(strongest_history_columns, sampled, names, values, seed=seed)
        fallen = pool.submit(collapses, training_set, folds, seed=seed)
        return {
            "fold": folds[-1].name,
            "rows": {"train": int(sampled.train.sum()), "test": int((~sampled.train).sum())},
            "history_columns": sum(not is_attribute(name) for name in names),
            "probes": probes(),
            "history": history.result(),
            "attributes": attribute_aucs(sampled, names, values),
            "missingness": missingness_by_attribute(sampled, names, values),
            "known_after_conversion": known_after_conversion(training_set),
            "auc_drops": fallen.result(),
            "base_rate": base_rate_drift(training_set, folds[-1]),
            "drift": None if latest is None else _drift(sampled, latest),
        }


def _drift(sampled: Sampled, latest: ScoringFeatures) -> dict[str, Any]:
    """Compare the columns of the histories of training rows with the newest questions'."""
    then = sampled.rows.values[:, sampled.train]
    return {
        "as_of": latest.as_of,
        "columns": column_drift(latest.names, then, latest.values, top=TOP),
    }
