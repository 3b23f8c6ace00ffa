"""Engines that run one function over the buckets of a log: threads here, or a Spark cluster."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from microconv.settings import EngineSettings

Result = TypeVar("Result")


@dataclass(frozen=True)
class Codec(Generic[Result]):
    """How the result of a bucket is sent from one machine to another, without loss.

    Attributes
    ----------
    encode : callable
        Result → bytes. Decoding them must run no code from them.
    decode : callable, bytes → result
    """

    encode: Callable[[Result], bytes]
    decode: Callable[[bytes], Result]


JSON_CODEC: Codec[Any] = Codec(lambda result: json.dumps(result).encode(), json.loads)
"""For whole numbers, texts, and lists and dictionaries of them."""


class Engine(Protocol):
    """Runs one function over the buckets of a log."""

    def map_buckets(
        self, function: Callable[[int], Result], buckets: int, *, codec: Codec[Result]
    ) -> Iterator[Result]:
        """Apply a function to bucket 0, 1, 2, … and yield the results in this order.

        Parameters
        ----------
        function : callable
        buckets : int
            Number of buckets.
        codec : Codec
            How a result is sent between machines.
        """
        ...


@dataclass(frozen=True)
class _ThreadEngine:
    """Threads of one machine: :func:`map_buckets`."""

    threads: int | None = None

    def map_buckets(
        self, function: Callable[[int], Result], buckets: int, *, codec: Codec[Result]
    ) -> Iterator[Result]:
        """Apply a function in threads; nothing needs to be encoded."""
        return map_buckets(function, buckets, threads=self.threads)


def map_buckets(
    function: Callable[[int], Result], buckets: int, *, threads: int | None = None
) -> Iterator[Result]:
    """Apply a function to every bucket number and yield the results in order.

    At most `threads` buckets are in progress and at most one finished result waits, so
    memory is set by the bucket, not by the log. Arrow, the kernels and LightGBM release
    the interpreter lock, so the threads run in parallel.

    Parameters
    ----------
    function : callable
        Takes a bucket's number. Its first error stops the run.
    buckets : int, number of buckets
    threads : int, optional, every core when None

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


@contextmanager
def open_engine(settings: EngineSettings) -> Iterator[Engine]:
    """Open the engine that the settings name, and close it.

    Raises
    ------
    EngineError
        If it is not available: no pyspark, no Java, no answer from the master.

    Examples
    --------
    >>> with open_engine(EngineSettings(threads=2)) as engine:
    ...     list(engine.map_buckets(lambda bucket: bucket * 10, 3, codec=JSON_CODEC))
    [0, 10, 20]
    """
    if settings.master is None:
        # A bucket takes a block of features and a copy of it; half a GB is the libraries' own.
        fit = max(1, int((settings.memory_gb - 0.5) * 1e9 / (2 * settings.block_bytes)))
        yield _ThreadEngine(min(settings.threads or os.cpu_count() or 1, fit))
        return
    from microconv.engines.spark import SparkEngine  # an extra, and a second to import
    from microconv.engines.spark_session import spark_session

    with spark_session(settings.master) as session:
        yield SparkEngine(session)
