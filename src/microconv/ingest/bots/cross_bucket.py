"""What is seen of a click or open only across buckets: an address's crowd, a domain's past.

Rows are dealt to parts by the address or the domain, so that one part at a time is compared,
and what is found is written beside the rows of each bucket. No order of rows shows in it.
"""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np
import pyarrow as pa

from microconv.ingest.bots.features import count_crowd
from microconv.ingest.partition_files import ColumnFile, PartitionFile

EARLIER = np.dtype([("machines", np.int64), ("events", np.int64)])
"""How many a machine's events, and how many events, there were on earlier days."""


def count_crowds(
    clicks: PartitionFile, beside: ColumnFile, window: int, most: int, pool: Executor
) -> None:
    """Count for how many recipients each address clicked around each click.

    Parameters
    ----------
    clicks : PartitionFile
        By part of the address: `address`, `time`, `seen`, `judged_at`, `recipient`, and the
        click's `bucket` and `place` there.
    beside : ColumnFile
        Where the counts are written.
    window : int
        Microseconds on either side.
    most : int
        Counting ends there.
    """

    def count(part: int) -> None:
        table = clicks.read(part)
        if table is None:
            return
        order = np.lexsort((table["time"].to_numpy(), table["address"].to_numpy()))
        names = ("address", "time", "seen", "judged_at", "recipient")
        crowd = count_crowd(*_columns(table, names, order), window, most)
        bucket, place = _columns(table, ("bucket", "place"), order)
        beside.put(bucket, place, crowd)

    list(pool.map(count, range(clicks.buckets)))


def sum_earlier_days(days: PartitionFile, beside: ColumnFile, pool: Executor) -> None:
    """Sum up what was seen of each kind at each domain before each day.

    Parameters
    ----------
    days : PartitionFile
        By part of the domain: `domain`, `opened`, `day`, of that day in one bucket how many
        `machines` and `events`, and the row's `bucket` and `place` there.
    beside : ColumnFile
        Where the sums over all buckets are written, of kind :data:`EARLIER`.
    """

    def sum_up(part: int) -> None:
        table = days.read(part)
        if table is None:
            return
        keys = [table[name].to_numpy() for name in ("day", "domain", "opened")]
        order = np.lexsort(keys)
        day, domain, opened = (key[order] for key in keys)
        new = begins(domain, opened)
        first = _latest(new)
        today = _latest(new | begins(day))
        earlier = np.empty(len(order), EARLIER)
        for name in ("machines", "events"):
            before = np.append(0, np.cumsum(table[name].to_numpy()[order]))
            earlier[name] = before[today] - before[first]
        bucket, place = _columns(table, ("bucket", "place"), order)
        beside.put(bucket, place, earlier)

    list(pool.map(sum_up, range(days.buckets)))


def _columns(table: pa.Table, names: tuple[str, ...], order: np.ndarray) -> list[np.ndarray]:
    return [table[name].to_numpy()[order] for name in names]


def begins(*keys: np.ndarray) -> np.ndarray:
    """Say where one of the keys is another than in the row before."""
    new = np.ones(len(keys[0]), bool)
    new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return new


def _latest(marked: np.ndarray) -> np.ndarray:
    """Give each row the place of the latest marked one up to it."""
    return np.asarray(np.maximum.accumulate(np.where(marked, np.arange(len(marked)), 0)))
