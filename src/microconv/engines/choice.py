"""Which engine runs a function over the buckets of a log: threads here, or Spark."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from microconv.engines.local import map_buckets
from microconv.engines.wire import Wire
from microconv.settings import EngineSettings

Result = TypeVar("Result")


class Engine(Protocol):
    """Runs one function over the buckets of a log."""

    def map_buckets(
        self, function: Callable[[int], Result], buckets: int, *, wire: Wire[Result]
    ) -> Iterator[Result]:
        """Apply a function to bucket 0, 1, 2, … and yield the results in this order."""
        ...


@dataclass(frozen=True)
class Threads:
    """One machine: :func:`~microconv.engines.local.map_buckets`."""

    threads: int | None = None

    def map_buckets(
        self, function: Callable[[int], Result], buckets: int, *, wire: Wire[Result]
    ) -> Iterator[Result]:
        """Apply a function in threads; nothing crosses a wire."""
        return map_buckets(function, buckets, threads=self.threads)


def _at_once(settings: EngineSettings) -> int:
    """Say how many buckets may be in work: each takes a block of features and a copy of it.

    Half a GB is the libraries' own.
    """
    fit = max(1, int((settings.memory_gb - 0.5) * 1e9 / (2 * settings.block_bytes)))
    return min(settings.threads or os.cpu_count() or 1, fit)


@contextmanager
def opened(settings: EngineSettings) -> Iterator[Engine]:
    """Open the engine that the settings ask for, and close it.

    Raises
    ------
    EngineError
        If it cannot be had: no pyspark, no Java, no answer from the master.

    Examples
    --------
    >>> from microconv.engines.wire import AS_JSON
    >>> with opened(EngineSettings(threads=2)) as engine:
    ...     list(engine.map_buckets(lambda bucket: bucket * 10, 3, wire=AS_JSON))
    [0, 10, 20]
    """
    if settings.master is None:
        yield Threads(_at_once(settings))
        return
    from microconv.engines.spark import Spark  # an extra, and a second to import
    from microconv.engines.spark_session import spark_session

    with spark_session(settings.master) as session:
        yield Spark(session)
