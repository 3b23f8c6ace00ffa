"""What may not be learnt from: a question that stands there twice."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from microconv.errors import EventLogError
from microconv.features.training_set import load_training_set
from microconv.stages.featurize import featurize
from microconv.stages.snapshot import snapshot
from ranked_world import on_disk, settings
from worlds import JOURNEY


def test_a_question_asked_twice_is_refused_before_anything_is_learnt(tmp_path):
    """Two files joined by hand: it would teach twice, and be counted twice in every figure."""
    log, given = on_disk(tmp_path / "log"), settings()
    places = {"log": tmp_path / "log", "snapshots": tmp_path / "snapshots"}
    features = tmp_path / "features"
    snapshot(given, **places)
    table = pq.read_table(tmp_path / "snapshots" / "0000.parquet")

    def load():
        featurize(given, **places, features=features)
        return load_training_set(
            log, tmp_path / "snapshots", features, journey=JOURNEY, settings=given.features
        )

    assert len(load()) > 0
    twice = pa.concat_tables([table, table.slice(3, 1)])
    pq.write_table(twice, tmp_path / "snapshots" / "0000.parquet")
    who = table.column("prospect_id")[3].as_py()
    with pytest.raises(EventLogError, match=f"1 of {len(twice)} snapshots .*`{who}`"):
        load()
