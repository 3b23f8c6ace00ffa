"""One machine: run a function over the buckets of a log in threads, in bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def map_buckets(
    function: Callable[[int], Result], buckets: int, *, threads: int | None = None
) -> Iterator[Result]:
    """Apply a function to every bucket number and yield the results in order.

    At most ``threads`` buckets are worked on and at most one finished result
    waits, so memory is set by the bucket, not by the log. Arrow, the kernels
    and LightGBM release the interpreter lock, so threads are real parallelism.

    Parameters
    ----------
    function : callable
        Takes a bucket's number. Its first error stops the run.
    buckets : int
        How many there are.
    threads : int, optional
        Every core when None.

    Yields
    ------
    Result
        Of bucket 0, 1, 2, …

    Examples
    --------
    >>> list(map_buckets(lambda bucket: bucket * 10, 4, threads=2))
    [0, 10, 20, 30]
    """
    workers = min(threads or os.cpu_count() or 1, buckets)
    if workers <= 1:
        yield from map(function, range(buckets))
        return
    running: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for bucket in range(buckets):
                running.append(pool.submit(function, bucket))
                if len(running) > workers:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
