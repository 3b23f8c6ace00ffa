"""Leakage diagnostics of a training set: figures only; `checks` applies the thresholds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc

from microconv.evaluation.drift import base_rate_drift, column_drift
from microconv.evaluation.leakage.columns import (
    auc_error,
    auc_estimate,
    column_aucs,
    combine_attribute_columns,
    is_attribute,
    origin_of,
    rates_by_value,
)
from microconv.evaluation.leakage.probes import predict_with_probe, start_probes
from microconv.evaluation.leakage.sample import FoldSample, sample_fold
from microconv.features.families.attributes import MISSING, OTHER
from microconv.features.family import Columns
from microconv.features.training_set import ScoringFeatures, TrainingSet
from microconv.histories.arrays import DAY
from microconv.histories.folds import Fold
from microconv.model.training_rows import Floats, Mask, TrainingConfig

MAX_DRIFTED = 15
"""The most shifted columns that are listed."""

MIN_LEAD = 0.05
"""The search for strong history columns ends with one whose AUC leads by less than this."""

MAX_STRONG_COLUMNS = 5
"""The search for strong history columns ends after this many."""

ALMOST_ALWAYS = 0.9
"""A value is pure if at least this share of its rows converts."""

HARDLY_EVER = 0.2
"""A value is pure if its conversion rate is at most this part of the mean …"""

MIN_BASE_RATE = 0.1
"""… unless the mean is below this: then low rates are nothing special."""

MIN_VALUE_ROWS = 30
"""A value of fewer rows is never pure."""

AUC_DROP_ROWS = 4_000
"""Rows of each fold in which columns are checked for an AUC drop."""

AUC_DROP_Z = 3.5
"""Standard errors of a drop that is reported: there are hundreds of columns."""


def diagnose_leakage(
    training_set: TrainingSet,
    folds: Sequence[Fold],
    config: TrainingConfig,
    latest: ScoringFeatures | None = None,
) -> dict[str, Any]:
    """Compute the figures that the leakage checks use.

    They are computed on a sample of the latest fold, with small models and a fixed
    seed, so that the number of threads and buckets makes no difference.

    Parameters
    ----------
    training_set : TrainingSet
    folds : sequence of Fold
        Of the backtest.
    config : TrainingConfig
        Its seed and number of threads are used.
    latest : ScoringFeatures, optional
        The snapshots to be scored; without them the drift of columns is None.

    Returns
    -------
    dict
        JSON values only; `reason` alone where there is too little data.
    """
    seed = config.model.seed
    sample = sample_fold(training_set, folds, seed=seed)
    if isinstance(sample, str):
        return {"reason": sample}
    names, values = sample.columns()
    with ThreadPoolExecutor(config.threads or os.cpu_count()) as pool:
        probes = start_probes(sample, names, values, seed=seed, pool=pool)
        strongest = pool.submit(_strongest_history_columns, sample, names, values, seed=seed)
        drops = pool.submit(_auc_drops, training_set, folds, seed=seed)
        return {
            "fold": folds[-1].name,
            "rows": {"train": int(sample.train.sum()), "test": int((~sample.train).sum())},
            "n_history_columns": sum(not is_attribute(name) for name in names),
            "probes": probes(),
            "strongest_history_columns": strongest.result(),
            "attribute_aucs": _attribute_aucs(sample, names, values),
            "missingness": _missingness(sample, names, values),
            "known_after_conversion": _known_after_conversion(training_set),
            "auc_drops": drops.result(),
            "base_rate": base_rate_drift(training_set, folds[-1]),
            "drift": None if latest is None else _column_drift(sample, latest),
        }


def _column_drift(sample: FoldSample, latest: ScoringFeatures) -> dict[str, Any]:
    """Compare the history columns of the training rows with those of the newest snapshots."""
    train = sample.rows.values[:, sample.train]
    moved = column_drift(latest.names, train, latest.values, top=MAX_DRIFTED)
    return {"as_of": latest.as_of, "columns": moved}


def _attribute_aucs(sample: FoldSample, names: list[str], values: Columns) -> dict[str, Any]:
    """Compute the test AUC of each attribute alone; a value's score is its training rate."""
    train, labels = sample.train, sample.labels
    out: dict[str, Any] = {}
    for attribute, (codes, words) in combine_attribute_columns(names, values).items():
        rates = rates_by_value(codes[train], labels[train], n_values=len(words))
        score = rates[codes[~train]].astype(np.float32)[None]
        out[attribute] = auc_estimate(float(column_aucs(score, labels[~train])[0]), labels[~train])
    return out


def _strongest_history_columns(
    sample: FoldSample, names: list[str], values: Columns, *, seed: int
) -> list[dict[str, Any]]:
    """Compare the strongest history column with a model of all columns about other steps.

    As long as the column alone ranks better than that model, the search goes on
    without its step.

    Returns
    -------
    list of dict
        `step`, `column`, `auc` (of the column), `auc_without` (of the model without the
        step). The last one is the first that does not lead.
    """
    train, test = sample.train, sample.labels[~sample.train]
    history = [position for position, name in enumerate(names) if not is_attribute(name)]
    descending = column_aucs(values[:, train], sample.labels[train]) < 0.5
    alone = column_aucs(values[:, ~train], test)
    alone = np.where(descending, 1 - alone, alone)
    found: list[dict[str, Any]] = []
    while history and len(found) < MAX_STRONG_COLUMNS:
        best = max(history, key=lambda position: (alone[position], -position))
        step = origin_of(names[best])
        rest = [position for position in history if not _is_about(names[position], step)]
        logit = predict_with_probe(sample, values[rest], seed=seed) if rest else np.zeros(len(test))
        without = float(column_aucs(logit.astype(np.float32)[None], test)[0])
        found.append(
            {
                "step": step,
                "column": names[best],
                "auc": auc_estimate(float(alone[best]), test),
                "auc_without": auc_estimate(without, test),
            }
        )
        if alone[best] < without + MIN_LEAD:
            break
        history = rest
    return found


