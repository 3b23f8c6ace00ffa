"""The command: what it answers, and how it says no."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

import microconv
from microconv import cli
from microconv.ranking.list_columns import DETAIL_COLUMNS
from worlds.ranking import END, trained, world

ROOT = Path(__file__).parents[1]

SCORE_WORDS = ["--events", "log", "--model", "model", "--out", "out"]

FORTNIGHTLY = {
    "snapshots__every_days": 14,
    "backtest__folds": 1,
    "backtest__test_snapshots": 2,
}
"""Dates that can be worked out by hand, whatever the demo's are."""


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command line in this process; return exit code, output and errors."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["microconv", *map(str, words)])
        with pytest.raises(SystemExit) as leaving:
            cli.main()
        said = capsys.readouterr()
        return int(leaving.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Describe one table of events; stand in a folder of one's own."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["ingest"]["sources"] = [
        {
            "name": "events",
            "format": "table",
            "files": "*.csv",
            "complete_until": "2024-08-05T00:00:00Z",
            "columns": {"prospect_id": "who", "time": "at", "event": "what"},
        }
    ]
    monkeypatch.chdir(tmp_path)
    Path("raw").mkdir()
    Path("raw/a.csv").write_text("who,at,what\n")

    def write(**changes):
        for place, value in changes.items():
            section, key = place.split("__")
            content[section][key] = value
        Path("params.yaml").write_text(yaml.safe_dump(content))
        return Path("params.yaml")

    return write


def test_it_says_its_version(command):
    """The first question of every bug report."""
    assert command("--version") == (0, f"{version('microconv')}\n", "")


def test_its_help_names_every_command(command):
    """What is not listed does not exist for a newcomer."""
    code, out, _ = command("--help")
    assert code == 0
    for name in ("run", "score", "simulate", "validate"):
        assert f" {name} " in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "--params", "nowhere.yaml", "--root", "out"], "no parameter file at nowhere.yaml"),
        (["run", "--params", "params.yaml", "--root", "out", "--input", "gone"], "no folder gone"),
        (["validate", "--params", "params.yaml", "--input", "gone"], "gone"),
        (["score", "--events", "e", "--model", "m", "--out", "o"], "no model at m"),
        (["score", "--events", "e", "--model", "models:/x", "--out", "o"], "Write it like"),
    ],
    ids=["params", "exports", "sources", "model", "address"],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(command, project, words, says):
    """Nobody fixes a typo by reading our stack."""
    project()
    code, out, err = command(*words)
    assert (code, out) == (2, "") or words[0] == "validate"
    assert code == 2
    err = "".join(line for line in err.splitlines(True) if not line.startswith("{"))  # phases
    assert err.startswith("microconv: ")
    assert says in err
    assert err.count("\n") == 1
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["score", "--evnts", "x"], "No such option: --evnts"),
        (["scroe"], "No such command 'scroe'"),
        (["validate"], "--params"),
        (["score", "--limit", "x", "--events", "a", "--model", "b", "--out", "c"], "--limit"),
        (["validate", "--params", "folder"], "The parameter file folder cannot be read: Is a dir"),
    ],
    ids=["option", "command", "missing", "value", "folder"],
)
def test_a_mistyped_command_line_is_one_sentence_too(command, project, words, says):
    """No box of several lines: a scheduler's log keeps lines."""
    project()
    Path("folder").mkdir()
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert err.startswith("microconv: ")
    assert says in err
    assert err.count("\n") == 1


def test_params_that_may_not_be_read_are_one_sentence(command, project, monkeypatch):
    """Whoever runs the tests as root may read everything, so the refusal is the disk's here."""
    params = project()

    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_text", refuse)
    code, _, err = command("validate", "--params", params)
    said = "microconv: The parameter file params.yaml cannot be read: Permission denied.\n"
    assert (code, err) == (2, said)


def test_without_a_word_it_shows_its_help(command):
    """The first thing anybody types."""
    code, out, err = command()
    assert (code, err) == (0, "")
    assert "Rank prospects" in out


