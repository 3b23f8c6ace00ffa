"""Take the labelled snapshots of a whole log, bucket by bucket."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from microconv.engines.engine import JSON_CODEC, open_engine
from microconv.errors import UnmappedEventsError, listed
from microconv.histories.folds import plan_as_ofs
from microconv.histories.load import load_histories
from microconv.histories.snapshots import STATUSES, cohort_snapshots
from microconv.journey import JourneyMap
from microconv.settings import Settings
from microconv.storage.files import atomic_write, remove_leftovers
from microconv.storage.log import EventLog


def snapshot_log(log: EventLog, settings: Settings, *, out: Path) -> dict[str, Any]:
    """Write the labelled snapshots of a log, one Parquet file per bucket.

    Parameters
    ----------
    log : EventLog
    settings : Settings
    out : Path
        An empty folder; gets `NNNN.parquet` and `snapshots.json`.

    Returns
    -------
    dict
        The content of `snapshots.json`: instants, counts by status, labels.

    Raises
    ------
    UnmappedEventsError
        If `journey.reject_unmapped_events` is set and some event name has no step.
    """
    journey = JourneyMap.from_settings(settings.journey)
    unmapped = log.unmapped(journey)
    if unmapped and settings.journey.reject_unmapped_events:
        raise UnmappedEventsError(
            f"{len(unmapped)} event names ({sum(unmapped.values())} events) have no step: "
            f"{listed(unmapped)}. Add each to `journey.steps` or to `journey.ignore`, or set "
            "`journey.reject_unmapped_events: false` to leave them out."
        )
    observed_until = log.observed_until(journey)
    as_ofs = plan_as_ofs(settings.snapshots, observed_until=observed_until)

    out = out.absolute()

    def snapshot_bucket(bucket: int) -> list[Any]:
        histories = load_histories(log.read_events(bucket), journey)
        table, counts = cohort_snapshots(
            histories, journey, settings.snapshots, as_ofs, observed_until
        )
        with atomic_write(out / f"{bucket:04d}.parquet") as fresh:  # a lost task may run twice
            pq.write_table(table, fresh, compression="zstd")
        labelled, converted = pc.sum(table["observed"]), pc.sum(table["converted"])
        labels = labelled.as_py() or 0, converted.as_py() or 0
        return [counts.tolist(), table.num_rows, *labels]

    with open_engine(settings.engine) as engine:
        taken = list(engine.map_buckets(snapshot_bucket, log.buckets, codec=JSON_CODEC))
    remove_leftovers(out)
    counts = np.sum([part[0] for part in taken], axis=0)
    facts = {
        "observed_until": observed_until.isoformat(),
        "horizon_days": settings.snapshots.horizon / timedelta(days=1),
        "rows": sum(part[1] for part in taken),
        "labelled": sum(part[2] for part in taken),
        "converted": sum(part[3] for part in taken),
        "unmapped": unmapped,
        "as_ofs": {
            as_of.isoformat(): dict(zip(STATUSES, map(int, row), strict=True))
            for as_of, row in zip(as_ofs, counts, strict=True)
        },
    }
    (out / "snapshots.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return facts
