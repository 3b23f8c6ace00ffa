"""Training sets off the disk: each bucket's rows in their place, and none of another run."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from microconv.errors import EventLogError
from microconv.features.matrix import write_columns
from microconv.features.training_set import FittedColumns, load_training_set, read_features
from microconv.stages.featurize import featurize
from microconv.stages.snapshot import snapshot
from worlds.logs import JOURNEY
from worlds.ranking import on_disk, settings

NAMES = ["counts.a.7d", "counts.b.7d"]
FIRST = np.array([[1, 2, 3], [10, 20, 30]], np.float32)
SECOND = np.array([[4, 5], [40, 50]], np.float32)


@pytest.fixture
def folder(tmp_path):
    """Write two buckets of features."""
    for bucket, columns in enumerate((FIRST, SECOND)):
        write_columns(tmp_path / f"{bucket:04d}.parquet", [columns], NAMES)
    return tmp_path


def test_the_kept_rows_of_every_bucket_are_read_into_one_array(folder):
    """Bucket after bucket, the rows that were not followed left out."""
    kept = [np.array([True, False, True]), np.array([False, True])]
    names, values = read_features(folder, kept)
    assert names == NAMES
    assert values.tolist() == [[1, 3, 5], [10, 30, 50]]


def test_features_of_another_run_are_rejected(folder):
    """A bucket with more snapshots than rows of features mixes two runs."""
    kept = [np.ones(3, bool), np.ones(4, bool)]
    with pytest.raises(EventLogError, match="Bucket 1 has 4 snapshots and 2 rows of features"):
        read_features(folder, kept)


def test_fitted_columns_read_as_one_array_and_row_by_row():
    """Fitted columns come after stateless ones."""
    columns = FittedColumns({}, [*NAMES, "attributes.size"], (FIRST, np.array([[7, 8, 9]], "f4")))
    assert columns.values.tolist() == [[1, 2, 3], [10, 20, 30], [7, 8, 9]]
    assert columns.take(np.array([2, 0])).tolist() == [[3, 1], [30, 10], [9, 7]]


def test_snapshots_of_an_older_version_are_rejected_by_name(tmp_path):
    """Left over from before an upgrade: no traceback about a key, but what to run."""
    log, given = on_disk(tmp_path / "log"), settings()
    places = {"log": tmp_path / "log", "snapshots": tmp_path / "snapshots"}
    snapshot(given, **places)
    featurize(given, **places, features=tmp_path / "features")
    path = tmp_path / "snapshots" / "0000.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["exit_known_at"]), path)
    with pytest.raises(EventLogError, match=r"lack `exit_known_at`: .* `snapshot` and `featurize`"):
        load_training_set(
            log, tmp_path / "snapshots", tmp_path / "features",
            journey=JOURNEY, settings=given.features,
        )  # fmt: skip


def test_duplicate_snapshots_are_rejected(tmp_path):
    """Two files joined by hand would count twice in training and in every figure."""
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
