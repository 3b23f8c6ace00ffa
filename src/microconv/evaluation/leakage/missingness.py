"""Attributes that give the outcome away: filled in for one outcome, certain of it, or late."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from microconv.evaluation.leakage.column_kinds import attribute_values
from microconv.evaluation.leakage.sample import Sampled
from microconv.evaluation.leakage.univariate_auc import wilson
from microconv.features.families.attributes import MISSING, OTHER
from microconv.features.family import Columns
from microconv.features.training_set import TrainingSet
from microconv.histories.arrays import DAY
from microconv.model.training_rows import Floats

ALMOST_ALWAYS = 0.9
"""A value is certain of a conversion if so many convert at least."""

HARDLY_EVER = 0.2
"""A value is certain of none if at most this part of the average converts."""

MIN_RATE = 0.1
"""Where fewer convert on the whole, hardly ever is nothing special."""

MIN_ROWS = 30
"""Fewer rows than this make no value certain."""


def missingness_by_attribute(sampled: Sampled, names: list[str], values: Columns) -> dict[str, Any]:
    """Say of each attribute how its being there, and its values, go with the outcome.

    Returns
    -------
    dict
        Attribute → `filled` and `filled_if_converted`, `filled_if_not` (shares of
        rows); `z` of the difference; `certain` (share of the filled rows whose value
        is as good as the outcome) and `pure_values` (the most frequent of them).
    """
    labels, weight = sampled.labels, sampled.weight
    base = float(np.average(labels, weights=weight))
    out: dict[str, Any] = {}
    for attribute, (codes, words) in attribute_values(names, values).items():
        filled = codes != words.index(MISSING)
        yes, no = float(filled[labels].mean()), float(filled[~labels].mean())
        error = np.sqrt(yes * (1 - yes) / labels.sum() + no * (1 - no) / (~labels).sum())
        rows = np.bincount(codes, minlength=len(words)).astype(np.float64)
        stands = np.bincount(codes, weights=weight, minlength=len(words))
        happened = np.bincount(codes, weights=weight * labels, minlength=len(words))
        sure = _certain(happened / np.maximum(stands, 1e-12), rows, base)
        sure &= np.array([word not in (MISSING, OTHER) for word in words])
        share = stands[sure].sum() / max(float(weight[filled].sum()), 1e-12)
        first = [int(k) for k in np.argsort(-stands * sure, kind="stable")[:3] if sure[k]]
        out[attribute] = {
            "filled_share": float(np.average(filled, weights=weight)),
            "filled_share_converted": yes,
            "filled_share_not_converted": no,
            "z": float((yes - no) / error) if error > 0 else 0.0,
            "pure_share": float(share),
            "pure_values": {words[k]: float(happened[k] / stands[k]) for k in first},
        }
    return out


def _certain(rate: Floats, rows: Floats, base: float) -> Any:
    low, high = wilson(rate, rows)
    never = (high <= HARDLY_EVER * base) & (base >= MIN_RATE)
    return (rows >= MIN_ROWS) & ((low >= ALMOST_ALWAYS) | never)


def known_after_conversion(training_set: TrainingSet) -> dict[str, Any]:
    """Say how often an attribute of a converter became known only once it had converted.

    Returns
    -------
    dict
        Attribute → `converters` with a value at any time, and `after`: the share of
        them whose first value became known at the conversion or later.
    """
    attributes = training_set.visible.histories.attributes
    if attributes is None:
        return {}
    converted_at = _conversions(training_set)
    owner = np.repeat(np.arange(len(attributes.offsets) - 1), np.diff(attributes.offsets))
    out: dict[str, Any] = {}
    for name in attributes.table.column_names:
        has = pc.is_valid(attributes.table.column(name)).to_numpy()
        first = np.full(len(converted_at), np.iinfo(np.int64).max)
        np.minimum.at(first, owner[has], attributes.known_at[has])
        known = (first < np.iinfo(np.int64).max) & (converted_at > 0)
        if known.any():
            after = first[known] >= converted_at[known]
            out[name] = {"converters": int(known.sum()), "after": float(after.mean())}
    return out


def _conversions(training_set: TrainingSet) -> Any:
    """Find when each prospect of the histories first converted; 0 for those who did not."""
    snapshots = training_set.snapshots
    yes = snapshots["converted"].to_numpy(dtype=bool)
    days = snapshots["days_to_conversion"].to_numpy(dtype=np.float64)
    instant = training_set.visible.as_of + np.round(np.nan_to_num(days) * DAY).astype(np.int64)
    out = np.zeros(len(training_set.visible.histories), dtype=np.int64)
    first = pd.Series(instant[yes]).groupby(training_set.visible.prospect[yes]).min()
    out[first.index.to_numpy()] = first.to_numpy()
    return out
