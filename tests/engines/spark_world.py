"""The ranked world as a log of several buckets, with what makes histories hard."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from microconv.storage.buckets import write_bucket
from microconv.storage.log import EventLog
from microconv.storage.schema import LOG_FORMAT, bucket_of
from worlds.ranking import END, world

LATE = 5
"""Every so manieth event was known three days late."""

ENDED = 37
"""Every so manieth event was seen for twenty days only, as of a prospect who was merged."""

HOURS = 12
"""Times are cut down to so many hours: most days hold ties."""


def hard_log(folder: Path, *, buckets: int) -> EventLog:
    """Write the world with ties, late arrivals and merges, as ingest would."""
    events, prospects = world().events, world().prospects
    number = np.arange(len(events))
    time = pc.floor_temporal(events["time"], HOURS, "hour")
    late = pc.if_else(pa.array(number % LATE == 0), timedelta(days=3), timedelta(0))
    seen = pc.add(time, late)
    until = pc.if_else(pa.array(number % ENDED == 0), pc.add(seen, timedelta(days=20)), None)
    changed = {"time": time, "known_at": seen, "visible_at": seen, "visible_until": until}
    for name, column in changed.items():
        events = events.set_column(events.column_names.index(name), name, column)
    (folder / "events").mkdir(parents=True)
    (folder / "prospects").mkdir()
    home = np.array([bucket_of(name, buckets) for name in events["prospect_id"].to_pylist()])
    owner = np.array([bucket_of(name, buckets) for name in prospects["prospect_id"].to_pylist()])
    plain = events.cast(
        pa.schema(
            (field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type)
            for field in events.schema
        )
    )
    for bucket in range(buckets):
        name = f"{bucket:04d}.parquet"
        write_bucket(plain.filter(pa.array(home == bucket)), folder / "events" / name)
        mine = prospects.filter(pa.array(owner == bucket)).sort_by("prospect_id")
        pq.write_table(mine, folder / "prospects" / name)
    source = {"name": "web", "complete_until": END.isoformat(), "event_names": {"won": 1}}
    facts = {"format": LOG_FORMAT, "buckets": buckets, "event_names": {}, "sources": [source]}
    (folder / "log.json").write_text(json.dumps(facts))
    return EventLog.open(folder)
