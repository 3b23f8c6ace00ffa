"""Skewed logs, and a disk that fills up: the right numbers, or one sentence and the old output."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from microconv.ranking import bucket as ranking_bucket
from microconv.ranking import rank
from microconv.ranking.bucket import ScoringTask, score_bucket
from microconv.ranking.score import score
from microconv.ranking.selection.top_k import merge_buckets
from microconv.settings import EngineSettings
from microconv.stages.featurize import featurize
from microconv.stages.snapshot import snapshot
from microconv.storage.log import EventLog
from worlds.ranking import END, on_disk, settings, trained_on_events
from worlds.skewed_logs import LAST_DAY, events_of, write_log

STEPS = np.array(["sent", "opened", "blog", "guide", "pricing"])


def random_log(n_prospects, n_events, seed=5):
    """Draw who did what on which of the last thirty days."""
    random = np.random.default_rng(seed)
    who = random.integers(0, n_prospects, n_events)
    return who, LAST_DAY - random.uniform(0, 30, n_events), random.choice(STEPS, n_events)


@pytest.mark.slow
def test_a_prospect_with_a_million_events_is_one_row_like_any_other(tmp_path):
    """Its counts are its events, those around it do not move, and it can be listed."""
    who, day, what = random_log(300, 6000)
    many = 1_000_000
    random = np.random.default_rng(6)
    giant = np.full(many, 150), LAST_DAY - random.uniform(0, 30, many), random.choice(STEPS, many)
    rows = [np.concatenate(pair) for pair in zip((who, day, what), giant, strict=True)]
    others = who != 150
    plain = write_log(tmp_path / "plain", events_of(who[others], day[others], what[others]))
    log = write_log(tmp_path / "log", events_of(*rows))
    given = settings()
    places = {"log": log, "snapshots": tmp_path / "snapshots"}
    snapshot(given, **places)
    featurize(given, **places, features=tmp_path / "features")
    snapshots = pq.read_table(tmp_path / "snapshots" / "0000.parquet").to_pandas()
    features = pq.read_table(tmp_path / "features" / "0000.parquet").to_pandas()
    giants = (snapshots["prospect_id"] == "p00000150").to_numpy()
    expected = [
        sum((rows[0] == 150) & (rows[2] == "pricing") & (rows[1] < as_of_day(as_of)))
        for as_of in snapshots["as_of"][giants]
    ]
    assert features["counts.pricing.ever"][giants].tolist() == expected
    ask = {"model": trained_on_events(), "as_of": END}
    ranked, before = (score(place, **ask).set_index("prospect_id") for place in (log, plain))
    assert ranked.loc["p00000150", "probability"] > 0
    same = before.index
    assert (ranked.loc[same, "probability"] == before["probability"]).all()


def as_of_day(as_of):
    """Turn an instant into days after the beginning of the world."""
    return LAST_DAY - (END - as_of).total_seconds() / 86_400


def test_a_bucket_ten_times_the_others_changes_no_rank(tmp_path):
    """Threads finish in another order, and the list is that of one even bucket."""
    who, day, what = random_log(400, 8000)
    order = np.argsort(who, kind="stable")
    who, day, what = who[order], day[order], what[order]
    parts = np.where(who < 300, 0, 1 + who % 4)  # the first holds 300, each other 25
    even = write_log(tmp_path / "even", events_of(who, day, what))
    skewed = write_log(
        tmp_path / "skewed",
        *(events_of(who[parts == p], day[parts == p], what[parts == p]) for p in range(5)),
    )
    assert EventLog.open(skewed).buckets == 5
    ask = {"model": trained_on_events(), "as_of": END, "limit": 20}
    columns = ["prospect_id", "probability", "reason_1", "reason_2", "reason_3"]
    assert score(skewed, **ask)[columns].equals(score(even, **ask)[columns])


def test_the_memory_given_changes_no_score(tmp_path, monkeypatch):
    """A block of a fortieth and one of everybody: the same list, to the bit."""
    log = EventLog.open(write_log(tmp_path / "log", events_of(*random_log(400, 8000))))
    sizes = []
    plain = ranking_bucket.row_blocks

    def watched(*arguments, **more):
        for rows in plain(*arguments, **more):
            sizes.append(rows.stop - rows.start)
            yield rows

    monkeypatch.setattr(ranking_bucket, "row_blocks", watched)
    columns = len(trained_on_events().columns)
    monkeypatch.setattr(rank, "block_cells", lambda engine: columns * 10 ** round(engine.memory_gb))
    found, blocks = [], []
    for memory_gb in (1, 4):
        sizes.clear()
        engine = EngineSettings(memory_gb=memory_gb)
        ranked = rank.rank_prospects(
            log, model=trained_on_events(), as_of=END, limit=20, engine=engine
        )
        found.append(ranked.frame)
        blocks.append(len(sizes))
    assert blocks[0] > 10 * blocks[1]
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_of_very_many_prospects_only_the_listed_and_eight_bytes_of_the_others_are_kept(tmp_path):
    """One event each: a prospect costs its probability, and rows are as many as the limit."""
    who = np.arange(40_000)
    day, what = np.full(len(who), LAST_DAY - 2.0), np.where(who % 3, "pricing", "blog")
    table = events_of(who, day, what)
    log = EventLog.open(
        write_log(tmp_path / "log", *(table[k : k + 10_000] for k in range(0, 40_000, 10_000)))
    )
    task = ScoringTask(trained_on_events(), END, 50, reasons=1)
    parts = [score_bucket(log, bucket, task) for bucket in range(log.buckets)]
    whole = merge_buckets(iter(parts), 50)
    assert [len(part.candidates.rows) for part in (*parts, whole)] == [50] * 5
    assert all(part.candidates.features.shape[1] == 50 for part in (*parts, whole))
    assert whole.probability.nbytes == 8 * 40_000
    best = np.sort(np.concatenate([part.probability for part in parts]))[::-1][:50]
    np.testing.assert_array_equal(whole.candidates.rows["probability"].to_numpy(), best)


FILLS_UP = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing fails as it does on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from microconv.stages.featurize import featurize
from microconv.stages.runner import run
run(featurize)
"""


