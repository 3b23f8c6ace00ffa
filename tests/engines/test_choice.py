"""How many buckets are in work at once follows from the memory, and at most from the threads."""

from __future__ import annotations

import threading

import pytest

from microconv.engines.choice import opened
from microconv.engines.wire import AS_JSON
from microconv.settings import EngineSettings


@pytest.mark.parametrize(
    ("memory_gb", "threads", "at_once"),
    [
        pytest.param(1, 8, 2, id="(1 - 0.5) / 0.2 = 2.5"),
        pytest.param(4, 8, 4, id="(4 - 0.5) / 0.8 = 4.4"),
        pytest.param(64, 8, 8, id="never more than threads"),
    ],
)
def test_the_memory_bounds_how_many_buckets_are_in_work(
    memory_gb: float, threads: int, at_once: int
) -> None:
    """Each waits until as many as fit are there; one more would never come."""
    together = threading.Barrier(at_once)
    most, now, lock = [0], [0], threading.Lock()

    def work(bucket: int) -> int:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        together.wait(timeout=20)
        with lock:
            now[0] -= 1
        return bucket

    with opened(EngineSettings(memory_gb=memory_gb, threads=threads)) as engine:
        done = list(engine.map_buckets(work, at_once * 3, wire=AS_JSON))
    assert done == list(range(at_once * 3))
    assert most[0] == at_once
