"""The workbook and the JSON lines hold the list, typed, and nothing in them runs."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from xml.etree import ElementTree

import pandas as pd
import pytest

from microconv.ranking.output.spreadsheets import as_json_lines, write_workbook

AS_OF = datetime(2024, 6, 3, tzinfo=UTC)
HOSTILE = ['=HYPERLINK("evil.example")', "http://evil.example", "007", "<script>", "🦊 אדה"]
SEEN = ["2024-06-01T10:00:00.000001Z", None, *["2024-06-02T00:00:00Z"] * 3]
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture
def frame() -> pd.DataFrame:
    """Make a list whose names are hostile."""
    n = len(HOSTILE)
    return pd.DataFrame(
        {
            "rank": range(1, n + 1),
            "name": HOSTILE,
            "probability": [0.1 + 1e-17, 1 / 3, 0.05, 0.04, 0.03],
            "grade": [None] * n,
            "last_activity": pd.to_datetime(SEEN, format="ISO8601", utc=True),
        }
    )


def cells(path) -> list[list[str | float | None]]:
    """Read the sheet as Excel does: numbers as numbers, text from the shared strings."""
    with zipfile.ZipFile(path) as book:
        names = book.namelist()
        assert not [name for name in names if "hyperlink" in name.lower() or "vba" in name.lower()]
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
        strings = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
    texts = ["".join(part.itertext()) for part in strings.findall(f"{MAIN}si")]
    assert sheet.find(f".//{MAIN}f") is None  # no formula
    assert sheet.find(f".//{MAIN}hyperlinks") is None
    assert sheet.find(f".//{MAIN}autoFilter") is not None
    pane = sheet.find(f".//{MAIN}pane")
    assert pane is not None
    assert pane.get("state") == "frozen"
    rows = []
    for row in sheet.iter(f"{MAIN}row"):
        values: dict[str, str | float] = {}
        for cell in row.findall(f"{MAIN}c"):
            value = cell.findtext(f"{MAIN}v")
            if value is not None:
                text = cell.get("t") == "s"
                values[str(cell.get("r"))[0]] = texts[int(value)] if text else float(value)
        rows.append([values.get(letter) for letter in "ABCDE"])
    return rows


def test_cells_are_typed_and_text_stays_text(frame, tmp_path):
    """A formula, an address and a number with zeros before it are names, if they are names."""
    write_workbook(frame, tmp_path / "list.xlsx", as_of=AS_OF)
    head, *rows = cells(tmp_path / "list.xlsx")
    assert head == list(frame.columns)
    assert [row[1] for row in rows] == HOSTILE
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[1][2] == 1 / 3
    assert rows[0][3] is None
    assert rows[1][4] is None
    # days since 30 December 1899: 1 June 2024 is 45,444
    assert rows[0][4] == pytest.approx(45444 + 10 / 24)


def test_the_same_list_gives_the_same_bytes(frame, tmp_path):
    """DVC and the manifest tell lists apart by their bytes."""
    for name in ("one", "two"):
        write_workbook(frame, tmp_path / name, as_of=AS_OF)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_empty_list_is_a_workbook_too(frame, tmp_path):
    """A quiet week must not break the job."""
    write_workbook(frame[:0], tmp_path / "list.xlsx", as_of=AS_OF)
    assert cells(tmp_path / "list.xlsx") == [list(frame.columns)]


def test_json_lines_keep_every_bit_and_know_no_nan(frame):
    """Programs read them back: the same numbers, null where there is nothing."""
    rows = [
        json.loads(line, parse_constant=pytest.fail) for line in as_json_lines(frame).splitlines()
    ]
    assert [row["name"] for row in rows] == HOSTILE
    assert [row["probability"] for row in rows] == frame["probability"].tolist()
    assert {row["grade"] for row in rows} == {None}
    assert rows[0]["last_activity"] == "2024-06-01T10:00:00.000001Z"
    assert rows[1]["last_activity"] is None
