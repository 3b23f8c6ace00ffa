"""With little memory or much, the same features: from the exports to the last column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from microconv.demo import simulate
from microconv.features import featurize_log as featurizing
from microconv.histories.snapshot_log import snapshot_log
from microconv.ingest import memory_budget as memory
from microconv.ingest.ingest import Outputs, ingest
from microconv.settings import Settings, read_settings
from microconv.storage.log import EventLog
from worlds.demo import world

PARAMS = Path(__file__).parents[2] / "params.yaml"


def with_memory(memory_gb: float) -> Settings:
    """Take the project's own settings; the number of buckets follows from the memory."""
    settings = read_settings(PARAMS)
    ingest = settings.ingest.model_copy(update={"buckets": None})
    engine = settings.engine.model_copy(update={"memory_gb": memory_gb})
    return settings.model_copy(update={"ingest": ingest, "engine": engine})


def features_of(raw: Path, folder: Path, settings: Settings) -> tuple[int, pa.Table]:
    """Ingest, take snapshots, build the features; return buckets and all rows, by snapshot."""
    outputs = Outputs(folder / "log", folder / "quarantine.parquet", folder / "ingest.json")
    ingest(settings.ingest, outputs=outputs, input_dir=raw, engine=settings.engine)
    log = EventLog.open(outputs.log)
    snapshots, built = folder / "snapshots", folder / "features"
    snapshots.mkdir()
    built.mkdir()
    snapshot_log(log, settings, out=snapshots)
    featurizing.featurize_log(log, settings, snapshots=snapshots, out=built)
    tables = []
    for file in sorted(snapshots.glob("*.parquet")):
        rows, columns = pq.read_table(file), pq.read_table(built / file.name)
        for name in ("prospect_id", "as_of"):
            columns = columns.append_column(name, rows[name])
        tables.append(columns)
    order = [("prospect_id", "ascending"), ("as_of", "ascending")]
    return log.buckets, pa.concat_tables(tables).unify_dictionaries().sort_by(order)


@pytest.mark.slow
def test_little_memory_changes_no_feature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With rows assumed to be large there are 16 or 64 buckets, and a few snapshots per block."""
    monkeypatch.setattr(memory, "ROW_BYTES", 300_000)
    monkeypatch.setattr(featurizing, "block_cells", lambda engine: round(20_000 * engine.memory_gb))
    simulate(world(prospects=400, days=200), out=tmp_path / "raw", truth=tmp_path / "truth")
    found = {}
    for memory_gb in (1, 4):
        place = tmp_path / str(memory_gb)
        place.mkdir()
        found[memory_gb] = features_of(tmp_path / "raw", place, with_memory(memory_gb))
    (many, little), (few, much) = found[1], found[4]
    assert many > few
    assert little.num_rows == much.num_rows > 1000
    for name in much.column_names:
        np.testing.assert_array_equal(little[name].to_numpy(), much[name].to_numpy())
