"""How much memory an ingest may take: how many buckets it needs for that, how many at once.

See docs/decisions/0025.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from microconv.errors import MemoryLimitError

LEAST, MOST = 16, 4096
"""Bounds of the number of buckets."""

ROW_BYTES = 1_000
"""What a row takes at the peak of sorting and writing its bucket, generously measured."""

_ENGINE, _BUCKET, _SORTING = 0.3, 0.125, 0.6
"""Shares of the memory: the engine's, a bucket's as planned, and all that are being sorted."""

_KEY_BYTES = 64
"""What a key takes while it is counted how often each occurs; a quarter of the engine's memory
is for that, the rest for what it reads."""

_JUDGED_BYTES = 160
"""What a click or a day of a domain takes while those of a part are compared across buckets;
a part gets a quarter of the memory."""

_BATCH_ROWS = 125_000
"""Rows for each GB that leave the engine at once; they are held twice while they are dealt."""


def engine_bytes(memory_gb: float) -> int:
    """Say what DuckDB may hold before it spills to disk."""
    return round(_ENGINE * memory_gb * 1e9)


def batch_rows(memory_gb: float) -> int:
    """Say how many rows may be on their way from the engine to their buckets."""
    return min(500_000, round(_BATCH_ROWS * memory_gb))


def passes_over(rows: int, memory_gb: float) -> int:
    """Say how many parts the keys of rows are to be grouped in, to stay within the engine's share.

    Examples
    --------
    >>> passes_over(1_000_000, memory_gb=4), passes_over(100_000_000, memory_gb=4)
    (1, 22)
    """
    return max(1, math.ceil(rows * _KEY_BYTES / (engine_bytes(memory_gb) / 4)))


def parts_of(rows: int, memory_gb: float) -> int:
    """Say in how many parts rows are dealt to be compared across buckets, by address or domain.

    Examples
    --------
    >>> parts_of(1_000_000, memory_gb=4), parts_of(100_000_000, memory_gb=4)
    (1, 16)
    """
    return max(1, math.ceil(rows * _JUDGED_BYTES / (memory_gb * 1e9 / 4)))


def buckets_for(rows: int, memory_gb: float) -> int:
    """Choose the number of buckets of a log: the least power of two that keeps each small.

    Examples
    --------
    >>> buckets_for(20_000_000, memory_gb=4), buckets_for(20_000_000, memory_gb=1)
    (64, 256)
    """
    buckets = LEAST
    while buckets < MOST and rows / buckets * ROW_BYTES > _BUCKET * memory_gb * 1e9:
        buckets *= 2
    return buckets


def buckets_at_once(rows: Mapping[int, int], buckets: int, memory_gb: float) -> int:
    """Say how many buckets can be sorted at the same time, the largest ones.

    Parameters
    ----------
    rows : dict of int to int
        Bucket → rows.

    Raises
    ------
    MemoryLimitError
        If not even one can.

    Examples
    --------
    >>> buckets_at_once({0: 300_000, 1: 100_000}, 16, memory_gb=1)
    2
    """
    if not rows:
        return 1
    bucket, largest = max(rows.items(), key=lambda item: item[1])
    takes, there = largest * ROW_BYTES / 1e9, _SORTING * memory_gb
    if takes <= there:
        return int(there / takes)
    more = buckets
    while more < MOST and takes * buckets / more > there:
        more *= 2
    ways = f"Set `engine.memory_gb` to {takes / _SORTING:.1f} or more"
    if takes * buckets / more <= there:
        ways += (
            f", or `ingest.buckets` to {more:,}, which helps unless most of these events are of "
            "one prospect"
        )
    raise MemoryLimitError(
        f"Bucket {bucket} of {buckets:,} holds {largest:,} events: to sort them takes about "
        f"{takes:.1f} GB, and `engine.memory_gb: {memory_gb:g}` leaves {there:.1f} GB for it. "
        f"{ways}."
    )
