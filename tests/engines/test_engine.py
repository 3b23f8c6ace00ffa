"""The thread engine: order, errors, bounded memory, and how many buckets run at once."""

from __future__ import annotations

import threading
import time

import pytest

from microconv.engines.engine import JSON_CODEC, map_buckets, open_engine
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
    """Each waits until as many as fit are there, and a moment longer."""
    together = threading.Barrier(at_once)
    most, now, lock = [0], [0], threading.Lock()

    def work(bucket: int) -> int:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        together.wait(timeout=20)
        time.sleep(0.1)  # long enough for one too many to be seen
        with lock:
            now[0] -= 1
        return bucket

    with open_engine(EngineSettings(memory_gb=memory_gb, threads=threads)) as engine:
        done = list(engine.map_buckets(work, at_once * 3, codec=JSON_CODEC))
    assert done == list(range(at_once * 3))
    assert most[0] == at_once


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_results_come_in_the_order_of_the_buckets(threads):
    """Whatever finishes first, bucket 0 is handed out first."""
    gate = threading.Event()

    def work(bucket):
        if bucket == 0 and threads > 1:
            gate.wait(5)
        gate.set()
        return bucket

    assert list(map_buckets(work, 6, threads=threads)) == list(range(6))


def test_the_first_error_stops_the_run():
    """An error in one bucket reaches the caller; later buckets are not started."""
    started = []

    def work(bucket):
        started.append(bucket)
        if bucket == 1:
            raise ValueError("bucket 1")
        return bucket

    with pytest.raises(ValueError, match="bucket 1"):
        list(map_buckets(work, 1000, threads=2))
    assert len(started) < 10


def test_finished_results_never_pile_up():
    """A slow reader holds the workers back: memory is set by the bucket, not by the log."""
    started = []
    results = map_buckets(lambda b: started.append(b) or b, 100, threads=2)
    assert next(results) == 0
    assert len(started) <= 4
