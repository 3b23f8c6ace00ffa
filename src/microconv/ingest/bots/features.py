"""What is seen around a click or open: how soon, how many links, how many recipients."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def look_around(group, time, seen, judged_at, act, link, window):  # type: ignore[no-untyped-def]
    """Gather what mail rows of one recipient and message say of each other.

    Parameters
    ----------
    group : ndarray of int64, shape (n,)
        Recipient and message; rows are sorted by it, then by time, then by act.
    time, seen, judged_at : ndarray of int64
        When each row happened, was known, and is judged, in microseconds: only rows seen by
        then count. Neighbours lie within `window` on either side.
    act : ndarray of int8
        As :class:`microconv.ingest.bots.email_acts.Act`.
    link : ndarray of int64
        0 where unknown.

    Returns
    -------
    delay : ndarray of int64
        Microseconds since the last delivery; -1 where none is known.
    links : ndarray of int8
        Distinct links clicked, the row's own among them; 3 stands for more.
    gap : ndarray of int64
        Microseconds to the nearest click on another link; -1 without one.
    left : ndarray of bool
        Somebody unsubscribed.
    """
    delivered, opened, unsubscribed, clicked = 1, 2, 4, 3
    n = len(time)
    delay, gap = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    links, left = np.zeros(n, np.int8), np.zeros(n, np.bool_)
    earlier = np.full(n, -1, np.int64)  # the delivery before each row, as a chain
    latest = -1
    for e in range(n):
        if e > 0 and group[e] != group[e - 1]:
            latest = -1
        earlier[e] = latest
        if act[e] == delivered:
            latest = e
            continue
        d = latest
        while d >= 0 and seen[d] > judged_at[e]:
            d = earlier[d]
        if d >= 0:
            delay[e] = time[e] - time[d]
        if act[e] == opened or act[e] == 0:
            continue
        first = link[e] if act[e] == clicked else 0
        second = 0
        found = 1 if first != 0 else 0
        for step in (-1, 1):
            f = e + step
            while 0 <= f < n and group[f] == group[e] and abs(time[f] - time[e]) <= window:
                if seen[f] <= judged_at[e]:
                    if act[f] == unsubscribed:
                        left[e] = True
                    elif act[f] == clicked and link[f] != 0 and link[f] != first:
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
    return delay, links, gap, left


@numba.njit(cache=True, nogil=True)
def count_crowd(address, time, seen, judged_at, recipient, window, most):  # type: ignore[no-untyped-def]
    """Count for how many recipients one address clicked around each click.

    Rows are sorted by address, then by time. Counting ends at `most`.

    Returns
    -------
    ndarray of int8
        Distinct recipients within `window` on either side and seen when the row is judged,
        its own among them.
    """
    n = len(time)
    crowd = np.ones(n, np.int8)
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
                if seen[f] <= judged_at[e]:
                    new = True
                    for k in range(count):
                        if found[k] == recipient[f]:
                            new = False
                    if new:
                        found[count] = recipient[f]
                        count += 1
                f += step
        crowd[e] = count
    return crowd
