"""The files of a list and its manifest."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from microconv.errors import MicroconvError
from microconv.ranking.output.lists import ListFiles, Provenance, write_list
from microconv.ranking.output.spreadsheets import as_csv, escape_formula
from microconv.ranking.ranked_list import Ranking
from worlds.logs import AS_OF

HOSTILE = [
    '=HYPERLINK("http://example.com")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
]
HARMLESS = ["Ada Example", "a=b", "Zoë 🙂", "<script>alert(1)</script>", "line\nbreak", 'a "b", c']


def ranking_of(names: list[str], **changes: object) -> Ranking:
    """Make a ranking whose names and reasons come from outside."""
    n = len(names)
    frame = pd.DataFrame(
        {
            "rank": range(1, n + 1),
            "prospect_id": [f"p{k}" for k in range(n)],
            "name": names,
            "probability": [1 / 3] * n,
            "expected_value": [-1.005] * n,
            "reason_1": [f"↑ source: {name}" for name in names],
            "next_step": pd.Series([None] * n, dtype="str"),
            "last_activity": pd.Series([pd.Timestamp(AS_OF)] * n).dt.as_unit("us"),
        }
    )
    left_out = dict.fromkeys(
        ["converted", "exited", "inactive", "not_yet_known", "merged_away", "no_step"], 0
    )
    given = {
        "frame": frame, "as_of": AS_OF, "horizon": timedelta(days=30), "scored": n + 5,
        "left_out": {**left_out, "below_the_limit": 5}, "limit": n,
        "grades": {"A": 0.2, "D": 0.0}, "notes": ("a note",),
    }  # fmt: skip
    return Ranking(**{**given, **changes})


@pytest.fixture
def provenance(tmp_path: Path) -> Provenance:
    """Provide a log and a model whose md5 can be worked out by hand."""
    for name in ("log", "model"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    return Provenance(tmp_path / "log", tmp_path / "model")


@pytest.fixture
def files(tmp_path: Path) -> ListFiles:
    """Say where the list goes."""
    out = tmp_path / "reports"
    return ListFiles.in_folder(out)


def write(ranking: Ranking, provenance: Provenance, files: ListFiles) -> dict[str, object]:
    """Write a list that may be used for a week."""
    return write_list(ranking, provenance, files, valid_for=timedelta(days=7))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_begins_a_formula(text: str) -> None:
    """A prospect chooses their own name; a spreadsheet must show it, not run it."""
    (row,) = csv.DictReader(io.StringIO(as_csv(pd.DataFrame({"name": [text]})), newline=""))
    assert row["name"] == "'" + text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_cells_come_back_as_they_were(text: str) -> None:
    """Only what could run is touched; quotes, commas and line breaks survive the CSV."""
    (row,) = csv.DictReader(io.StringIO(as_csv(pd.DataFrame({"name": [text]})), newline=""))
    assert row["name"] == text


def test_reasons_made_of_hostile_words_are_inert(provenance: Provenance, files: ListFiles) -> None:
    """A category gets into a reason; every cell of the file is checked, whatever its column."""
    write(ranking_of(HOSTILE), provenance, files)
    with files.csv.open(encoding="utf-8-sig", newline="") as content:
        cells = [cell for row in csv.reader(content) for cell in row]
    texts = [cell for cell in cells if not cell.lstrip("-").replace(".", "").isdigit()]
    assert not [cell for cell in texts if cell.startswith(tuple("=+-@\t\r\n＝"))]


def test_numbers_are_not_mistaken_for_formulas() -> None:
    """A negative number stays a number."""
    assert escape_formula(-1.5) == -1.5
    assert as_csv(pd.DataFrame({"expected_value": [-1.5]})) == "expected_value\r\n-1.5\r\n"


def test_a_spreadsheet_can_read_the_letters(provenance: Provenance, files: ListFiles) -> None:
    """Without a byte order mark a spreadsheet shows ZoÃ«."""
    write(ranking_of(["Zoë"]), provenance, files)
    content = files.csv.read_bytes()
    assert content.startswith(b"\xef\xbb\xbfrank,")
    assert "Zoë".encode() in content
    assert b"2024-06-03T00:00:00Z" in content
    assert b",0.333333," in content


def test_parquet_keeps_every_bit(provenance: Provenance, files: ListFiles) -> None:
    """Programs read the Parquet file; nothing is rounded, nothing gets an apostrophe."""
    ranking = ranking_of([*HOSTILE, *HARMLESS])
    write(ranking, provenance, files)
    pd.testing.assert_frame_equal(pd.read_parquet(files.prospects), ranking.frame)


def test_the_manifest_vouches_for_the_list(provenance: Provenance, files: ListFiles) -> None:
    """By hand: 7 days after 3 June is 10 June; sums are those of the files as they lie there."""
    write(ranking_of(["Ada", "Bob"]), provenance, files)
    manifest = json.loads(files.manifest.read_text(encoding="utf-8"))
    one = hashlib.md5(b"log").hexdigest()
    assert manifest["log"]["md5"] == hashlib.md5(f"{one}  file\n".encode()).hexdigest()
    assert manifest["files"]["csv"] == hashlib.md5(files.csv.read_bytes()).hexdigest()
    assert manifest["files"]["prospects"] == hashlib.md5(files.prospects.read_bytes()).hexdigest()
    assert (manifest["as_of"], manifest["valid_until"]) == (
        "2024-06-03T00:00:00Z",
        "2024-06-10T00:00:00Z",
    )
    assert manifest["status"] == "preview"
    assert manifest["counts"]["listed"] == 2
    assert manifest["counts"]["scored"] == 7
    assert manifest["counts"]["left_out"]["below_the_limit"] == 5
    assert manifest["columns"][:2] == ["rank", "prospect_id"]
    assert manifest["notes"] == ["a note"]


def test_the_same_inputs_make_the_same_bytes(provenance: Provenance, files: ListFiles) -> None:
    """A second run of the pipeline must find nothing changed."""
    write(ranking_of(["Ada"]), provenance, files)
    first = [path.read_bytes() for path in dataclasses.astuple(files)]
    write(ranking_of(["Ada"]), provenance, files)
    assert [path.read_bytes() for path in dataclasses.astuple(files)] == first


def test_another_question_is_another_list(provenance: Provenance, files: ListFiles) -> None:
    """The id names the inputs: log, model, instant, length, thresholds, status."""
    ids = [write(ranking_of(["Ada"]), provenance, files)["list_id"]]
    for changes in ({"as_of": AS_OF + timedelta(days=1)}, {"limit": 9}, {"grades": None}):
        ids.append(write(ranking_of(["Ada"], **changes), provenance, files)["list_id"])
    champion = dataclasses.replace(provenance, status="champion", version="3")
    ids.append(write(ranking_of(["Ada"]), champion, files)["list_id"])
    (provenance.log / "file").write_text("newer")
    ids.append(write(ranking_of(["Ada"]), provenance, files)["list_id"])
    assert len(set(ids)) == len(ids)


def test_a_full_disk_leaves_the_old_list_whole(
    provenance: Provenance, files: ListFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest comes last: what it vouches for is still there, byte for byte."""
    write(ranking_of(["Ada"]), provenance, files)
    before = [path.read_bytes() for path in dataclasses.astuple(files)]
    monkeypatch.setattr(
        "microconv.ranking.output.lists.as_csv", lambda frame: Path("/dev/full").write_text("x")
    )
    with pytest.raises(MicroconvError, match="disk is full"):
        write(ranking_of(["Bob"]), provenance, files)
    assert files.csv.read_bytes() == before[1]
    assert files.manifest.read_bytes() == before[-1]
