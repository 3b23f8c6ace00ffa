"""How the prospects of today differ from those that a model learnt from."""

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

ENOUGH = 20_000
"""Prospects of an instant whose columns are compared: whole buckets, which are drawn by hash."""


def population_drift(
    log: EventLog, model: ProspectModel, as_ofs: Sequence[datetime], *, threshold: float
) -> dict[str, Any]:
    """Compare the cohort of the last list with that of the model's last training date.

    Both are asked of the log as it is today, each strictly as of its instant.

    Parameters
    ----------
    as_ofs : sequence of datetime
        Of the lists, the last one latest.
    threshold : float
        The stability index from which on a column has shifted.

    Returns
    -------
    dict
        `columns`, how many; `shifted`, how many of them; `most`, those that shifted most
        with their index; and `base_rate` with the share that converted among the model's
        training rows and among the cohorts of the lists whose windows have closed.
    """
    then, now = _cohort(log, model, model.facts.last), _cohort(log, model, as_ofs[-1])
    moved = column_drift(model.columns, then, now, top=len(model.columns))
    return {
        "then": _said(model.facts.last, then),
        "now": _said(as_ofs[-1], now),
        "columns": len(moved),
        "drifted_columns": sum(index >= threshold for index in moved.values()),
        "largest": dict(list(moved.items())[:10]),
        "base_rate": _base_rate(log, model, as_ofs),
    }


def _said(as_of: datetime, columns: Columns) -> dict[str, Any]:
    return {"as_of": as_of.isoformat().replace("+00:00", "Z"), "prospects": columns.shape[1]}


def _cohort(log: EventLog, model: ProspectModel, as_of: datetime) -> Columns:
    """Build the model's columns for whoever was asked about at an instant."""
    parts: list[Columns] = []
    for bucket in range(log.buckets):
        histories = load_histories(
            log.read_events(bucket), model.journey, log.read_prospects(bucket)
        )
        status = cohort_status(histories, model.journey, model.snapshot_settings, [as_of])[:, 0]
        asked = np.flatnonzero(status == IN_COHORT)
        visible = visible_events(histories, asked, np.full(len(asked), microseconds(as_of)))
        parts.append(model_features(visible, model))
        if sum(part.shape[1] for part in parts) >= ENOUGH:
            break
    return np.concatenate(parts, axis=1)


def _base_rate(log: EventLog, model: ProspectModel, as_ofs: Sequence[datetime]) -> dict[str, Any]:
    settings, then = model.snapshot_settings, model.facts.base_rate
    until = log.observed_until(model.journey)
    closed = sorted({as_of for as_of in as_ofs if as_of + settings.horizon <= until})
    if not closed:
        return {"then": then, "now": None, "index": None}
    rows = conversions = 0
    for bucket in range(log.buckets):
        histories = load_histories(log.read_events(bucket), model.journey)
        asked, _ = cohort_snapshots(histories, model.journey, settings, closed, until)
        known = asked.filter(asked["observed"])["converted"]
        rows, conversions = rows + len(known), conversions + int(known.to_numpy().sum())
    if not rows:
        raise TimeError("At the instants of the lists nobody of this log was in the cohort.")
    now = conversions / rows
    return {"then": then, "now": now, "rows": rows, "index": rate_index(then, now)}
