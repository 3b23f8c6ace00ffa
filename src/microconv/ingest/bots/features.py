"""Bot features: what surrounds a click or open, within its message and across recipients.

Across recipients, rows are partitioned by network address or by domain, so that one part at a
time is compared, and the results are written next to the rows of each bucket. The order of rows
does not matter.
"""

from __future__ import annotations

from concurrent.futures import Executor

import numba
import numpy as np
import pyarrow as pa

from microconv.ingest.partition_files import ColumnFile, PartitionFile

EARLIER_DAYS = np.dtype([("bots", np.int64), ("events", np.int64)])
"""Number of bot events, and of all events, on earlier days."""


@numba.njit(cache=True, nogil=True)
def message_features(group, time, seen, classified_at, kind, link, window):  # type: ignore[no-untyped-def]
    """Compute the features of each row from the other rows of its recipient and message.

    Parameters
    ----------
    group : ndarray of int64, shape (n,)
        Recipient and message; rows are sorted by it, then by time, then by kind.
    time, seen, classified_at : ndarray of int64
        When each row happened, became known, and is classified, in microseconds. Only rows
        seen by then count, and only neighbours within `window` on either side.
    kind : ndarray of int8
        Values of :class:`microconv.ingest.bots.email_event_kinds.EmailEvent`.
    link : ndarray of int64
        0 if unknown.
    window : int
        In microseconds.

    Returns
    -------
    delay : ndarray of int64
        Microseconds since the last delivery; -1 if none is known.
    links : ndarray of int8
        Distinct links clicked, including the row's own; 3 stands for more.
    gap : ndarray of int64
        Microseconds to the nearest click on another link; -1 without one.
    unsubscribed : ndarray of bool
        Whether there is an unsubscription.
    """
    is_delivered, is_opened, is_unsubscribed, is_clicked = 1, 2, 4, 3
    n = len(time)
    delay, gap = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    links, unsubscribed = np.zeros(n, np.int8), np.zeros(n, np.bool_)
    earlier = np.full(n, -1, np.int64)  # the delivery before each row, as a chain
    latest = -1
    for e in range(n):
        if e > 0 and group[e] != group[e - 1]:
            latest = -1
        earlier[e] = latest
        if kind[e] == is_delivered:
            latest = e
            continue
        d = latest
        while d >= 0 and seen[d] > classified_at[e]:
            d = earlier[d]
        if d >= 0:
            delay[e] = time[e] - time[d]
        if kind[e] == is_opened or kind[e] == 0:
            continue
        first = link[e] if kind[e] == is_clicked else 0
        second = 0
        found = 1 if first != 0 else 0
        for step in (-1, 1):
            f = e + step
            while 0 <= f < n and group[f] == group[e] and abs(time[f] - time[e]) <= window:
                if seen[f] <= classified_at[e]:
                    if kind[f] == is_unsubscribed:
                        unsubscribed[e] = True
                    elif kind[f] == is_clicked and link[f] != 0 and link[f] != first:
                        if found == 0:
                            first, found = link[f], 1
                        elif found == 1:
                            second, found = link[f], 2
                        elif link[f] != second:
                            found = 3
                        apart = abs(time[f] - time[e])
                        if gap[e] < 0 or apart < gap[e]:
                            gap[e] = apart
                f += step
        links[e] = max(found, 1)
    return delay, links, gap, unsubscribed


@numba.njit(cache=True, nogil=True)
def count_recipients(address, time, seen, classified_at, recipient, window, most):  # type: ignore[no-untyped-def]
    """Count the distinct recipients for whom an address clicked within `window` of each click.

    Rows are sorted by address, then by time. Only rows seen when the row is classified count;
    its own recipient is included. Counting stops at `most`. Returns an ndarray of int8.
    """
    n = len(time)
    recipients = np.ones(n, np.int8)
    found = np.zeros(most, np.int64)
    for e in range(n):
        if address[e] == 0:
            continue
        found[0], count = recipient[e], 1
        for step in (-1, 1):
            f = e + step
            while (
                count < most
                and 0 <= f < n
                and address[f] == address[e]
                and abs(time[f] - time[e]) <= window
            ):
                if seen[f] <= classified_at[e]:
                    new = True
                    for k in range(count):
                        if found[k] == recipient[f]:
                            new = False
                    if new:
                        found[count] = recipient[f]
                        count += 1
                f += step
        recipients[e] = count
    return recipients


def write_recipient_counts(
    clicks: PartitionFile, output: ColumnFile, window: int, most: int, pool: Executor
) -> None:
    """Count for each click the recipients for whom its address clicked around that time.

    Parameters
    ----------
    clicks : PartitionFile
        Partitioned by address: `address`, `time`, `seen`, `classified_at`, `recipient`, and
        the click's `bucket` and `place` in it.
    output : ColumnFile
        Where the counts are written.
    window : int
        Microseconds on either side.
    most : int
        Counting stops there.
    pool : Executor
    """

    def count(part: int) -> None:
        table = clicks.read(part)
        if table is None:
            return
        order = np.lexsort((table["time"].to_numpy(), table["address"].to_numpy()))
        names = ("address", "time", "seen", "classified_at", "recipient")
        counts = count_recipients(*_columns(table, names, order), window, most)
        bucket, place = _columns(table, ("bucket", "place"), order)
        output.put(bucket, place, counts)

    list(pool.map(count, range(clicks.buckets)))


def write_earlier_days(days: PartitionFile, output: ColumnFile, pool: Executor) -> None:
    """Sum the events of each kind at each domain before each day.

    Parameters
    ----------
    days : PartitionFile
        Partitioned by domain: `domain`, `opened`, `day`, the number of `bots` and `events`
        of that day in one bucket, and the row's `bucket` and `place` in it.
    output : ColumnFile
        Where the sums over all buckets are written, of type :data:`EARLIER_DAYS`.
    pool : Executor
    """

    def add_up(part: int) -> None:
        table = days.read(part)
        if table is None:
            return
        keys = [table[name].to_numpy() for name in ("day", "domain", "opened")]
        order = np.lexsort(keys)
        day, domain, opened = (key[order] for key in keys)
        new_series = starts_of(domain, opened)
        first = _latest(new_series)
        today = _latest(new_series | starts_of(day))
        earlier = np.empty(len(order), EARLIER_DAYS)
        for name in ("bots", "events"):
            before = np.append(0, np.cumsum(table[name].to_numpy()[order]))
            earlier[name] = before[today] - before[first]
        bucket, place = _columns(table, ("bucket", "place"), order)
        output.put(bucket, place, earlier)

    list(pool.map(add_up, range(days.buckets)))


def _columns(table: pa.Table, names: tuple[str, ...], order: np.ndarray) -> list[np.ndarray]:
    return [table[name].to_numpy()[order] for name in names]


def starts_of(*keys: np.ndarray) -> np.ndarray:
    """Return a mask of the rows in which any of the sorted keys changes."""
    new = np.ones(len(keys[0]), bool)
    new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return new


def _latest(marked: np.ndarray) -> np.ndarray:
    """Return for each row the position of the latest marked one up to it."""
    return np.asarray(np.maximum.accumulate(np.where(marked, np.arange(len(marked)), 0)))
