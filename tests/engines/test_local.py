"""The local engine: order, errors and bounded memory."""

from __future__ import annotations

import threading

import pytest

from microconv.engines.local import map_buckets


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
