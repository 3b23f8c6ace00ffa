"""Details of the listed prospects: all reasons, the latest steps.

The buckets of the listed prospects are read once more, with columns that no feature needs. A
step is included if it was visible strictly before `as_of`, as for every feature.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from microconv.engines.engine import JSON_CODEC, Engine
from microconv.histories.arrays import NEVER, microseconds
from microconv.journey import EXPOSURE, JourneyMap
from microconv.ranking.bucket import ScoringTask, rows_of
from microconv.ranking.explanations.formatting import one_line
from microconv.ranking.explanations.reasons import ALL_REASONS
from microconv.ranking.list_columns import DETAIL_COLUMNS
from microconv.storage.log import EventLog, Log

MAX_ROWS = 5_000
"""Longer lists have no details: nobody opens row 5,001."""

MAX_STEPS = 20
"""Steps per prospect; earlier ones are counted."""

COLUMNS = (
    "prospect_id",
    "time",
    "visible_at",
    "visible_until",
    "event_name",
    "human_probability",
    "message_id",
    "campaign_id",
)
"""Columns of the log that are read."""


def build_details(log: Log, cluster: Engine, rows: pd.DataFrame, task: ScoringTask) -> pa.Table:
    """Build the details of the listed rows.

    Parameters
    ----------
    log : Log
    cluster : Engine
        Runs over the buckets of the log.
    rows : DataFrame
        With `prospect_id`, `bucket` and `all_reasons`.
    task : ScoringTask

    Returns
    -------
    Table
        :data:`DETAIL_COLUMNS`, row for row.
    """
    listed: dict[int, list[str]] = {}
    for bucket, prospect in zip(rows["bucket"].tolist(), rows["prospect_id"], strict=True):
        listed.setdefault(bucket, []).append(prospect)
    journey, as_of = task.model.journey, task.as_of
    find = partial(recent_steps, log, journey=journey, as_of=as_of, listed=listed)
    found: dict[str, dict[str, Any]] = {}
    for part in cluster.map_buckets(find, log.buckets, codec=JSON_CODEC):
        found |= part
    subjects = _subjects(log, as_of)
    details = [
        {**_reasons(reasons), **_steps(found[prospect], subjects)}
        for prospect, reasons in zip(rows["prospect_id"], rows[ALL_REASONS], strict=True)
    ]
    return pa.Table.from_pylist(details, DETAIL_COLUMNS)


def recent_steps(
    log: Log,
    bucket: int,
    *,
    journey: JourneyMap,
    as_of: datetime,
    listed: Mapping[int, Sequence[str]],
) -> dict[str, dict[str, Any]]:
    """Look up the latest steps of the listed prospects of a bucket, and count the others.

    Parameters
    ----------
    log : Log
    bucket : int
    journey : JourneyMap
    as_of : datetime
    listed : mapping of int to sequence of str
        Bucket → prospect ids.

    Returns
    -------
    dict
        Prospect → `steps`, the latest first: time (microseconds since 1970, UTC), name of the
        step, message, campaign, probability that a person did it; `earlier`; `exposures`.
    """
    found: dict[str, dict[str, Any]] = {
        prospect: {"steps": [], "earlier": 0, "exposures": 0} for prospect in listed.get(bucket, ())
    }
    if not found:
        return found
    events = rows_of(log.read_events(bucket, COLUMNS), pa.array(found, pa.string()))
    for prospect, step, *facts in _visible(events, journey, microseconds(as_of)):
        its = found[prospect]
        if journey.kinds[step] == EXPOSURE:
            its["exposures"] += 1
        else:
            its["steps"].append([facts[0], journey.step_names[step], *facts[1:]])
    for its in found.values():
        its["earlier"] = max(0, len(its["steps"]) - MAX_STEPS)
        its["steps"] = its["steps"][: -MAX_STEPS - 1 : -1]
    return found


def _visible(events: pa.Table, journey: JourneyMap, cut: int) -> list[tuple[Any, ...]]:
    """List the placed events with ``visible_at < cut <= visible_until``, in their order."""
    instants = {name: events.column(name).cast(pa.int64()) for name in ("time", "visible_at")}
    until = pc.fill_null(events.column("visible_until").cast(pa.int64()), NEVER)
    names = events.column("event_name").cast(pa.string()).to_pylist()
    distinct = list(dict.fromkeys(names))
    code_of = dict(zip(distinct, journey.step_codes(distinct).tolist(), strict=True))
    steps = np.array([code_of[name] for name in names], dtype=np.int16)
    seen = pc.and_(pc.less(instants["visible_at"], cut), pc.greater_equal(until, cut))
    kept = pa.array(np.flatnonzero(seen.to_numpy() & (steps >= 0)))
    columns = [
        events.column("prospect_id").cast(pa.string()),
        pa.chunked_array([pa.array(steps)]),
        instants["time"],
        events.column("message_id").cast(pa.string()),
        events.column("campaign_id").cast(pa.string()),
        events.column("human_probability").cast(pa.float64()),
    ]
    return list(zip(*(column.take(kept).to_pylist() for column in columns), strict=True))


def _subjects(log: Log, as_of: datetime) -> dict[str, str]:
    """Message → subject, of what was sent by then."""
    messages = log.read_messages() if isinstance(log, EventLog) else None
    return {
        row["message_id"]: row["subject"]
        for row in ([] if messages is None else messages.to_pylist())
        if row["subject"] and (row["sent_at"] is None or row["sent_at"] < as_of)
    }


def _reasons(text: str) -> dict[str, Any]:
    content = json.loads(text)
    reasons = [{"text": text, "log_odds": weight} for text, weight in content["reasons"]]
    return {"reasons": reasons, "other_reasons_log_odds": content["other"]}


def _steps(its: Mapping[str, Any], subjects: Mapping[str, str]) -> dict[str, Any]:
    steps = [
        {
            "time": time,
            "step": step,
            "message": None if message is None else one_line(subjects.get(message, message)),
            "campaign": None if campaign is None else one_line(campaign),
            "human_probability": human_probability,
        }
        for time, step, message, campaign, human_probability in its["steps"]
    ]
    return {"recent_steps": steps, "earlier_steps": its["earlier"], "exposures": its["exposures"]}
