"""`microconv score` with the champion, into PostgreSQL: whole lists, whatever happens."""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml

from microconv.errors import DatabaseAwayError, ListError, PromotionError
from microconv.stages.deliver_list import deliver_list
from microconv.stages.score_events import ScoreRequest, score_events
from microconv.tracking.champion import set_champion
from worlds.ranking import END, on_disk, settings, trained
from worlds.tracked_runs import entry, files, store

__all__ = ["entry", "files", "store"]


@pytest.fixture(scope="module")
def champion(store, entry) -> str:
    """Make the registered model the champion."""
    set_champion(entry.model, entry.version, store=store, because=None)
    return f"models:/{entry.model}@champion"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Lay out the world's log, and settings that deliver its lists."""
    folder = tmp_path_factory.mktemp("sales")
    on_disk(folder / "log")
    content = json.loads(settings().model_dump_json(exclude={"snapshots": {"last"}}))
    content["score"]["limit"] = 90
    content["deliver"] = {"url_from": "CRM_URL", "table": "calls"}
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    return folder


def request_for(place: Path, champion: str, **more: object) -> ScoreRequest:
    """Ask for the list of an hour after the log's end."""
    return ScoreRequest(place / "log", champion, END + timedelta(hours=1), **more)


def listed(place: Path, champion: str, store, out: Path, **more: object) -> str:
    """Make a list and deliver it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store.uri)
        request = request_for(place, champion, **more)
        return score_events(request, params=place / "params.yaml", out=out)


def test_the_database_holds_the_list_of_the_files(postgres, place, champion, store, tmp_path):
    """Two copies that differ would be two lists."""
    said = listed(place, champion, store, tmp_path)
    assert "champion; in" in said
    assert said.splitlines()[0].endswith("90 rows in table calls")
    rows = postgres.execute(
        "SELECT prospect_id, probability, rank, as_of FROM calls_current "
        "JOIN calls_lists USING (list_id) ORDER BY rank"
    ).fetchall()
    table = pd.read_parquet(tmp_path / "prospects.parquet")
    assert [row[:3] for row in rows] == list(
        zip(table["prospect_id"], table["probability"], table["rank"], strict=True)
    )
    assert {row[3] for row in rows} == {END}


def test_the_same_job_again_changes_nothing(postgres, place, champion, store, tmp_path):
    """A scheduler retries; sales must not find everyone twice."""
    for _ in range(2):
        listed(place, champion, store, tmp_path)
    assert postgres.execute("SELECT count(*) FROM calls").fetchall() == [(90,)]
    assert postgres.execute("SELECT count(*) FROM calls_lists").fetchall() == [(1,)]


def test_a_database_that_is_away_leaves_the_files_and_says_try_again(
    postgres, place, champion, store, tmp_path, monkeypatch
):
    """The list is made; the next run brings it where it belongs."""
    monkeypatch.setenv("CRM_URL", "postgresql://ada:s3cr3t@127.0.0.1:9/postgres")
    with pytest.raises(DatabaseAwayError) as error:
        listed(place, champion, store, tmp_path)
    assert "s3cr3t" not in str(error.value)
    assert (tmp_path / "prospects_manifest.json").exists()


def test_a_list_that_was_made_earlier_is_delivered_later(
    postgres, place, champion, store, tmp_path
):
    """The database was away when the list was made: nobody need score again."""
    listed(place, champion, store, tmp_path, deliver=False)
    for _ in range(2):
        said = deliver_list(tmp_path, params=place / "params.yaml", now=END)
        assert said.endswith("90 rows in table calls")
    assert postgres.execute("SELECT count(*) FROM calls_current").fetchall() == [(90,)]
    with pytest.raises(ListError, match="was valid until"):
        deliver_list(tmp_path, params=place / "params.yaml", now=END + timedelta(days=8))


def test_a_preview_is_not_delivered_later_either(postgres, place, tmp_path):
    """It lies in a folder like any other list."""
    trained().save(tmp_path / "model")
    score_events(
        ScoreRequest(place / "log", str(tmp_path / "model"), END, deliver=False),
        params=place / "params.yaml",
        out=tmp_path / "lists",
    )
    with pytest.raises(PromotionError, match="is a preview"):
        deliver_list(tmp_path / "lists", params=place / "params.yaml", now=END)


@pytest.mark.slow
def test_a_killed_job_leaves_one_whole_list(
    postgres, place, champion, store, tmp_path, monkeypatch
):
    """Killed at 20 moments from its first step to its last: the table holds whole lists alone."""
    jobs = multiprocessing.get_context("forkserver")  # reads the libraries once for all of them
    jobs.set_forkserver_preload(["lightgbm", "mlflow", "psycopg", "microconv.stages.score_events"])

    def begin(day: int) -> multiprocessing.process.BaseProcess:
        """Start a list of another day than the other jobs', so that each is a new one."""
        request = request_for(place, champion, as_of=(END - timedelta(days=day)).isoformat())
        files = {"params": place / "params.yaml", "out": tmp_path}
        # The stage itself: a new process may not find the modules of these tests.
        job = jobs.Process(target=score_events, args=(request,), kwargs=files)
        job.start()
        return job

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)  # the server of processes takes it over
    listed(place, champion, store, tmp_path)  # what was there before
    begin(1).join(timeout=60)  # the server starts with the first
    begun = time.monotonic()
    undisturbed = begin(2)
    undisturbed.join(timeout=60)
    whole = time.monotonic() - begun
    assert undisturbed.exitcode == 0
    killed = 0
    for attempt in range(20):
        job = begin(3 + attempt)
        time.sleep(whole * (attempt + 0.5) / 20)
        job.kill()
        job.join(timeout=60)
        killed += job.exitcode == -signal.SIGKILL
        sizes = postgres.execute(
            "SELECT l.list_id, (l.manifest -> 'counts' ->> 'listed')::int, count(c.rank) "
            "FROM calls_lists l LEFT JOIN calls c USING (list_id) GROUP BY l.list_id"
        ).fetchall()
        assert all(promised == there for _, promised, there in sizes)
        current = "SELECT count(DISTINCT list_id) FROM calls_current"
        assert postgres.execute(current).fetchall() == [(1,)]
        orphans = (
            "SELECT count(*) FROM calls WHERE list_id NOT IN (SELECT list_id FROM calls_lists)"
        )
        assert postgres.execute(orphans).fetchall() == [(0,)]
    assert killed >= 15  # a machine that is busy only makes it more
