"""A past list is read only if it matches its manifest."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from microconv.errors import ListError, MissingInputError, TimeError
from microconv.ranking.output.lists import ListFiles, Provenance, write_list
from microconv.ranking.output.past_lists import MANIFEST, read_list
from microconv.ranking.ranked_list import Ranking
from microconv.storage.files import md5_of
from worlds.logs import AS_OF


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Provide a list of two, valid for a week."""
    for name in ("log", "model"):
        (tmp_path / name).mkdir()
    frame = pd.DataFrame({"rank": [1, 2], "prospect_id": ["ada", "bob"], "probability": [0.4, 0.1]})
    ranking = Ranking(
        frame, AS_OF, timedelta(days=30), 2,
        dict.fromkeys(["not_yet_known", "merged_away", "no_step"], 0),
    )  # fmt: skip
    out = tmp_path / "monday"
    files = ListFiles.in_folder(out)
    provenance = Provenance(tmp_path / "log", tmp_path / "model")
    write_list(ranking, provenance, files, valid_for=timedelta(days=7))
    return out


def change_manifest(folder: Path, **changes: object) -> None:
    """Write other values into a manifest; None takes a key away."""
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8")) | changes
    kept = {name: value for name, value in content.items() if value is not None}
    (folder / MANIFEST).write_text(json.dumps(kept), encoding="utf-8")


def test_a_list_comes_back_as_it_was_written(folder: Path) -> None:
    """Rows, order and the instant it was asked for."""
    past = read_list(folder, at=AS_OF + timedelta(days=6))
    assert past.frame["prospect_id"].tolist() == ["ada", "bob"]
    assert past.as_of == AS_OF


def test_a_list_is_valid_until_its_last_instant_and_no_longer(folder: Path) -> None:
    """By hand: scored on 3 June for a week, [3 June, 10 June)."""
    end = AS_OF + timedelta(days=7)
    read_list(folder, at=end - timedelta(microseconds=1))
    with pytest.raises(ListError, match=r"was valid until 2024-06-10T00:00:00Z"):
        read_list(folder, at=end)


def test_who_looks_back_may_read_an_expired_list(folder: Path) -> None:
    """An audit a year later has nothing but expired lists."""
    assert len(read_list(folder, at=None).frame) == 2


def test_nobody_guesses_a_time_zone(folder: Path) -> None:
    """A naive instant could be hours off."""
    with pytest.raises(TimeError, match="no time zone"):
        read_list(folder, at=datetime(2024, 6, 4))  # noqa: DTZ001


@pytest.mark.parametrize("name", ["prospects.parquet", "prospects.csv", "prospects.xlsx"])
def test_a_file_that_is_not_the_one_vouched_for_is_refused(folder: Path, name: str) -> None:
    """A run cut short between two files, or somebody's edit in a spreadsheet."""
    with (folder / name).open("ab") as content:
        content.write(b" ")
    with pytest.raises(ListError, match=f"`{name}` in .* does not match the manifest"):
        read_list(folder, at=None)


def test_the_other_formats_need_not_be_there(folder: Path) -> None:
    """Programs copy the Parquet file and its manifest alone."""
    (folder / "prospects.csv").unlink()
    assert len(read_list(folder, at=None).frame) == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"format": 99}, "format 99, and this version", id="another layout"),
        pytest.param({"format": None}, "format None", id="no layout"),
        pytest.param({"as_of": None}, "has no `as_of`", id="no instant"),
        pytest.param(
            {"files": {}}, "`prospects.parquet` in .* does not match the manifest", id="no sums"
        ),
    ],
)
def test_another_manifest_is_refused(folder: Path, changes: dict[str, object], says: str) -> None:
    """Each by one sentence that says what is the matter."""
    change_manifest(folder, **changes)
    with pytest.raises(ListError, match=says):
        read_list(folder, at=None)


@pytest.mark.parametrize("content", ["", "[]", "{", '"list"', "\x00"])
def test_what_is_no_manifest_is_refused(folder: Path, content: str) -> None:
    """Half a file, or another kind of file."""
    (folder / MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(ListError):
        read_list(folder, at=None)


def test_a_list_of_another_schema_is_refused(folder: Path) -> None:
    """Whoever vouches for it: without rank and probability it is no list."""
    path = folder / "prospects.parquet"
    pq.write_table(pa.table({"lead": ["ada"], "score": [3]}), path)
    change_manifest(folder, files={"prospects": md5_of(path)})
    with pytest.raises(ListError, match="no column `rank`, `prospect_id`, `probability`"):
        read_list(folder, at=None)


def test_a_file_that_is_no_parquet_is_refused(folder: Path) -> None:
    """Its sum is right, its content is not."""
    path = folder / "prospects.parquet"
    path.write_bytes(b"rank,prospect_id\n")
    change_manifest(folder, files={"prospects": md5_of(path)})
    with pytest.raises(ListError, match="not readable"):
        read_list(folder, at=None)


def test_a_folder_without_a_list_is_said(folder: Path, tmp_path: Path) -> None:
    """No manifest, or a manifest alone."""
    with pytest.raises(MissingInputError, match=f"no {MANIFEST}"):
        read_list(tmp_path / "tuesday", at=None)
    (folder / "prospects.parquet").unlink()
    with pytest.raises(MissingInputError, match="only its manifest"):
        read_list(folder, at=None)
