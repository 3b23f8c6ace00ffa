"""How many buckets an ingest needs for the memory it may use, and how many fit in at once.

See docs/decisions/0025.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from microconv.errors import MemoryLimitError

MIN_BUCKETS, MAX_BUCKETS = 16, 4096

ROW_BYTES = 1_000
"""Bytes per row at the peak of sorting and writing a bucket, measured and rounded up."""

_DUCKDB, _BUCKET, _SORTING = 0.3, 0.125, 0.6
"""Shares of the memory: DuckDB's, one bucket's as planned, all buckets' that are being sorted."""

_KEY_BYTES = 64
"""Bytes per key while keys are counted; they get a quarter of DuckDB's memory."""

_CROSS_BUCKET_BYTES = 160
"""Bytes per click, or per day of a domain, while these are compared across buckets; one
partition of them gets a quarter of the memory."""

_BATCH_ROWS = 125_000
"""Rows per GB that leave DuckDB at once; they are held twice while they are partitioned."""


def duckdb_bytes(memory_gb: float) -> int:
    """Return how many bytes DuckDB may use before it writes to disk."""
    return round(_DUCKDB * memory_gb * 1e9)


def batch_rows(memory_gb: float) -> int:
    """Return how many rows may be on their way from DuckDB to their buckets."""
    return min(500_000, round(_BATCH_ROWS * memory_gb))


def duplicate_passes(rows: int, memory_gb: float) -> int:
    """Return in how many passes the keys of rows must be counted to fit into DuckDB's memory.

    Parameters
    ----------
    rows : int, rows of the source
    memory_gb : float, memory of the whole process

    Examples
    --------
    >>> duplicate_passes(1_000_000, memory_gb=4), duplicate_passes(100_000_000, memory_gb=4)
    (1, 22)
    """
    return max(1, math.ceil(rows * _KEY_BYTES / (duckdb_bytes(memory_gb) / 4)))


def cross_bucket_partitions(rows: int, memory_gb: float) -> int:
    """Return how many partitions keep what is compared across buckets within the memory.

    Parameters
    ----------
    rows : int, events of the log
    memory_gb : float, memory of the whole process

    Examples
    --------
    >>> [cross_bucket_partitions(rows, memory_gb=4) for rows in (1_000_000, 100_000_000)]
    [1, 16]
    """
    return max(1, math.ceil(rows * _CROSS_BUCKET_BYTES / (memory_gb * 1e9 / 4)))


def buckets_for(rows: int, memory_gb: float) -> int:
    """Return the number of buckets of a log: the least power of two that keeps each small.

    Parameters
    ----------
    rows : int, events before duplicates are dropped
    memory_gb : float, memory of the whole process

    Examples
    --------
    >>> buckets_for(20_000_000, memory_gb=4), buckets_for(20_000_000, memory_gb=1)
    (64, 256)
    """
    buckets = MIN_BUCKETS
    while buckets < MAX_BUCKETS and rows / buckets * ROW_BYTES > _BUCKET * memory_gb * 1e9:
        buckets *= 2
    return buckets


def concurrent_buckets(rows: Mapping[int, int], buckets: int, memory_gb: float) -> int:
    """Return how many buckets, even the largest, can be sorted at the same time.

    Parameters
    ----------
    rows : dict of int to int, bucket → rows
    buckets : int, number of buckets
    memory_gb : float, memory of the whole process

    Raises
    ------
    MemoryLimitError
        If not even one fits.

    Examples
    --------
    >>> concurrent_buckets({0: 300_000, 1: 100_000}, 16, memory_gb=1)
    2
    """
    if not rows:
        return 1
    bucket, largest = max(rows.items(), key=lambda item: item[1])
    needed, available = largest * ROW_BYTES / 1e9, _SORTING * memory_gb
    if needed <= available:
        return int(available / needed)
    more = buckets
    while more < MAX_BUCKETS and needed * buckets / more > available:
        more *= 2
    ways = f"Set `engine.memory_gb` to {needed / _SORTING:.1f} or more"
    if needed * buckets / more <= available:
        ways += (
            f", or `ingest.buckets` to {more:,}, which helps unless most of these events are of "
            "one prospect"
        )
    raise MemoryLimitError(
        f"Bucket {bucket} of {buckets:,} holds {largest:,} events: sorting them takes about "
        f"{needed:.1f} GB, but `engine.memory_gb: {memory_gb:g}` leaves {available:.1f} GB for it. "
        f"{ways}."
    )
