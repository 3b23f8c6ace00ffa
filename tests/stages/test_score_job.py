"""`microconv score` as a scheduler runs it: alone, fresh, taken up again, saying what it does."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from microconv.errors import (
    BusyError,
    PromotionError,
    SettingsError,
    StaleLogError,
    TrackingAwayError,
)
from microconv.ranking import event_inputs as inputs
from microconv.settings import Settings
from microconv.stages.runner import TRY_AGAIN, one_sentence_errors
from microconv.stages.score_events import ScoreRequest, score_events
from microconv.storage.files import folder_lock, md5_of
from worlds.ranking import END, on_disk, settings, trained_on_events, world

EXPORTS = {
    "name": "web",
    "format": "table",
    "files": "events.parquet",
    "complete_until": END.isoformat(),
    "columns": {
        "prospect_id": "prospect_id",
        "time": "time",
        "event": "event_name",
        "value": "value",
        "event_id": "event_id",
    },
}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Lay out a model, a log that ends at END, and the same events as raw exports."""
    folder = tmp_path_factory.mktemp("job")
    trained_on_events().save(folder / "model")
    on_disk(folder / "log")
    (folder / "raw").mkdir()
    rows = world().events.select(list(EXPORTS["columns"].values()))
    pq.write_table(rows, folder / "raw" / "events.parquet")
    return folder


@pytest.fixture
def params(tmp_path):
    """Write params.yaml with some sections changed."""

    def write(**changes: dict[str, object]) -> Path:
        content = json.loads(settings().model_dump_json(exclude={"snapshots": {"last"}}))
        content["ingest"]["sources"] = [EXPORTS]
        for section, values in changes.items():
            content[section] = {**content.get(section, {}), **values}
        file = tmp_path / "params.yaml"
        file.write_text(yaml.safe_dump(content))
        return file

    return write


def job(place: Path, hours: float = 6, events: str = "log", **more: object) -> ScoreRequest:
    """Ask for a list some hours after the log ended."""
    now = END + timedelta(hours=hours)
    return ScoreRequest(place / events, str(place / "model"), now, **more)


def test_a_second_run_in_the_same_folder_is_told_to_come_back(place, tmp_path, capsys):
    """Cron starts the next job whether or not the last has ended."""
    with (
        folder_lock(tmp_path, "making a list in"),
        pytest.raises(SystemExit) as leaving,
        one_sentence_errors("microconv"),
    ):
        score_events(job(place), params=None, out=tmp_path)
    assert leaving.value.code == TRY_AGAIN == 75
    assert "Another run is making a list in" in capsys.readouterr().err
    score_events(job(place), params=None, out=tmp_path)


def test_the_lock_goes_with_the_run_that_held_it(place, tmp_path):
    """A job that failed must not keep every later one out."""
    with pytest.raises(BusyError), folder_lock(tmp_path, "a"), folder_lock(tmp_path, "b"):
        raise AssertionError("both are in")
    with folder_lock(tmp_path, "c"):
        assert (tmp_path / ".lock").exists()


def test_a_log_older_than_max_age_makes_no_list(place, params, tmp_path):
    """The export job failed silently for a week: no list rather than last week's."""
    out, limits = tmp_path / "lists", params(score={"max_age_hours": 24})
    score_events(job(place, hours=23), params=limits, out=out)
    before = md5_of(out)
    with pytest.raises(StaleLogError, match=r"25 hours before now, and .* is 24"):
        score_events(job(place, hours=25), params=limits, out=out)
    assert md5_of(out) == before


def test_the_age_is_that_of_the_log_and_not_of_the_question(place, params, tmp_path):
    """Asking a fresh log about last month is a question like any other."""
    request = job(place, as_of=(END - timedelta(days=30)).isoformat())
    score_events(request, params=params(score={"max_age_hours": 24}), out=tmp_path / "lists")


def test_it_says_one_json_line_a_phase(place, tmp_path, capsys):
    """What a log collector can read: what, how it went, how long, how many."""
    score_events(job(place), params=None, out=tmp_path)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["phase"] for line in lines] == ["model", "events", "rank", "write"]
    assert {line["state"] for line in lines} == {"done"}
    rank = lines[2]
    assert rank["job"] == "score"
    assert rank["listed"] == rank["scored"] > 0
    assert lines[3]["list_id"] == json.loads(manifest_in(tmp_path).read_text())["list_id"]


