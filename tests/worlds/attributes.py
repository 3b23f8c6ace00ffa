"""A world in which attributes decide: who came by a webinar, and how large the company is."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from microconv.model.prospect_model import ProspectModel
from microconv.settings import IngestSettings
from microconv.storage.log import EventLog, MemoryLog
from microconv.storage.schema import LOG_FORMAT
from worlds.logs import event, log_of
from worlds.ranking import END, START, settings, train_on

N_PROSPECTS = 400


@cache
def attribute_world() -> MemoryLog:
    """Return 400 prospects whose conversions follow from their attributes, not from their acts."""
    random = np.random.default_rng(5)
    rows, people = [], []
    for number in range(N_PROSPECTS):
        name = f"q{number:03d}@example.com"
        webinar, size = random.uniform() < 0.4, float(random.integers(1, 500))
        begins = START + timedelta(days=float(random.uniform(0, 130)))
        for _ in range(int(random.integers(2, 15))):
            at = begins + timedelta(days=float(random.exponential(15)))
            step = str(random.choice(["sent", "opened", "blog", "guide", "pricing"]))
            rows.append(event(name, step, at, event_id=f"{name} {len(rows):06d}"))
        if random.uniform() < (0.7 if webinar else 0.05) + size / 2000:
            won = begins + timedelta(days=float(random.exponential(30)))
            rows.append(event(name, "won", won, value=100 + size, event_id=f"{name} won"))
        people.append(
            {
                "prospect_id": name,
                "known_at": begins,
                "company_size": size,
                "source": "webinar" if webinar else "list",
                "owner": f"owner-{number % 3}",
            }
        )
    inside = [row for row in rows if row["time"] < END]
    return MemoryLog(log_of(*inside).events, prospects_table(people))


def prospects_table(people: list[dict[str, object]]) -> pa.Table:
    """Return rows of prospects as ingest would write them."""
    table = pa.Table.from_pylist(people)
    place = table.column_names.index("known_at")
    instants = table.column("known_at").cast(pa.timestamp("us", tz="UTC"))
    return table.set_column(place, "known_at", instants).sort_by("prospect_id")


@cache
def attribute_model() -> ProspectModel:
    """Return a model trained on the world."""
    return train_on(attribute_world(), settings())


def write_log(folder: Path) -> EventLog:
    """Write the world as a log of one bucket on disk."""
    world = attribute_world()
    for name, table in (("events", world.events), ("prospects", world.prospects)):
        (folder / name).mkdir(parents=True)
        pq.write_table(table, folder / name / "0000.parquet")
    source = {"name": "web", "complete_until": END.isoformat(), "event_names": {"won": 1}}
    facts = {"format": LOG_FORMAT, "buckets": 1, "event_names": {}, "sources": [source]}
    (folder / "log.json").write_text(json.dumps(facts))
    return EventLog.open(folder)


def write_exports(folder: Path) -> IngestSettings:
    """Write the world as two CSV exports, and return how they are read."""
    folder.mkdir(parents=True)
    world = attribute_world()
    names = ["prospect_id", "time", "event_name", "known_at", "value", "event_id"]
    world.events.select(names).to_pandas().to_csv(folder / "events.csv", index=False)
    world.prospects.to_pandas().to_csv(folder / "prospects.csv", index=False)
    mapped = {"prospect_id": "prospect_id", "known_at": "known_at"}
    return IngestSettings.model_validate(
        {
            "input_dir": str(folder),
            "plausible_from": START - timedelta(days=400),
            "plausible_until": END + timedelta(days=400),
            "buckets": 4,
            "sources": [
                {
                    "name": "events",
                    "format": "table",
                    "files": "events.csv",
                    "complete_until": END,
                    "columns": {
                        **mapped,
                        "time": "time",
                        "event": "event_name",
                        "value": "value",
                        "event_id": "event_id",
                    },
                },
                {
                    "name": "people",
                    "format": "prospects",
                    "files": "prospects.csv",
                    "columns": {**mapped, "owner": "owner"},
                    "attributes": ["company_size", "source"],
                },
            ],
        }
    )
