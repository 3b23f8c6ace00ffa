"""What every stage shares: options from its signature, errors as one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from microconv.errors import SettingsError
from microconv.settings import engine_named
from microconv.stages import runner

ROOT = Path(__file__).parents[2]
PARAMS = str(ROOT / "params.yaml")


def copy(settings, *, log: Path, model_page: Path, store: Path | None = None) -> str:
    """Say what it was given."""
    return f"{settings.evaluate.list_size} {log} {model_page} {store}"


def test_keywords_become_options_and_their_order_is_free():
    """One signature is the only place where a stage says what it reads and writes."""
    said = runner.call(copy, ["--model-page", "b/c", "--params", PARAMS, "--log", "a"])
    assert said == f"copy: 200 {Path('a')} {Path('b/c')} None"


def test_an_engine_named_on_the_command_line_leaves_the_threads_of_the_params(tmp_path):
    """Who moves the buckets to a cluster still trains on this machine, as the params say."""
    content = yaml.safe_load(Path(PARAMS).read_text()) | {"engine": {"threads": 3}}
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(content, sort_keys=False))

    def said(settings) -> str:
        return f"{settings.engine.name} {settings.engine.master} {settings.engine.threads}"

    named = engine_named("spark", "local[2]")
    assert runner.call(said, ["--params", str(params)]) == "said: local None 3"
    assert runner.call(said, ["--params", str(params)], engine=named) == "said: spark local[2] 3"


@pytest.mark.parametrize(
    "arguments",
    [["--log", "a"], ["--log", "a", "--model-page", "b", "--stor", "c", "--lag", "d"]],
    ids=["missing", "unknown"],
)
def test_a_missing_or_unknown_option_is_refused(arguments, capsys):
    """A path that falls back to a default would read another run's data."""
    with pytest.raises(SystemExit, match="2"):
        runner.call(copy, ["--params", PARAMS, *arguments])
    assert "usage: python -m microconv.stages.copy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (SettingsError("`a` is missing."), "train: `a` is missing.\n"),
        (
            PermissionError(13, "Permission denied", "data/log"),
            "train: Permission denied: data/log\n",
        ),
        (SettingsError("no YAML:\n  line 2,\n  column 1"), "train: no YAML: line 2, column 1\n"),
        (SettingsError("no step: `\x1b]0;x\x07`."), "train: no step: `\\x1b]0;x\\x07`.\n"),
    ],
)
def test_what_a_user_can_mend_is_one_sentence_and_exit_code_2(error, sentence, capsys):
    """A traceback says where we are, not what the user can do."""
    with pytest.raises(SystemExit) as leaving, runner.one_sentence_errors("train"):
        raise error
    assert leaving.value.code == runner.USER_ERROR
    assert capsys.readouterr().err == sentence


def test_a_mistake_of_ours_keeps_its_traceback():
    """A bug dressed as a user's mistake would never be reported."""
    with pytest.raises(ZeroDivisionError), runner.one_sentence_errors("train"):
        _ = 1 / 0


def test_what_a_stage_says_cannot_steer_the_terminal(monkeypatch, capsys):
    """Event names come from exports that anybody may have written into."""

    def read(settings, *, log: Path) -> str:
        return f"1 event\n  no step: \x1b[2J{log}\u202e"

    monkeypatch.setattr("sys.argv", ["read", "--params", PARAMS, "--log", "a"])
    runner.run(read)
    assert capsys.readouterr().out == "read: 1 event\n  no step: \\x1b[2Ja\\u202e\n"


def test_ctrl_c_is_one_line_and_exit_code_130(capsys):
    """Somebody who stops a run has not found a bug."""
    with pytest.raises(SystemExit) as leaving, runner.one_sentence_errors("train"):
        raise KeyboardInterrupt
    assert leaving.value.code == 130
    assert capsys.readouterr().err == "train: interrupted; the outputs of before are unchanged\n"


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "| true", "2>&1 | true"])
@pytest.mark.parametrize(
    "words", ["power --baseline 0.1 --effect 0.2", "validate --params no.yaml"]
)
def test_a_closed_stream_is_no_error(words, redirection, tmp_path):
    """A scheduler that closes the streams, or `| head`, must not fail a run."""
    program = f"{sys.executable} -c 'from microconv.cli import main; main()'"
    command = f"{program} {words} {redirection}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.stdout.splitlines()[-1] == ("0" if words.startswith("power") else "2")
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stdout + done.stderr


def test_progress_writes_nothing_where_nobody_watches(capfd):
    """A log file full of spinners helps no one."""
    with runner.progress("train"):
        pass
    assert capfd.readouterr() == ("", "")


def test_counted_steps_write_nothing_where_nobody_watches(capfd):
    """The same stage runs in a terminal and in a scheduler."""
    with runner.progress("search"):
        runner.count_steps(2)()
    assert capfd.readouterr() == ("", "")


def test_counted_steps_become_a_bar_of_what_is_under_way(monkeypatch):
    """Somebody who waits for thirty trials wants to know how many are left."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with runner.progress("search"):
        bar, task = runner.CURRENT_TASK.get()
        advance = runner.count_steps(3)
        advance()
        advance()
        (shown,) = bar.tasks
        assert (shown.id, shown.completed, shown.total) == (task, 2, 3)
    assert runner.CURRENT_TASK.get() is None


def test_a_program_that_used_duckdb_ends_without_a_word():
    """Cut short at its end, DuckDB would print what it takes for leaks on everybody's stderr."""
    lines = (
        "from microconv.stages.runner import exit_fast",
        "exit_fast()",
        "import duckdb",
        "duckdb.connect().sql('select 1 as one').arrow()",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stage_is_a_program_that_fails_in_one_sentence(tmp_path):
    """What DVC runs: the real interpreter, a params.yaml with a typo, no traceback."""
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text() + "\nscroe: {}\n")
    words = ["--params", "params.yaml", "--log", "log", "--snapshots", "snapshots"]
    done = subprocess.run(
        [sys.executable, "-m", "microconv.stages.snapshot", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == runner.USER_ERROR
    assert done.stderr == "snapshot: params.yaml: unknown key `scroe`. Did you mean `score`?\n"
