"""Temporary folders of killed runs, and who may remove them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from microconv.storage.files import atomic_write

WRITER = """
import sys, time
from microconv.storage.files import atomic_write
with atomic_write(sys.argv[1]) as fresh:
    fresh.mkdir()
    (fresh / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    """Start a run that writes the output and never ends; whatever happens, it is gone after."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "writing\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def write(target: Path) -> None:
    """Write the output as the next run would."""
    with atomic_write(target) as fresh:
        fresh.mkdir()
        (fresh / "whole").write_text("whole")


def names_in(folder: Path) -> list[str]:
    """List the content of a folder, hidden files too."""
    return sorted(entry.name for entry in folder.iterdir())


def test_the_next_run_clears_what_a_killed_one_left(tmp_path, writer):
    """`kill -9` leaves a folder of half an output; it must not stay for ever."""
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    (left,) = names_in(tmp_path)
    assert left.startswith(".log.")
    write(tmp_path / "log")
    assert names_in(tmp_path) == ["log"]
    assert names_in(tmp_path / "log") == ["whole"]


def test_the_folder_of_a_run_that_lives_is_left_alone(tmp_path, writer):
    """Two runs at once: neither may pull the ground from under the other."""
    (living,) = names_in(tmp_path)
    write(tmp_path / "log")
    assert names_in(tmp_path) == sorted([living, "log"])
    assert (tmp_path / living / "log" / "half").exists()


def test_what_only_looks_alike_is_left_alone(tmp_path):
    """Another output's folder, a person's own hidden one, a file, a link."""
    (tmp_path / "elsewhere").mkdir()
    for name in (".logs.abcdefgh", ".log.mine", ".log.ABCDEFGH", ".log.abcdefgh.old"):
        (tmp_path / name).mkdir()
    (tmp_path / ".log.abcdefg1").write_text("a file")
    (tmp_path / ".log.abcdefg2").symlink_to(tmp_path / "elsewhere")
    before = names_in(tmp_path)
    write(tmp_path / "log")
    assert names_in(tmp_path) == sorted([*before, "log"])


def test_the_old_output_comes_back_if_the_new_one_never_took_its_place(tmp_path):
    """Killed between the two renames: the only copy of the old one is in the folder it left."""
    left = tmp_path / ".log.abcdefgh"
    (left / "log.old").mkdir(parents=True)
    (left / "log.old" / "0000.parquet").write_text("old")

    def break_off() -> None:
        with atomic_write(tmp_path / "log"):
            raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        break_off()
    assert (tmp_path / "log" / "0000.parquet").read_text() == "old"
    assert names_in(tmp_path) == ["log"]


def test_many_outputs_of_one_folder_are_written_at_once(tmp_path):
    """The lock on the folder lasts only as long as a folder in it is made."""
    with atomic_write(tmp_path / "a") as one, atomic_write(tmp_path / "a") as two:
        one.write_text("one")
        two.write_text("two")
    assert names_in(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "one"