def _is_about(name: str, step: str) -> bool:
    """Check whether a column is made from a step, alone or in a path with others."""
    origin = origin_of(name)
    return origin == step or step in origin.split(">")


def _missingness(sample: FoldSample, names: list[str], values: Columns) -> dict[str, Any]:
    """Measure how being filled in, and the value, of each attribute go with the outcome.

    Returns
    -------
    dict
        Attribute → `filled_share`, `filled_share_converted` and `filled_share_not_converted`
        (of rows); `z` of the difference; `pure_share` (share of the filled rows whose value
        determines the outcome) and `pure_values` (the most frequent with their rates).
    """
    labels, weight = sample.labels, sample.weight
    base_rate = float(np.average(labels, weights=weight))
    out: dict[str, Any] = {}
    for attribute, (codes, words) in combine_attribute_columns(names, values).items():
        filled = codes != words.index(MISSING)
        yes, no = float(filled[labels].mean()), float(filled[~labels].mean())
        error = np.sqrt(yes * (1 - yes) / labels.sum() + no * (1 - no) / (~labels).sum())
        rows = np.bincount(codes, minlength=len(words)).astype(np.float64)
        weights = np.bincount(codes, weights=weight, minlength=len(words))
        conversions = np.bincount(codes, weights=weight * labels, minlength=len(words))
        pure = _is_pure(conversions / np.maximum(weights, 1e-12), rows, base_rate)
        pure &= np.array([word not in (MISSING, OTHER) for word in words])
        share = weights[pure].sum() / max(float(weight[filled].sum()), 1e-12)
        first = [int(k) for k in np.argsort(-weights * pure, kind="stable")[:3] if pure[k]]
        out[attribute] = {
            "filled_share": float(np.average(filled, weights=weight)),
            "filled_share_converted": yes,
            "filled_share_not_converted": no,
            "z": float((yes - no) / error) if error > 0 else 0.0,
            "pure_share": float(share),
            "pure_values": {words[k]: float(conversions[k] / weights[k]) for k in first},
        }
    return out


def _is_pure(rates: Floats, rows: Floats, base_rate: float) -> Mask:
    """Find values whose 95 % Wilson interval lies near 1, or far below the base rate."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(rates * rows, np.maximum(rows, 1), method="wilson")
    never = (high <= HARDLY_EVER * base_rate) & (base_rate >= MIN_BASE_RATE)
    pure: Mask = (rows >= MIN_VALUE_ROWS) & ((low >= ALMOST_ALWAYS) | never)
    return pure


def _known_after_conversion(training_set: TrainingSet) -> dict[str, Any]:
    """Count attributes of converted prospects that became known only after the conversion.

    Returns
    -------
    dict
        Attribute → `converters` with a value at any time, and the `share` of them whose
        first value became known at the conversion or later.
    """
    attributes = training_set.visible.histories.attributes
    if attributes is None:
        return {}
    converted_at = _first_conversions(training_set)
    owner = np.repeat(np.arange(len(attributes.offsets) - 1), np.diff(attributes.offsets))
    never = np.iinfo(np.int64).max
    out: dict[str, Any] = {}
    for name in attributes.table.column_names:
        filled = pc.is_valid(attributes.table.column(name)).to_numpy()
        first = np.full(len(converted_at), never)
        np.minimum.at(first, owner[filled], attributes.known_at[filled])
        known = (first < never) & (converted_at > 0)
        if known.any():
            after = first[known] >= converted_at[known]
            out[name] = {"converters": int(known.sum()), "share": float(after.mean())}
    return out


def _first_conversions(training_set: TrainingSet) -> npt.NDArray[np.int64]:
    """Return the time of each prospect's first conversion in microseconds; 0 without one."""
    snapshots, visible = training_set.snapshots, training_set.visible
    yes = snapshots["converted"].to_numpy(dtype=bool)
    days = snapshots["days_to_conversion"].to_numpy(dtype=np.float64)
    time = visible.as_of + np.round(np.nan_to_num(days) * DAY).astype(np.int64)
    out = np.zeros(len(visible.histories), dtype=np.int64)
    first = pd.Series(time[yes]).groupby(visible.prospect[yes]).min()
    out[first.index.to_numpy()] = first.to_numpy()
    return out


def _auc_drops(training_set: TrainingSet, folds: Sequence[Fold], *, seed: int) -> dict[str, Any]:
    """Find columns that rank well on training rows and worse on the test rows after them.

    Returns
    -------
    dict
        Column → the fold of its largest drop: `fold`, `train` and `test` (AUC, oriented so
        that training is above 0.5). Only drops that chance does not explain.
    """
    out: dict[str, Any] = {}
    for fold in folds:
        sample = sample_fold(training_set, [fold], seed=seed, max_rows=AUC_DROP_ROWS)
        if isinstance(sample, str):
            continue
        names, values = sample.columns()
        train, labels = sample.train, sample.labels
        before = column_aucs(values[:, train], labels[train])
        after = column_aucs(values[:, ~train], labels[~train])
        after = np.where(before < 0.5, 1 - after, after)
        before = np.maximum(before, 1 - before)
        for name, one, other in zip(names, before.tolist(), after.tolist(), strict=True):
            error = np.hypot(auc_error(one, labels[train]), auc_error(other, labels[~train]))
            largest = out[name]["train"] - out[name]["test"] if name in out else 0.0
            if one - other > max(largest, AUC_DROP_Z * error):
                out[name] = {"fold": fold.name, "train": one, "test": other}
    return out