def test_a_phase_that_fails_says_so(place, tmp_path, capsys):
    """The last line of a failed job is the phase it failed in."""
    with pytest.raises(Exception, match="no model"):
        score_events(ScoreRequest(place / "log", "nowhere", END), params=None, out=tmp_path)
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["phase"], line["state"]) == ("model", "failed")


def test_a_registry_that_is_down_makes_no_list(place, tmp_path, monkeypatch):
    """No other model is taken instead, the scheduler is told to try again, no password is said."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:s3cr3t@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    request = ScoreRequest(place / "log", "models:/test@champion", END)
    with pytest.raises(TrackingAwayError) as error:
        score_events(request, params=None, out=tmp_path / "lists")
    assert "s3cr3t" not in str(error.value)
    assert [file.name for file in (tmp_path / "lists").iterdir()] == [".lock"]


def test_a_list_of_no_champion_is_not_delivered(place, params, tmp_path, monkeypatch):
    """What sales reads comes from a model that somebody promoted; nothing is made at all."""
    monkeypatch.setenv("SALES_URL", "postgresql://127.0.0.1:9/nobody")
    given = params(deliver={"url_from": "SALES_URL"})
    with pytest.raises(PromotionError, match="only lists of the champion are delivered"):
        score_events(job(place), params=given, out=tmp_path / "lists")
    assert not manifest_in(tmp_path / "lists").exists()
    said = score_events(job(place, deliver=False), params=given, out=tmp_path / "lists")
    assert "preview" in said


def test_exports_are_ingested_once_for_a_run_that_is_taken_up_again(
    place, params, tmp_path, monkeypatch
):
    """A job over millions of rows that dies while it ranks does not begin at nothing."""
    out, given = tmp_path / "lists", params()
    calls = []
    ingested = inputs._ingested
    monkeypatch.setattr(
        inputs, "_ingested", lambda *a, **k: (calls.append(1), ingested(*a, **k))[1]
    )
    with monkeypatch.context() as broken:
        broken.setattr("microconv.stages.score_events.rank_prospects", _dies)
        with pytest.raises(KeyboardInterrupt):
            score_events(job(place, events="raw"), params=given, out=out)
    said = score_events(job(place, events="raw"), params=given, out=out)
    assert len(calls) == 1
    assert said.startswith("10 of ")
    assert not list(out.glob(".ingested-*"))
    assert (out / "ingest.json").exists()
    assert (out / "quarantine.parquet").exists()


def test_other_exports_are_not_taken_for_the_ones_that_were_kept(
    place, params, tmp_path, monkeypatch
):
    """What was kept of yesterday must not become today's list."""
    out, given = tmp_path / "lists", params()
    with monkeypatch.context() as broken:
        broken.setattr("microconv.stages.score_events.rank_prospects", _dies)
        with pytest.raises(KeyboardInterrupt):
            score_events(job(place, events="raw"), params=given, out=out)
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    pq.write_table(pq.read_table(place / "raw" / "events.parquet")[:500], fewer / "events.parquet")
    request = ScoreRequest(fewer, str(place / "model"), END)
    score_events(request, params=given, out=out)
    said = json.loads((out / "ingest.json").read_text())
    assert said["sources"][0]["rows"] == 500
    assert not list(out.glob(".ingested-*"))


def test_the_command_says_until_when_exports_are_complete(place, params, tmp_path):
    """A daily job cannot edit params.yaml every day."""
    earlier = (END - timedelta(days=7)).isoformat()
    request = job(place, events="raw", complete_until=earlier)
    said = score_events(request, params=params(), out=tmp_path / "lists")
    assert "as of 2024-05-27T00:00:00Z" in said
    later = job(place, events="raw", complete_until="2031-01-01T00:00:00Z")
    with pytest.raises(SettingsError, match="`plausible_until`"):
        score_events(later, params=params(), out=tmp_path / "lists")
    with pytest.raises(SettingsError, match="is for raw exports"):
        score_events(job(place, complete_until=earlier), params=None, out=tmp_path / "lists")


def manifest_in(folder: Path) -> Path:
    """Say where a list's manifest lies."""
    return folder / "prospects_manifest.json"


def _dies(*_: object, **__: object) -> Settings:
    raise KeyboardInterrupt