@pytest.mark.slow
def test_a_disk_that_fills_up_under_the_features_leaves_the_old_ones_whole(tmp_path):
    """One sentence on stderr, exit code 2, not a byte of the old output changed, nothing beside."""
    given = settings()
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(given.model_dump(mode="json")))
    on_disk(tmp_path / "log")
    places = {"log": tmp_path / "log", "snapshots": tmp_path / "snapshots"}
    snapshot(given, **places)
    featurize(given, **places, features=tmp_path / "features")
    before = {file.name: file.read_bytes() for file in (tmp_path / "features").iterdir()}
    around = sorted(tmp_path.iterdir())
    options = {"params": tmp_path / "params.yaml", **places, "features": tmp_path / "features"}
    words = [str(word) for name, path in options.items() for word in (f"--{name}", path)]
    done = subprocess.run(
        [sys.executable, "-c", FILLS_UP, "20000", *words], capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"featurize: Could not write {tmp_path / 'features'}: ")
    assert "The old output stays as it was." in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert {file.name: file.read_bytes() for file in (tmp_path / "features").iterdir()} == before
    assert sorted(tmp_path.iterdir()) == around


def test_a_matrix_in_which_steps_share_columns_says_so(tmp_path):
    """Whoever looks for a step's own columns should not have to guess where they went."""
    given = settings()
    log = write_log(tmp_path / "log", events_of(*random_log(40, 200)))
    places = {"log": log, "snapshots": tmp_path / "snapshots"}
    snapshot(given, **places)
    assert "(other)" not in featurize(given, **places, features=tmp_path / "features")
    narrow = given.features.model_copy(update={"max_steps": 4, "pairs": "none"})
    given = given.model_copy(update={"features": narrow})
    said = featurize(given, **places, features=tmp_path / "features")
    assert "steps have no columns of their own and count together as `(other)`" in said
