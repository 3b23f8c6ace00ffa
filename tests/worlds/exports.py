"""Hand-made exports, ingested: for tests of ingest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq

from microconv.ingest.ingest import Outputs, ingest
from microconv.settings import EngineSettings, IngestSettings

START = datetime(2024, 1, 1, tzinfo=UTC)
TABLE = {"prospect_id": "who", "time": "when", "event": "what"}


def day(number: float) -> datetime:
    """Count days from the first of January 2024."""
    return START + timedelta(days=number)


def iso(number: float) -> str:
    """Write :func:`day` as vendors do."""
    return day(number).isoformat().replace("+00:00", "Z")


def calls(random: Random) -> list[str]:
    """Make the calls of a website: anonymous, identified, merged, repeated, and broken ones."""
    people, devices = ["ada", "bob", "cyd", "dan", "eve"], ["x", "y", "z"]
    rows = []
    for number in range(120):
        at = random.randrange(40)
        row = {"type": random.choice(["track"] * 6 + ["identify", "alias"]), "event": "Visit",
               "timestamp": iso(at), "receivedAt": iso(at + random.choice([0, 0, 3])),
               "anonymousId": random.choice([*devices, None]),
               "userId": random.choice([*people, None, None]),
               "previousId": random.choice(people)}  # fmt: skip
        if random.random() < 0.5:
            row["messageId"] = f"id{number % 50}"
        rows.append(json.dumps(row))
    return [*rows, *rows[:9], "{broken", json.dumps({"type": "track", "timestamp": "never"})]


def section(*sources: dict[str, Any], **more: Any) -> IngestSettings:
    """Build the section `ingest` of params.yaml; a source is a `table` unless it says so."""
    named = [
        {"name": f"source{n}", "format": "table", "columns": TABLE if _is_table(s) else {}, **s}
        for n, s in enumerate(sources)
    ]
    content = {
        "input_dir": "unused",
        "plausible_from": "2020-01-01T00:00:00Z",
        "plausible_until": "2026-01-01T00:00:00Z",
        "max_rejected_share": 1.0,
        "buckets": 2,
        "bots": {"enabled": False},
        "sources": named,
    }
    return IngestSettings.model_validate(content | more)


def _is_table(source: dict[str, Any]) -> bool:
    return source.get("format", "table") == "table"


@dataclass(frozen=True)
class Exports:
    """A folder of exports, and where they are ingested to."""

    folder: Path

    def write(self, name: str, content: str | bytes) -> Path:
        """Lay a file down."""
        path = self.folder / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    @property
    def outputs(self) -> Outputs:
        """Name the three outputs."""
        return Outputs(
            self.folder / "log", self.folder / "quarantine.parquet", self.folder / "ingest.json"
        )

    def ingest(
        self, *sources: dict[str, Any], threads: int = 1, memory_gb: float = 4, **more: Any
    ) -> dict[str, Any]:
        """Ingest, and check that every row of every source is accounted for."""
        facts = ingest(
            section(*sources, **more),
            outputs=self.outputs,
            input_dir=self.folder / "raw",
            engine=EngineSettings(threads=threads, memory_gb=memory_gb),
        )
        for source in facts["sources"]:
            ignored, rejected = source["ignored"].values(), source["rejected"].values()
            kept = source["events"] + source["duplicates"]
            assert source["rows"] == kept + sum(ignored) + sum(rejected), source
        assert facts["events"] == len(self.events())
        return facts

    def events(self, *columns: str) -> list[Any]:
        """Read the log's events, all buckets, as dicts (or as tuples of some columns)."""
        files = sorted((self.folder / "log" / "events").glob("*.parquet"))
        rows = [row for file in files for row in pq.read_table(file).to_pylist()]
        rows.sort(key=lambda row: (row["prospect_id"], row["time"], row["visible_at"]))
        return [tuple(row[name] for name in columns) for row in rows] if columns else rows

    def prospects(self) -> list[dict[str, Any]]:
        """Read the log's prospects."""
        files = sorted((self.folder / "log" / "prospects").glob("*.parquet"))
        rows = [row for file in files for row in pq.read_table(file).to_pylist()]
        return sorted(rows, key=lambda row: (row["prospect_id"], row["known_at"]))

    def rejected(self) -> list[tuple[str, int, str]]:
        """Read the quarantine: source, row, reason."""
        rows = pq.read_table(self.outputs.quarantine).to_pylist()
        return [(row["source"], row["row"], row["reason"]) for row in rows]
