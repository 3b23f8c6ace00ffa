"""The folder of a model: whole or refused."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from microconv.errors import DamagedModelError, ModelError
from microconv.model.artefact import SUMS, read_files, write_files

FILES = {"model.json": b'{"a": 1}', "trees.txt": b"tree\n" * 20}
NAMES = tuple(FILES)


@pytest.fixture
def folder(tmp_path):
    """Write a small artefact."""
    write_files(tmp_path / "model", FILES)
    return tmp_path / "model"


def test_what_was_written_is_read(folder):
    """Byte for byte."""
    assert read_files(folder) == FILES


def test_the_sums_are_those_of_sha256sum(folder):
    """Anybody can check a model without this library."""
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed here")
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder, check=True)


@pytest.mark.parametrize("name", [*NAMES, SUMS])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda b: b[:-1], id="last byte lost"),
        pytest.param(lambda b: b"", id="emptied"),
        pytest.param(lambda b: b + b"x", id="byte added"),
        pytest.param(lambda b: bytes([b[0] ^ 1]) + b[1:], id="first bit flipped"),
        pytest.param(lambda b: b"\xff\xfe" * 50, id="not even text"),
    ],
)
def test_any_damage_is_found_before_anything_is_parsed(folder, name, damage):
    """Also in the list of checksums itself."""
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedModelError, match="Copy it again from where it was saved"):
        read_files(folder)


@pytest.mark.parametrize("name", [*NAMES, SUMS])
def test_a_missing_file_is_damage(folder, name):
    """The message names it."""
    (folder / name).unlink()
    with pytest.raises(DamagedModelError, match=name):
        read_files(folder)


def test_only_files_of_the_folder_itself_are_read(folder):
    """A list that names a path elsewhere is damaged, not followed."""
    listing = (folder / SUMS).read_text()
    (folder / SUMS).write_text(listing + f"{'0' * 64}  ../secret\n")
    with pytest.raises(DamagedModelError, match=SUMS):
        read_files(folder)


def test_no_folder_is_no_model(tmp_path):
    """A wrong path is not called damage."""
    with pytest.raises(ModelError, match="There is no model at"):
        read_files(tmp_path / "nowhere")


def test_a_failed_write_leaves_the_old_model_whole(folder):
    """Write beside, then rename."""
    with pytest.raises(TypeError):
        write_files(folder, {"model.json": b"new", "trees.txt": "not bytes"})
    assert read_files(folder) == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
