"""A small world with a planted effect, and a real model trained on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from microconv.features.matrix import build_features, column_names
from microconv.features.training_set import TrainingSet, locate_snapshots, snapshots_to_pandas
from microconv.histories.folds import plan_as_ofs
from microconv.histories.load import load_histories
from microconv.histories.snapshots import cohort_snapshots
from microconv.histories.visible import visible_events
from microconv.model.prospect_model import ProspectModel
from microconv.settings import Settings, check_settings
from microconv.storage.log import HISTORY_COLUMNS, EventLog, MemoryLog
from microconv.storage.schema import LOG_FORMAT, bucket_of
from worlds.logs import JOURNEY, event, log_of

START = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(2024, 6, 3, tzinfo=UTC)
"""First instant that the world's outcomes do not cover."""


def settings() -> Settings:
    """Return settings whose journey is that of tests/worlds.py."""
    steps = {
        step.name: {"kind": step.kind, "stage": step.stage, "commitment": step.commitment}
        for step in JOURNEY.steps
    }
    return check_settings(
        {
            "ingest": {
                "input_dir": "raw",
                "plausible_from": START,
                "plausible_until": END,
                "sources": [{"name": "web", "format": "segment", "files": "web.jsonl"}],
            },
            "journey": {"stages": list(JOURNEY.stages), "steps": steps},
            "snapshots": {
                "first": START + timedelta(days=28),
                "every_days": 14,
                "horizon_days": 30,
                "active_within_days": 30,
            },
            "features": {"pairs": [["guide", "pricing"]], "last_steps": 2},
            "backtest": {"folds": 1, "test_snapshots": 1},
            "model": {
                "seed": 1,
                "ready": {"conversions": 50, "prospects": 200},
                "trees": {"num_iterations": 20, "min_data_in_leaf": 20},
                "hazard": {"num_iterations": 20, "min_data_in_leaf": 20},
            },
            "evaluate": {"list_size": 10, "seed": 1},
            "score": {
                "limit": 10,
                "valid_days": 7,
                "grades": {"A": 0.2, "B": 0.1, "C": 0.04, "D": 0.0},
            },
            "track": {"experiment": "test", "registered_model": "test"},
        }
    )


@cache
def world() -> MemoryLog:
    """Let 300 prospects arrive; whoever visits pricing often becomes a customer more often."""
    random = np.random.default_rng(20240101)
    rows = []
    for number in range(300):
        name = f"p{number:03d}@example.com"
        begins = START + timedelta(days=float(random.uniform(0, 140)))
        keen = random.uniform()
        for _ in range(int(random.integers(1, 25))):
            at = begins + timedelta(days=float(random.exponential(15)))
            step = (
                "pricing"
                if random.uniform() < keen / 2
                else random.choice(
                    ["sent", "opened", "blog", "guide", "reference"], p=[0.4, 0.3, 0.15, 0.1, 0.05]
                )
            )
            rows.append(event(name, str(step), at, event_id=f"{name} {len(rows):06d}"))
        if random.uniform() < 0.8 * keen:
            won = begins + timedelta(days=float(random.exponential(40)))
            rows.append(event(name, "won", won, value=float(random.integers(100, 900))))
        if random.uniform() < 0.05:
            rows.append(event(name, "left", begins + timedelta(days=20)))
    inside = [row for row in rows if row["time"] < END]
    return MemoryLog(log_of(*inside).events, known_prospects(300))


def known_prospects(n: int) -> pa.Table:
    """Make the prospects table of the world: an owner, a size and a source for each."""
    random = np.random.default_rng(7)
    ids = [f"p{number:03d}@example.com" for number in range(n)]
    return pa.table(
        {
            "prospect_id": ids,
            "known_at": pa.array([START] * n, pa.timestamp("us", tz="UTC")),
            "owner": [f"owner-{number % 3}" for number in range(n)],
            "name": [f"Ada Example {number}" for number in range(n)],
            "company_size": random.integers(1, 500, n).astype(np.float64),
            "source": random.choice(["webinar", "referral"], n),
        }
    )


@cache
def trained() -> ProspectModel:
    """Train the model on every snapshot of the world whose window has closed."""
    return train_with(settings())


@cache
def trained_on_events() -> ProspectModel:
    """Train the model without the prospects table, for logs that have none."""
    return train_on(MemoryLog(world().events), settings())


def train_with(given: Settings) -> ProspectModel:
    """Train on the world with other settings of the model."""
    return train_on(world(), given)


def train_on(log: MemoryLog, given: Settings) -> ProspectModel:
    """Train on any log of the world's journey and dates."""
    histories = load_histories(log.read_events(0), JOURNEY, log.read_prospects(0))
    as_ofs = plan_as_ofs(given.snapshots, observed_until=END)
    snapshots, _ = cohort_snapshots(histories, JOURNEY, given.snapshots, as_ofs, END)
    followed = snapshots.filter(pc.field("followed_until") > pc.field("as_of"))
    visible = visible_events(histories, *locate_snapshots(followed, histories))
    training_set = TrainingSet(
        snapshots=snapshots_to_pandas(followed),
        names=column_names(JOURNEY, given.features, {}, fitted=False),
        values=build_features(visible, JOURNEY, given.features, {}, fitted=False),
        visible=visible,
        journey=JOURNEY,
        settings=given.features,
    )
    return ProspectModel.fit(training_set, given)


def younger() -> ProspectModel:
    """Pretend that it was trained on two dates only, 29 January and 12 February."""
    until = START + timedelta(days=72)
    facts = replace(trained().facts, last=START + timedelta(days=42), learnt_until=until)
    return replace(trained(), facts=facts)


def on_disk(folder: Path) -> EventLog:
    """Write the world as a log, as ingest would."""
    for name, table in (("events", world().events), ("prospects", world().prospects)):
        (folder / name).mkdir(parents=True)
        pq.write_table(table, folder / name / "0000.parquet")
    source = {"name": "web", "complete_until": END.isoformat(), "event_names": {"won": 1}}
    facts = {"format": LOG_FORMAT, "buckets": 1, "event_names": {}, "sources": [source]}
    (folder / "log.json").write_text(json.dumps(facts))
    return EventLog.open(folder)


@dataclass(frozen=True)
class SplitLog:
    """A log in memory, cut into hash buckets as one on disk is."""

    log: MemoryLog
    buckets: int

    def read_events(self, bucket: int, columns: Sequence[str] = HISTORY_COLUMNS) -> pa.Table:
        """Hand out one bucket's events."""
        return self._only(self.log.read_events(0, columns), bucket)

    def read_prospects(self, bucket: int) -> pa.Table | None:
        """Hand out one bucket's rows of the prospects table."""
        return self._only(self.log.prospects, bucket)

    def _only(self, table: pa.Table, bucket: int) -> pa.Table:
        ids = table.column("prospect_id").cast(pa.string()).to_pylist()
        return table.filter(pa.array([bucket_of(i, self.buckets) == bucket for i in ids]))
