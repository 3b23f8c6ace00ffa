"""What keeps Spark from starting is detected first, and reported in one sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from engines.spark_world import hard_log
from microconv.engines.engine import JSON_CODEC, open_engine
from microconv.engines.spark import bucket_task, require_same_versions, versions
from microconv.engines.spark_session import check_java
from microconv.errors import EngineError, EventLogError, SettingsError
from microconv.ranking.bucket import ScoringTask, score_bucket
from microconv.ranking.rank import rank_prospects
from microconv.ranking.selection.top_k import decode, encode
from microconv.settings import EngineSettings, engine_named
from microconv.storage.files import atomic_write, remove_leftovers
from worlds.ranking import END, trained, world

SPARK = EngineSettings(name="spark", master="local[2]")


def test_without_pyspark_the_extra_is_named(monkeypatch):
    """The base install has no Spark: the error names what to install."""
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(EngineError, match=r"microconv\[spark\]"), open_engine(SPARK):
        pass


@pytest.mark.parametrize(("home", "where"), [(True, "in JAVA_HOME"), (False, "on the PATH")])
def test_without_java_the_error_names_where_it_was_expected(monkeypatch, tmp_path, home, where):
    """Spark itself only reports that a gateway process exited."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    if home:
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EngineError, match=where) as error:
        check_java()
    assert "openjdk-17-jre-headless" in str(error.value)


@pytest.mark.parametrize(("version", "release"), [("1.8.0_202", 8), ("11.0.2", 11), ("25", 25)])
def test_a_java_that_spark_does_not_run_on_is_an_error(monkeypatch, tmp_path, version, release):
    """Too old, classes do not load; from 24 on, the login of Hadoop's libraries fails."""
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EngineError, match=rf"Java {release} was found"):
        check_java()


def test_a_machine_with_other_versions_is_not_used():
    """Another numba or LightGBM may round differently, and it would go unnoticed."""
    require_same_versions(versions())
    with pytest.raises(EngineError, match=r"numpy [\d.]+ for 1\.0"):
        require_same_versions({**versions(), "numpy": "1.0"})


def test_a_task_returns_errors_a_user_can_fix_and_raises_all_others():
    """The first would fail again at every attempt; the second may be the fault of one machine."""

    def work(bucket):
        if bucket == 1:
            raise EventLogError("bucket 1 is damaged")
        if bucket == 2:
            raise OSError("no such mount")
        return bucket

    def answers(*buckets):
        task = bucket_task(work, JSON_CODEC.encode, versions())
        sent = task(iter([pa.record_batch({"id": pa.array(buckets)})]))
        return [row for batch in sent for row in batch.to_pylist()]

    fine, broken = answers(0, 1)
    assert fine == {"bucket": 0, "result": b"0", "error": None, "message": None}
    assert broken == {
        "bucket": 1,
        "result": None,
        "error": "EventLogError",
        "message": "bucket 1 is damaged",
    }
    with pytest.raises(OSError, match="no such mount"):
        answers(2)


@pytest.mark.parametrize("limit", [None, 5])
def test_a_part_of_a_ranking_crosses_the_wire_to_the_bit(tmp_path, limit):
    """Probabilities, features, missing contacts, counts and instants come back as they went."""
    log = hard_log(tmp_path / "log", buckets=2)
    part = score_bucket(log, 1, ScoringTask(trained(), END, limit, reasons=2, threads=1))
    back = decode(encode(part))
    pd.testing.assert_frame_equal(back.candidates.rows, part.candidates.rows, check_exact=True)
    assert back.candidates.features.tobytes() == part.candidates.features.tobytes()
    assert back.candidates.features.shape == part.candidates.features.shape
    assert back.probability.tobytes() == part.probability.tobytes()
    assert (back.statuses, back.event_names) == (part.statuses, part.event_names)
    assert back.seen == part.seen


def test_a_bucket_in_which_nobody_is_asked_crosses_the_wire(tmp_path):
    """A small log on many machines has such buckets."""
    log = hard_log(tmp_path / "log", buckets=2)
    early = world().events["time"].to_pandas().min().to_pydatetime()
    part = score_bucket(log, 0, ScoringTask(trained(), early, 5, reasons=2, threads=1))
    back = decode(encode(part))
    pd.testing.assert_frame_equal(back.candidates.rows, part.candidates.rows, check_exact=True)
    assert len(back.probability) == 0
    assert back.candidates.features.shape == part.candidates.features.shape
    assert back.seen == part.seen


def test_events_in_memory_are_not_sent_to_a_cluster():
    """They would travel whole to every machine; the log exists so that they need not."""
    with pytest.raises(EngineError, match="Ingest them first"):
        rank_prospects(world(), model=trained(), as_of=END, engine=SPARK)


@pytest.mark.parametrize(
    ("name", "master", "message"),
    [
        ("spark", None, "needs a `master`"),
        ("local", "local[2]", "set `name: spark`"),
        ("dask", None, "`dask` cannot be its name"),
    ],
)
def test_an_engine_and_its_master_belong_together(name, master, message):
    """A master without Spark would be an option that does nothing."""
    with pytest.raises(SettingsError, match=message):
        engine_named(name, master)


def test_what_a_killed_task_leaves_behind_is_swept(tmp_path):
    """A half-written file of an attempt that died is no output of the stage."""
    with atomic_write(tmp_path / "0001.parquet") as fresh:
        fresh.write_text("whole")
    leftover = tmp_path / ".0001.parquet.killed"
    leftover.mkdir()
    Path(leftover, "0001.parquet").write_text("ha")
    remove_leftovers(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["0001.parquet"]
