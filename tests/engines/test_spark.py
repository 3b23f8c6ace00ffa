"""Spark runs the function that one machine runs: identical results, even if tasks are lost.

That the function is right is proved elsewhere, against slow oracles; here only
that a cluster changes nothing.
"""

from __future__ import annotations

import os
import shutil
from functools import partial

import pandas as pd
import pyarrow.parquet as pq
import pytest

from engines.spark_world import hard_log
from microconv.engines import spark
from microconv.engines.engine import JSON_CODEC, open_engine
from microconv.errors import EngineError, EventLogError
from microconv.features.featurize_log import featurize_log
from microconv.histories.snapshot_log import snapshot_log
from microconv.ranking.bucket import ScoringTask, score_bucket
from microconv.ranking.rank import ListOptions, rank_prospects
from microconv.ranking.selection.top_k import SCORES, merge_buckets
from microconv.settings import EngineSettings
from worlds.ranking import END, settings, trained

pytest.importorskip("pyspark", reason="the extra `spark` is not installed")
pytestmark = pytest.mark.slow

BUCKETS = 4
SPARK = EngineSettings(name="spark", master="local[2,2]")
"""Two threads, and two attempts at every task."""


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Keep one session for all tests: its Python workers import the libraries once."""
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        pytest.skip("there is no Java")
    with open_engine(SPARK) as engine:
        yield engine


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Ties, late arrivals and merges, in four buckets."""
    return hard_log(tmp_path_factory.mktemp("hard") / "log", buckets=BUCKETS)


@pytest.fixture(scope="module")
def made(log, tmp_path_factory):
    """Let each engine take the snapshots and build the features."""
    folders = {}
    for engine in (EngineSettings(threads=2), SPARK):
        folder = tmp_path_factory.mktemp(engine.name)
        given = settings().model_copy(update={"engine": engine})
        for name in ("snapshots", "features"):
            (folder / name).mkdir()
        snapshot_log(log, given, out=folder / "snapshots")
        featurize_log(log, given, snapshots=folder / "snapshots", out=folder / "features")
        folders[engine.name] = folder
    return folders


@pytest.mark.parametrize("table", ["snapshots", "features"])
def test_spark_writes_the_same_bytes(made, table):
    """Equal to the last bit, file by file, the account in JSON included."""
    files = sorted(file.name for file in (made["local"] / table).iterdir())
    assert len(files) == BUCKETS + 1
    assert sorted(file.name for file in (made["spark"] / table).iterdir()) == files
    for name in files:
        local, spark = ((made[engine] / table / name).read_bytes() for engine in made)
        assert local == spark, name


def test_the_compared_features_are_of_the_hard_kind(log, made):
    """Equality on easy histories would say little: some rows do see late and merged events."""
    events = log.read_events(0, ["time", "visible_at", "visible_until"]).to_pandas()
    assert (events["visible_at"] > events["time"]).mean() > 0.1
    assert events["visible_until"].notna().any()
    rows = [pq.read_metadata(file).num_rows for file in (made["spark"] / "features").glob("*.p*")]
    assert min(rows) > 0
    assert sum(rows) > 500


@pytest.mark.parametrize("limit", [None, 10])
def test_spark_ranks_the_same_list(log, limit):
    """Every probability, reason, percentile and tie, and the account of who is left out."""
    local, spark = (
        rank_prospects(
            log,
            model=trained(),
            as_of=END,
            limit=limit,
            engine=engine,
            options=ListOptions(details=True),
        )
        for engine in (EngineSettings(), SPARK)
    )
    assert spark.details == local.details
    assert (local.details is None) == (limit is None)
    pd.testing.assert_frame_equal(spark.frame, local.frame, check_exact=True)
    assert len(local.frame) >= 10
    assert (spark.left_out, spark.notes, spark.scored) == (
        local.left_out,
        local.notes,
        local.scored,
    )


def test_a_lost_partition_is_worked_out_again_to_the_same_list(log, cluster, tmp_path):
    """The process of one task dies at its first attempt; the list does not know."""
    task = ScoringTask(trained(), END, 10, reasons=3, threads=1)

    def dies_once(bucket):
        tried = tmp_path / f"tried-{bucket}"
        if not tried.exists():
            tried.touch()
            if bucket == 2:
                os._exit(1)
        return score_bucket(log, bucket, task)

    found = merge_buckets(cluster.map_buckets(dies_once, BUCKETS, codec=SCORES), 10)
    expected = merge_buckets(map(partial(score_bucket, log, task=task), range(BUCKETS)), 10)
    assert (tmp_path / "tried-2").exists()
    pd.testing.assert_frame_equal(found.candidates.rows, expected.candidates.rows, check_exact=True)
    assert found.probability.tobytes() == expected.probability.tobytes()
    assert found.candidates.features.tobytes() == expected.candidates.features.tobytes()
    assert found.statuses == expected.statuses


def test_a_task_that_dies_every_time_is_told_in_one_sentence(cluster):
    """Spark's report has pages; the user needs the one line with the cause."""

    def dies(bucket):
        os._exit(1)

    with pytest.raises(EngineError) as error:
        list(cluster.map_buckets(dies, 2, codec=JSON_CODEC))
    assert "Spark failed" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_a_task_fails_of_is_told_by_its_last_line(cluster):
    """An unforeseen error keeps its message and loses its traceback."""

    def fails(bucket):
        raise OSError("no such mount")

    with pytest.raises(EngineError, match="OSError: no such mount"):
        list(cluster.map_buckets(fails, 2, codec=JSON_CODEC))


def test_an_error_that_a_user_can_mend_arrives_as_it_was_raised(tmp_path):
    """A bucket that one machine does not see: same class and sentence as without Spark."""
    broken = hard_log(tmp_path / "log", buckets=2)
    (broken.path / "events" / "0001.parquet").unlink()
    with pytest.raises(EventLogError, match=r"0001\.parquet is missing or damaged"):
        rank_prospects(broken, model=trained(), as_of=END, engine=SPARK)


@pytest.mark.parametrize("at_once", [-1, spark.MAX_COLLECT_BYTES])
def test_results_come_in_the_order_of_the_buckets(cluster, monkeypatch, at_once):
    """Fetched in one job or one by one, bucket 0 is handed out first."""
    monkeypatch.setattr(spark, "MAX_COLLECT_BYTES", at_once)
    found = cluster.map_buckets(lambda bucket: bucket * 10, 5, codec=JSON_CODEC)
    assert list(found) == [0, 10, 20, 30, 40]


def test_a_session_that_runs_is_used_and_left_running(cluster):
    """In a notebook the session may be in use by other code."""
    with open_engine(SPARK) as again:
        assert again.session is cluster.session
    assert list(cluster.map_buckets(lambda bucket: bucket, 2, codec=JSON_CODEC)) == [0, 1]


def test_a_session_on_another_master_is_not_used_in_silence():
    """Work would go to another cluster than the settings name."""
    other = EngineSettings(name="spark", master="local[1]")
    with pytest.raises(EngineError, match=r"'local\[2,2\]' is already running"), open_engine(other):
        pass