def test_a_typo_in_params_names_the_near_key(command, project):
    """A misspelt key that was ignored would be a setting that never applied."""
    project(snapshots__horizn_days=30)
    code, _, err = command("run", "--params", "params.yaml", "--root", "out")
    assert code == 2
    assert err == (
        "microconv: params.yaml: unknown key `snapshots.horizn_days`. "
        "Did you mean `horizon_days`?\n"
    )


def test_validate_prints_the_folds_from_dates_alone(command, project):
    """Worked by hand: every 14 days from 5 February, 30 days ahead, complete until 5 August.

    The last window that has closed is that of 24 June (24 July; 8 July would end on
    7 August). A fold of two tests 10 and 24 June; training ends 35 days before, at
    6 May, so with 29 April, the 7th date.
    """
    project(**FORTNIGHTLY)
    code, out, _ = command("validate", "--params", "params.yaml", "--input", "raw")
    assert code == 0
    assert "source events: 1 table file(s)" in out
    assert (
        "fold 2024-06-10: train 2024-02-05 to 2024-04-29 (7 dates), "
        "test 2024-06-10 to 2024-06-24 (2 dates)\n"
    ) in out


def test_validate_names_every_problem_and_writes_nothing(command, project):
    """One run of it should do, however much is wrong."""
    project(features__pairs=[["comparison_guide", "prcing_visit"]], **FORTNIGHTLY)
    Path("raw/a.csv").unlink()
    before = sorted(path.name for path in Path().rglob("*"))
    code, out, err = command("validate", "--params", "params.yaml", "--input", "raw")
    assert code == 2
    assert "prcing_visit" in err
    assert "The source `events` has no file" in err
    assert "fold 2024-06-10" in out
    assert sorted(path.name for path in Path().rglob("*")) == before


def test_validate_shows_how_many_rows_would_be_rejected_and_why(command, project):
    """A column of milliseconds that is read as seconds: every row of it, before the run."""
    content = yaml.safe_load(project(**FORTNIGHTLY).read_text())
    rows = ['{"who": "ada", "at": 1717200000000, "what": "demo"}\n', "{half a line\n"]
    Path("raw/new.jsonl").write_text("".join(rows))
    columns = {"prospect_id": "who", "time": "at", "event": "what"}
    new = {"name": "new", "format": "table", "files": "new.jsonl", "columns": columns}
    project(ingest__sources=[*content["ingest"]["sources"], new | {"time_unit": "seconds"}])
    code, out, err = command("validate", "--params", "params.yaml", "--input", "raw")
    assert code == 2
    counts = "0 good, 1 rejected (bad_json), 1 rejected (implausible_time)"
    assert f"source new: 1 table file(s), 0.0 MB; of 2 rows checked {counts}\n" in out
    assert "2 of 2 rows (100.0%) of the source `new` were rejected" in err
    assert "row 1 implausible_time (time: 1717200000000)" in err


def test_validate_finds_a_file_that_is_read_twice(command, project):
    """Before the run, not in a list where everybody is twice as busy."""
    content = yaml.safe_load(project(**FORTNIGHTLY).read_text())
    twin = content["ingest"]["sources"][0] | {"name": "again", "files": "a.csv"}
    project(ingest__sources=[*content["ingest"]["sources"], twin])
    code, _, err = command("validate", "--params", "params.yaml", "--input", "raw")
    assert code == 2
    assert "`events` and `again` both read raw/a.csv" in err


def test_validate_reads_the_header_of_every_file(command, project):
    """A column renamed in this month's export is found before the run, not during it."""
    project(backtest__folds=1)
    Path("raw/b.csv").write_text("who,when,what\n")
    code, _, err = command("validate", "--params", "params.yaml", "--input", "raw")
    assert code == 2
    assert "`at` (for `time`), but b.csv has no such column" in err
    assert "`who`, `when`, `what`" in err


