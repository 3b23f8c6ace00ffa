"""The page about sources, held to what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from microconv.databases.extract import extract
from microconv.ingest.sources.formats import FORMATS
from microconv.ingest.sources.raw_rows import EVENT_FIELDS
from microconv.settings import ExtractedTable, SourceSettings
from worlds.exports import Exports

PAGE = Path(__file__).parents[2] / "docs" / "sources.md"


def block(kind: str, heading: str) -> str:
    """Take the first block of a kind below a heading."""
    below = PAGE.read_text().partition(f"\n## {heading}\n")[2]
    found = re.search(rf"```{kind}\n(.*?)```", below, re.DOTALL)
    assert found is not None
    return found[1]


def table(heading: str) -> list[tuple[str, ...]]:
    """Take the first table below a heading, without its header."""
    below = PAGE.read_text().partition(f"\n## {heading}\n")[2]
    lines = re.findall(r"(?m)^\|(.*)\|$", below.partition("\n\nName")[0])
    return [tuple(cell.strip() for cell in line.split(" |")) for line in lines[2:]]


def test_the_worked_example_makes_the_events_it_shows(exports: Exports) -> None:
    """Input, mapping and outcome are the page's own."""
    exports.write("chats.jsonl", block("json", "A vendor of your own"))
    source: dict[str, Any] = yaml.safe_load(block("yaml", "A vendor of your own"))
    facts = exports.ingest(source)
    shown = [
        (who, when.isoformat(), name, channel, link or "")
        for who, when, name, channel, link in exports.events(
            "prospect_id", "time", "event_name", "channel", "link"
        )
    ]
    assert shown == table("A vendor of your own")
    assert facts["sources"][0]["ignored"] == {"filtered": 1}
    assert facts["sources"][0]["rejected"] == {"bad_time": 1}


def test_every_format_field_and_option_is_on_the_page() -> None:
    """What is not written down is found by nobody."""
    text = PAGE.read_text()
    said = {name for row in table("Formats") for name in re.findall(r"`(\w+)`", row[0])}
    assert set(FORMATS) <= said
    named = set(re.findall(r"`(\w+)`", text))
    assert set(EVENT_FIELDS) <= named
    assert set(SourceSettings.model_fields) - {"name"} <= named


@pytest.mark.filterwarnings("ignore:The 'future.infer_string' option")  # Ibis sets it for SQLite
@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_database_is_a_source_like_any_other(
    exports: Exports, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Extracted twice with the overlap, ingested once: the second copy is a duplicate."""
    content = yaml.safe_load(block("yaml", "A database"))
    [described], [source] = content["extract"]["tables"], content["ingest"]["sources"]
    path = exports.folder / f"crm.{kind}"
    monkeypatch.setenv("CRM_URL", f"{kind}://{path}")

    def run(*statements: str) -> None:
        import sqlite3

        import duckdb

        connection: Any = sqlite3.connect(path) if kind == "sqlite" else duckdb.connect(str(path))
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    run(
        "CREATE TABLE deals (id INTEGER, contact TEXT, closed_at TIMESTAMP, updated_at TIMESTAMP,"
        " stage TEXT, amount DECIMAL(9, 2))",
        "INSERT INTO deals VALUES (1, 'ada', '2024-01-02 00:00:00', '2024-01-03 00:00:00',"
        " 'Closed Won', 10.5)",
    )
    raw = exports.folder / "raw"
    assert extract(ExtractedTable(**described), raw).rows == 1
    run(
        "INSERT INTO deals VALUES (2, 'bob', '2024-01-03 00:00:00', '2024-01-03 00:30:00',"
        " 'Closed Lost', NULL)"
    )
    assert extract(ExtractedTable(**described), raw).rows == 2
    facts = exports.ingest(source | {"timezone": "UTC"})
    names = ("prospect_id", "event_name", "value", "event_id")
    assert exports.events(*names) == [
        ("ada", "deal_closed_won", 10.5, "1"), ("bob", "deal_closed_lost", None, "2"),
    ]  # fmt: skip
    times = [
        (a.isoformat()[:16], b.isoformat()[:16]) for a, b in exports.events("time", "visible_at")
    ]
    assert times == [
        ("2024-01-02T00:00", "2024-01-03T00:00"), ("2024-01-03T00:00", "2024-01-03T00:30"),
    ]  # fmt: skip
    assert (facts["sources"][0]["rows"], facts["sources"][0]["duplicates"]) == (3, 1)
