"""Build the stateless features of a whole log, bucket by bucket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from microconv.engines.engine import JSON_CODEC, open_engine
from microconv.features.family import Columns
from microconv.features.matrix import (
    block_cells,
    build_features,
    column_names,
    row_blocks,
    write_columns,
)
from microconv.features.rare_steps import check_steps
from microconv.features.training_set import locate_snapshots
from microconv.histories.load import load_histories
from microconv.histories.visible import visible_events
from microconv.journey import JourneyMap
from microconv.settings import Settings
from microconv.storage.files import atomic_write, remove_leftovers
from microconv.storage.log import EventLog, read_parquet


def featurize_log(
    log: EventLog, settings: Settings, *, snapshots: Path, out: Path
) -> dict[str, Any]:
    """Write the stateless features of every snapshot, one Parquet file per bucket.

    Parameters
    ----------
    log : EventLog
    settings : Settings
    snapshots : Path
        The folder that the stage `snapshot` wrote.
    out : Path
        An empty folder; gets `NNNN.parquet`, row for row with the snapshots,
        and `features.json`.

    Returns
    -------
    dict
        The content of `features.json`: rows and names.
    """
    journey = JourneyMap.from_settings(settings.journey)
    check_steps(journey, settings.features)
    names = column_names(journey, settings.features, {}, fitted=False)
    cells = block_cells(settings.engine)
    snapshots, out = snapshots.absolute(), out.absolute()

    def featurize_bucket(bucket: int) -> int:
        histories = load_histories(log.read_events(bucket), journey)
        table = read_parquet(snapshots / f"{bucket:04d}.parquet", ["prospect_id", "as_of"])
        prospect, as_of = locate_snapshots(table, histories)

        def build_block(rows: slice) -> Columns:
            visible = visible_events(histories, prospect[rows], as_of[rows])
            return build_features(visible, journey, settings.features, {}, fitted=False)

        blocks = row_blocks(histories, prospect, n_columns=len(names), cells=cells)
        with atomic_write(out / f"{bucket:04d}.parquet") as fresh:  # a lost task may run twice
            write_columns(fresh, map(build_block, blocks), names)
        return len(prospect)

    with open_engine(settings.engine) as engine:
        rows = sum(engine.map_buckets(featurize_bucket, log.buckets, codec=JSON_CODEC))
    remove_leftovers(out)
    facts = {"rows": rows, "columns": len(names), "names": names}
    (out / "features.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return facts
