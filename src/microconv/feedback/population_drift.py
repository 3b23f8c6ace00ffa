"""Drift of the population: today's prospects compared with those the model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from microconv.errors import TimeError
from microconv.evaluation.drift import column_drift, rate_index
from microconv.features.family import Columns
from microconv.histories.arrays import microseconds
from microconv.histories.load import load_histories
from microconv.histories.snapshots import IN_COHORT, cohort_snapshots, cohort_status
from microconv.histories.visible import visible_events
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.bucket import model_features
from microconv.storage.log import EventLog

MAX_PROSPECTS = 20_000
"""Prospects of a cohort that are compared: whole buckets, which are drawn by hash."""

MAX_LISTED = 10
"""The most shifted columns that are listed."""


def population_drift(
    log: EventLog, model: ProspectModel, as_ofs: Sequence[datetime], *, threshold: float
) -> dict[str, Any]:
    """Compare the cohort of the last list with that of the model's last training date.

    Both are built from the log as it is today, each as of its own date.

    Parameters
    ----------
    log : EventLog
    model : ProspectModel
    as_ofs : sequence of datetime
        Of the lists, the last one latest.
    threshold : float
        The stability index from which on a column has drifted.

    Returns
    -------
    dict
        `columns` and `drifted_columns` (counts); `largest`, the most shifted columns with
        their index; and `base_rate`: `training` and `current` (in the cohorts of the lists
        whose windows have closed) with their `psi`.
    """
    last, latest = model.facts.last, as_ofs[-1]
    training, current = _cohort_columns(log, model, last), _cohort_columns(log, model, latest)
    indices = column_drift(model.columns, training, current, top=len(model.columns))
    return {
        "training": {"as_of": _iso(last), "prospects": training.shape[1]},
        "current": {"as_of": _iso(latest), "prospects": current.shape[1]},
        "columns": len(indices),
        "drifted_columns": sum(index >= threshold for index in indices.values()),
        "largest": dict(list(indices.items())[:MAX_LISTED]),
        "base_rate": _base_rates(log, model, as_ofs),
    }


def _iso(as_of: datetime) -> str:
    return as_of.isoformat().replace("+00:00", "Z")


def _cohort_columns(log: EventLog, model: ProspectModel, as_of: datetime) -> Columns:
    """Build the model's columns for the cohort of a date."""
    parts: list[Columns] = []
    for bucket in range(log.buckets):
        histories = load_histories(
            log.read_events(bucket), model.journey, log.read_prospects(bucket)
        )
        status = cohort_status(histories, model.journey, model.snapshot_settings, [as_of])[:, 0]
        cohort = np.flatnonzero(status == IN_COHORT)
        visible = visible_events(histories, cohort, np.full(len(cohort), microseconds(as_of)))
        parts.append(model_features(visible, model))
        if sum(part.shape[1] for part in parts) >= MAX_PROSPECTS:
            break
    return np.concatenate(parts, axis=1)


def _base_rates(log: EventLog, model: ProspectModel, as_ofs: Sequence[datetime]) -> dict[str, Any]:
    settings, training = model.snapshot_settings, model.facts.base_rate
    until = log.observed_until(model.journey)
    closed = sorted({as_of for as_of in as_ofs if as_of + settings.horizon <= until})
    if not closed:
        return {"training": training, "current": None, "psi": None}
    rows = conversions = 0
    for bucket in range(log.buckets):
        histories = load_histories(log.read_events(bucket), model.journey)
        snapshots, _ = cohort_snapshots(histories, model.journey, settings, closed, until)
        labels = snapshots.filter(snapshots["observed"])["converted"]
        rows, conversions = rows + len(labels), conversions + int(labels.to_numpy().sum())
    if not rows:
        raise TimeError("No prospect of this log was in the cohort on the dates of the lists.")
    current = conversions / rows
    psi = rate_index(training, current)
    return {"training": training, "current": current, "rows": rows, "psi": psi}
