"""Make a large export: events of many prospects in time order, as Parquet files.

20 M events of 1 M prospects by default; 2 % arrive up to five days late, half a
percent share their prospect and second with another event. Seeded.

As mail, every event is a delivery, an open or a click, of one of 40 messages, with the
recipient's address at one of 5,000 domains and one of 200,000 network addresses.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 180
STAGES = ("awareness", "consideration", "decision")
MICRO = [f"step_{k:02d}" for k in range(20)]
NAMES = ["sent", "opened", *MICRO, "left", "won"]
SHARES = np.array([6, 4, *np.geomspace(3, 0.3, len(MICRO)), 0.15, 0.2])
FILES = 8


def write_export(
    folder: Path, *, events: int, prospects: int, seed: int = 5, mail: bool = False
) -> None:
    """Write the export, one file per slice of time."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(0, 1, prospects)
    cumulative = np.cumsum(activity) / activity.sum()
    names = pa.array(NAMES)
    for part in range(FILES):
        n = events // FILES
        who = np.searchsorted(cumulative, rng.random(n)).astype(np.int64).clip(0, prospects - 1)
        width = DAYS * 86_400 // FILES
        second = np.sort(rng.integers(part * width, (part + 1) * width, n))
        tied = np.flatnonzero(rng.random(n) < 0.005)[1:]
        who[tied], second[tied] = who[tied - 1], second[tied - 1]
        delay = np.where(rng.random(n) < 0.02, rng.integers(0, 5 * 86_400, n), 0)
        base = int(START.timestamp())
        step = rng.choice(len(NAMES), n, p=SHARES / SHARES.sum()).astype(np.int32)
        table = pa.table(
            {
                "who": _labels("p", who),
                "at": pa.array((base + second) * 1_000_000, pa.timestamp("us", tz="UTC")),
                "known": pa.array(
                    (base + second + delay) * 1_000_000, pa.timestamp("us", tz="UTC")
                ),
                "what": pa.DictionaryArray.from_arrays(step, names).cast(pa.string()),
                "amount": pa.array(
                    np.round(rng.lognormal(8, 1, n), 2), mask=step != NAMES.index("won")
                ),
                "id": _labels("e", part * n + np.arange(n)),
            }
        )
        if mail:
            for name, column in _mail_columns(who, step, rng).items():
                table = table.append_column(name, column)
        pq.write_table(table, folder / f"events_{part}.parquet", compression="lz4")


def _mail_columns(
    who: np.ndarray, step: np.ndarray, rng: np.random.Generator
) -> dict[str, pa.Array]:
    domain = _labels("d", who % 5_000)
    return {
        "email": pc.binary_join_element_wise(_labels("p", who), domain, "@"),
        "message": _labels("m", rng.integers(0, 40, len(who))),
        "link": _labels("https://mail.example/", step),
        "ip": _labels("a", rng.integers(0, 200_000, len(who))),
    }


def _labels(letter: str, numbers: np.ndarray) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 10, padding="0")
    return pc.binary_join_element_wise(letter, digits, "")


def params_for(
    input_dir: Path, *, buckets: int | None, threads: int | None = None, mail: bool = False
) -> dict[str, Any]:
    """Write the params.yaml, as a dictionary, that reads this export."""
    end = datetime.fromtimestamp(START.timestamp() + DAYS * 86_400, UTC)
    stages = np.minimum(np.arange(len(MICRO)) * len(STAGES) // len(MICRO), len(STAGES) - 1)
    steps: dict[str, object] = {"sent": {"kind": "exposure"}, "opened": {"kind": "exposure"}}
    for k, name in enumerate(MICRO):
        steps[name] = {"kind": "micro", "stage": STAGES[stages[k]], "commitment": 1 + k // 4}
    steps |= {"left": {"kind": "exit"}, "won": {"kind": "major"}}
    columns = {
        "prospect_id": "who",
        "time": "at",
        "known_at": "known",
        "event": "what",
        "value": "amount",
        "event_id": "id",
    }
    acts: dict[str, object] = {}
    if mail:
        columns |= {"email": "email", "message_id": "message", "link": "link", "address": "ip"}
        acts = {"delivered": ["sent"], "opened": ["opened"], "clicked": ["step_*"]}
    source = {
        "name": "big",
        "format": "table",
        "files": "events_*.parquet",
        "complete_until": end.isoformat(),
        "columns": columns,
    }
    chain = MICRO[:8]
    return {
        "ingest": {
            "input_dir": str(input_dir),
            "plausible_from": "2020-01-01T00:00:00Z",
            "plausible_until": "2030-01-01T00:00:00Z",
            "buckets": buckets,
            "sources": [source],
            "bots": acts,
        },
        "journey": {"stages": list(STAGES), "steps": steps},
        "snapshots": {
            "first": end.isoformat(),
            "every_days": 7,
            "horizon_days": 30,
            "active_within_days": 365,
        },
        "features": {
            "windows_days": [1, 7, 30, 90],
            "pairs": [[a, b] for a in chain for b in chain if a != b],
            "last_steps": 5,
        },
        "backtest": {"folds": 1, "test_snapshots": 1},
        "model": {"seed": 1},
        "evaluate": {"list_size": 200, "seed": 1},
        "score": {"limit": 500, "valid_days": 7, "grades": {"A": 0.1, "B": 0.0}},
        "track": {"experiment": "bench", "registered_model": "bench"},
        "engine": {"threads": threads},
    }
