"""Atomic writes: an output is complete or unchanged, whatever interrupts the run."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from microconv.errors import MicroconvError
from microconv.storage import files
from microconv.storage.files import atomic_write, md5_of


def names_in(folder: Path) -> list[str]:
    """List the content of a folder, hidden files too."""
    return sorted(entry.name for entry in folder.iterdir())


def write(target: Path, action: Callable[[Path], object]) -> None:
    """Replace `target` by what `action` writes."""
    with atomic_write(target) as fresh:
        action(fresh)


def test_a_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """The ordinary case: the new content stands under the old name, alone."""
    target = tmp_path / "list.csv"
    target.write_text("old")
    with atomic_write(target) as fresh:
        fresh.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert names_in(tmp_path) == ["list.csv"]


def test_a_directory_takes_the_place_of_the_old_one_entirely(tmp_path: Path) -> None:
    """A bucket of the old log must not survive among the buckets of the new one."""
    target = tmp_path / "deep" / "log"
    for name in ("0000.parquet", "0001.parquet"):
        target.mkdir(parents=True, exist_ok=True)
        (target / name).write_text("old")
    with atomic_write(target) as fresh:
        fresh.mkdir()
        (fresh / "0000.parquet").write_text("new")
    assert names_in(target) == ["0000.parquet"]
    assert names_in(target.parent) == ["log"]


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), MicroconvError("no")])
def test_any_error_leaves_the_old_output_whole(tmp_path: Path, error: BaseException) -> None:
    """Half an output is worse than an old one."""
    target = tmp_path / "log"
    target.mkdir()
    (target / "0000.parquet").write_text("old")

    def break_off(fresh: Path) -> None:
        fresh.mkdir()
        (fresh / "0000.parquet").write_text("half")
        raise error

    with pytest.raises(type(error)):
        write(target, break_off)
    assert (target / "0000.parquet").read_text() == "old"
    assert names_in(tmp_path) == ["log"]


def test_a_full_disk_is_told_in_one_sentence(tmp_path: Path) -> None:
    """The device that is always full raises a real error; the old output stays."""
    target = tmp_path / "list.csv"
    target.write_text("old")

    def fill_the_disk(fresh: Path) -> None:
        fresh.symlink_to("/dev/full")
        fresh.write_text("new")

    with pytest.raises(MicroconvError, match=r"disk is full.*old output stays"):
        write(target, fill_the_disk)
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["list.csv"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file where a folder is needed is for the user to fix, so no traceback."""
    (tmp_path / "reports").write_text("a file")
    with pytest.raises(MicroconvError, match="Could not write"):
        write(tmp_path / "reports" / "list.csv", Path.touch)


def test_a_failed_rename_puts_the_old_directory_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without exchange, the moment between the two renames is the only one without an output."""
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    target = tmp_path / "log"
    target.mkdir()
    (target / "0000.parquet").write_text("old")
    rename = Path.rename

    def refuse_the_second(self: Path, other: Path) -> Path:
        if self.name == "log" and other == target:
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", refuse_the_second)
    with pytest.raises(MicroconvError, match="Input/output error"):
        write(target, Path.mkdir)
    assert (target / "0000.parquet").read_text() == "old"


def test_a_directory_is_there_at_every_instant_while_another_takes_its_place(
    tmp_path: Path,
) -> None:
    """A reader during retraining, or after a kill, finds a complete model."""
    target = tmp_path / "model"
    write(target, Path.mkdir)
    done, looks = threading.Event(), [0, 0]

    def look() -> None:
        while not done.is_set():
            looks[target.exists()] += 1

    watching = threading.Thread(target=look)
    watching.start()
    for _ in range(200):
        write(target, Path.mkdir)
    done.set()
    watching.join()
    away, there = looks
    assert away == 0
    assert there > 200


def test_the_fingerprint_of_a_directory_follows_names_and_bytes(tmp_path: Path) -> None:
    """A renamed, moved or edited file must show; the order of creation must not."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2").write_text("two")
    (tmp_path / "a").write_text("one")
    one, two = (hashlib.md5(word).hexdigest() for word in (b"one", b"two"))
    by_hand = hashlib.md5(f"{one}  a\n{two}  b/2\n".encode()).hexdigest()
    assert md5_of(tmp_path) == by_hand
    (tmp_path / "a").rename(tmp_path / "c")
    assert md5_of(tmp_path) != by_hand
