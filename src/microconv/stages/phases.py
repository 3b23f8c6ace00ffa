"""What a scheduled job says while it runs: one JSON line per phase, for machines to collect."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import perf_counter

from microconv.stages.shell import inert


@contextmanager
def phase(job: str, name: str) -> Iterator[dict[str, object]]:
    """Write one line to stderr when a phase has ended, well or not; nothing on a terminal.

    ::

        {"at": "2024-06-03T04:00:12Z", "job": "score", "phase": "rank", "state": "done",
         "seconds": 8.1, "listed": 200}

    Parameters
    ----------
    job, name : str
        The command, and what of it is under way.

    Yields
    ------
    dict
        For whatever else the line shall say. Never put a value there that came from data.
    """
    facts: dict[str, object] = {}
    begun, state = perf_counter(), "failed"
    try:
        yield facts
        state = "done"
    finally:
        if not sys.stderr.isatty():
            line = {
                "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "job": job,
                "phase": name,
                "state": state,
                "seconds": round(perf_counter() - begun, 3),
                **facts,
            }
            sys.stderr.write(f"{inert(json.dumps(line))}\n")
            sys.stderr.flush()
