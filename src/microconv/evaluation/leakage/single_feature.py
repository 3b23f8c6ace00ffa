"""Columns that rank alone what everything else together cannot."""

from __future__ import annotations

from typing import Any

import numpy as np

from microconv.evaluation.leakage.column_kinds import attribute_values, is_attribute, origin_of
from microconv.evaluation.leakage.probes import probe
from microconv.evaluation.leakage.sample import Sampled
from microconv.evaluation.leakage.univariate_auc import as_figure, column_aucs, rate_by_value
from microconv.features.family import Columns

AHEAD = 0.05
"""The search ends with a column that is not this much better than all others together."""

MOST = 5
"""Suspects are looked for one after the other, at most so many."""


def attribute_aucs(sampled: Sampled, names: list[str], values: Columns) -> dict[str, Any]:
    """Rank the test rows by each attribute alone: a value's score is its rate in training.

    Returns
    -------
    dict
        Attribute → `value`, `low`, `high` of the AUC.
    """
    train, tested = sampled.train, sampled.labels[~sampled.train]
    out: dict[str, Any] = {}
    for attribute, (codes, words) in attribute_values(names, values).items():
        _, rate = rate_by_value(codes[train], sampled.labels[train], values=len(words))
        score = rate[codes[~train]].astype(np.float32)[None]
        out[attribute] = as_figure(float(column_aucs(score, tested)[0]), tested)
    return out


def strongest_history_columns(
    sampled: Sampled, names: list[str], values: Columns, *, seed: int
) -> list[dict[str, Any]]:
    """Hold the strongest column of the histories against all that tell of something else.

    The strongest is taken away, with all that is made of the same steps, and a
    small model is fitted on what remains. As long as the column alone ranks better
    than all of that together, the search goes on without it.

    Returns
    -------
    list of dict
        `origin`, `column`, `auc` (of it alone), `rest` (of the model without it).
        The last one is the first that is not ahead of the rest.
    """
    train, tested = sampled.train, sampled.labels[~sampled.train]
    history = [position for position, name in enumerate(names) if not is_attribute(name)]
    side = np.where(column_aucs(values[:, train], sampled.labels[train]) < 0.5, -1, 1)
    alone = column_aucs(values[:, ~train], tested)
    alone = np.where(side < 0, 1 - alone, alone)
    found: list[dict[str, Any]] = []
    while history and len(found) < MOST:
        best = max(history, key=lambda position: (alone[position], -position))
        origin = origin_of(names[best])
        rest = [position for position in history if not _shares(names[position], origin)]
        said = probe(sampled, values[rest], seed=seed) if rest else np.zeros(len(tested))
        without = float(column_aucs(said.astype(np.float32)[None], tested)[0])
        found.append(
            {
                "origin": origin,
                "column": names[best],
                "auc": as_figure(float(alone[best]), tested),
                "rest": as_figure(without, tested),
            }
        )
        if alone[best] < without + AHEAD:
            break
        history = rest
    return found


def _shares(name: str, origin: str) -> bool:
    """Say whether a column is made of the same step, alone or in a path with others."""
    about = origin_of(name)
    return about == origin or origin in about.split(">")
