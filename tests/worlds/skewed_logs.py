"""Logs of odd shapes, made column by column: millions of rows are no problem here."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from microconv.storage.schema import EVENTS, INSTANT, LOG_FORMAT
from worlds.ranking import END, START


def events_of(who, day, what) -> pa.Table:
    """Make canonical events in the order of the log.

    Parameters
    ----------
    who : ndarray of int
    day : ndarray of float
        Days after START.
    what : ndarray of str
    """
    who, day, what = np.asarray(who), np.asarray(day), np.asarray(what)
    order = np.lexsort((day, who))
    who, day, what = who[order], day[order], what[order]
    at = np.datetime64(START.replace(tzinfo=None), "us") + (day * 86_400e6).astype("m8[us]")
    time = pa.array(at).cast(INSTANT)
    ids = pa.array(np.char.add("p", np.char.zfill(np.arange(who.max() + 1).astype(str), 8)))
    columns = {
        "prospect_id": pa.DictionaryArray.from_arrays(who.astype(np.int32), ids),
        "event_name": pa.array(what).dictionary_encode(),
        "event_id": pa.array(np.arange(len(who))).cast(pa.string()),
        "human_probability": pa.array(np.ones(len(who), np.float32)),
        **dict.fromkeys(("time", "known_at", "visible_at"), time),
    }
    return pa.table(
        [
            columns[field.name].cast(field.type)
            if field.name in columns
            else pa.nulls(len(who), field.type)
            for field in EVENTS
        ],
        schema=EVENTS,
    )


def write_log(folder: Path, *buckets: pa.Table) -> Path:
    """Write a log of these buckets, as ingest would."""
    (folder / "events").mkdir(parents=True)
    names: dict[str, int] = {}
    for number, table in enumerate(buckets):
        pq.write_table(table, folder / "events" / f"{number:04d}.parquet")
        for entry in table["event_name"].cast(pa.string()).value_counts().to_pylist():
            names[entry["values"]] = names.get(entry["values"], 0) + entry["counts"]
    source = {"name": "web", "complete_until": END.isoformat(), "event_names": names}
    facts = {
        "format": LOG_FORMAT,
        "buckets": len(buckets),
        "event_names": names,
        "sources": [source],
    }
    (folder / "log.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


LAST_DAY = (END - START) / timedelta(days=1)
"""The day of END."""