def test_validate_reads_the_table_of_words(command, project):
    """A bad edit is found before the run, with its line; an idle row is named."""
    project(score__reason_texts="words.csv")
    good = "pattern,subject,when,weak,text\ncounts.prcing_visit.7d,pricing,,,looked at prices\n"
    Path("words.csv").write_text(good)
    code, out, err = command("validate", "--params", "params.yaml", "--input", "raw")
    assert (code, err) == (0, "")
    assert "texts: 1 rows in words.csv\n  the pattern `counts.prcing_visit.7d` fits no" in out
    Path("words.csv").write_text(good + "counts.blog_read.7d,blog,,,\n")
    code, _, err = command("validate", "--params", "params.yaml", "--input", "raw")
    assert (code, err) == (2, "microconv: words.csv, line 3: `text` is empty.\n")


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """Save a model and a Parquet file of the events it ranks."""
    folder = tmp_path_factory.mktemp("world")
    trained().save(folder / "model")
    pq.write_table(world().events, folder / "events.parquet")
    pq.write_table(world().prospects, folder / "prospects.parquet")
    return folder


def test_score_writes_the_list_of_the_library(command, events, tmp_path):
    """The command and the function are two doors to one room."""
    model, log, out = events / "model", events / "events.parquet", tmp_path / "lists"
    people = events / "prospects.parquet"
    words = ["--events", log, "--prospects", people, "--model", model, "--limit", 7]
    code, said, err = command("score", *words, "--as-of", END.isoformat(), "--out", out)
    assert code == 0
    assert {json.loads(line)["state"] for line in err.splitlines()} == {"done"}
    assert said.startswith("7 of ")
    assert "preview" in said
    listed = pd.read_parquet(out / "prospects.parquet")
    expected = microconv.score(log, prospects=people, model=model, as_of=END, limit=7)
    assert [*listed.columns[len(expected.columns) :]] == DETAIL_COLUMNS.names
    pd.testing.assert_frame_equal(listed[[*expected.columns]], expected, check_exact=True)
    manifest = json.loads((out / "prospects_manifest.json").read_text())
    assert manifest["status"] == "preview"
    assert manifest["counts"]["listed"] == 7


def test_score_does_not_guess_where_as_of_is_empty(command, events, tmp_path):
    """`--as-of "$MONDAY"` with the variable unset must not take another instant."""
    words = ["--events", events / "events.parquet", "--model", events / "model", "--as-of", ""]
    code, _, err = command("score", *words, "--out", tmp_path)
    assert code == 2
    assert "`as_of` is '', which is not an instant" in err


def test_score_of_raw_exports_asks_how_they_are_read(command, events, tmp_path):
    """A folder of exports is not a damaged log."""
    (tmp_path / "raw").mkdir()
    words = ["--events", tmp_path / "raw", "--model", events / "model", "--out", tmp_path / "out"]
    code, _, err = command("score", *words)
    assert code == 2
    assert "--params" in err


def test_score_asks_for_an_instant_where_the_events_name_none(command, events, tmp_path):
    """A table of events does not say until when it is complete, and nothing reads the clock."""
    words = ["--events", events / "events.parquet", "--model", events / "model"]
    code, _, err = command("score", *words, "--out", tmp_path)
    assert code == 2
    assert "--as-of" in err


@pytest.mark.parametrize("command_words", [["run", "--root", "out"], ["score", *SCORE_WORDS]])
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--engine", "spark"], "`spark` needs a `master`"),
        (["--engine", "local", "--master", "yarn"], "set `name: spark`"),
        (["--engine", "ray"], "`ray` cannot be its name"),
    ],
)
def test_an_engine_that_cannot_be_is_refused_before_any_work(
    command, project, command_words, words, says
):
    """An hour of ingest before a typo is told is an hour lost."""
    params = project()
    code, out, errors = command(*command_words, "--params", params, *words)
    assert (code, out) == (2, "")
    assert says in errors
    assert not Path("out").exists()


def test_events_in_memory_are_refused_by_a_cluster(command, tmp_path, monkeypatch):
    """One file of events is a table in memory; a cluster wants a log that every machine sees."""
    monkeypatch.chdir(tmp_path)
    trained().save("model")
    pq.write_table(world().events, "events.parquet")
    words = ["--events", "events.parquet", "--model", "model", "--out", "out"]
    as_of = ["--as-of", END.isoformat()]
    code, _, errors = command("score", *words, *as_of, "--master", "local[2]")
    assert code == 2
    assert "Ingest them first" in errors
