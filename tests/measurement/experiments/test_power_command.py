from __future__ import annotations

import pytest

from microconv import cli


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the command line in this process; return exit code, output and errors."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["microconv", *map(str, words)])
        with pytest.raises(SystemExit) as leaving:
            cli.main()
        said = capsys.readouterr()
        return int(leaving.value.code or 0), said.out, said.err

    return run


def test_power_answers_in_a_sentence(command):
    """What a marketer asks before a test starts; R's power.prop.test says 2506.5."""
    code, out, _ = command("power", "--baseline", 0.1, "--effect", 0.25, "--per-day", 60)
    assert code == 0
    assert "each of the 2 arms needs 2,507 units" in out
    assert "84 days" in out


def test_power_refuses_in_a_sentence(command):
    """An impossible share is told, not computed with."""
    code, out, err = command("power", "--baseline", 1.2, "--effect", 0.25)
    assert (code, out) == (2, "")
    assert err == "microconv: `baseline` is 1.2; it is a share strictly between 0 and 1.\n"
