"""Which events a snapshot may see: those with ``visible_at < as_of <= visible_until``.

In most histories events become visible in the order of their times, so what a snapshot
sees is a prefix of the sorted history: a start and an end describe it. A late row or an
identity merge breaks that for a few snapshots: their visible events are copied, in order,
behind the others. A reader of :class:`VisibleEvents` sees no difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.histories.arrays import Histories, Int64, VisibleEvents


def visible_events(histories: Histories, prospect: Int64, as_of: Int64) -> VisibleEvents:
    """Find the events that each snapshot may see.

    An event of a merged prospect is seen under its old id as long as
    ``as_of <= visible_until`` and under the new one as soon as ``visible_at < as_of``:
    at every instant under exactly one of the two.

    Parameters
    ----------
    histories : Histories
    prospect : ndarray of int64, shape (n_rows,)
        Positions in `histories.prospect_ids`.
    as_of : ndarray of int64, shape (n_rows,)
        Microseconds since 1970, UTC.

    Returns
    -------
    VisibleEvents
    """
    h = histories
    visibility = h.offsets, h.visible_at, h.visible_until
    start, end, scattered = _prefixes(*visibility, prospect, as_of)
    columns: list[npt.NDArray[Any]] = [h.time, h.step, h.value, h.human_probability]
    if scattered.any():
        rows = np.flatnonzero(scattered)
        copied, lengths = _scattered_events(*visibility, prospect[rows], as_of[rows])
        ends = len(h.time) + np.cumsum(lengths)
        start[rows], end[rows] = ends - lengths, ends
        columns = [np.append(column, column[copied]) for column in columns]
    return VisibleEvents(h, prospect, as_of, start, end, *columns)


def visible_prefixes(
    histories: Histories, prospect: Int64, end: Int64, as_of: Int64
) -> VisibleEvents:
    """Return the events of each history up to a given position as the visible ones.

    For prefix benchmarks, where events at one instant are split and `as_of` alone cannot
    express where a prefix ends.

    Parameters
    ----------
    histories : Histories
    prospect : ndarray of int64, shape (n_rows,)
    end : ndarray of int64, shape (n_rows,)
        One past the last visible event, as a position in `histories.time`.
    as_of : ndarray of int64, shape (n_rows,)

    Returns
    -------
    VisibleEvents
    """
    h, start = histories, histories.offsets[prospect]
    return VisibleEvents(
        h, prospect, as_of, start, end, h.time, h.step, h.value, h.human_probability
    )


@njit(cache=True, nogil=True)
def _prefixes(offsets, visible_at, visible_until, prospect, as_of):  # type: ignore[no-untyped-def]
    """Find each row's prefix, and mark the rows that see events behind it."""
    n = len(as_of)
    start = np.empty(n, np.int64)
    end = np.empty(n, np.int64)
    scattered = np.zeros(n, np.bool_)
    for r in range(n):
        first, last = offsets[prospect[r]], offsets[prospect[r] + 1]
        cut = as_of[r]
        i = first
        while i < last and visible_at[i] < cut <= visible_until[i]:
            i += 1
        start[r], end[r] = first, i
        for j in range(i + 1, last):
            if visible_at[j] < cut <= visible_until[j]:
                scattered[r] = True
                break
    return start, end, scattered


@njit(cache=True, nogil=True)
def _scattered_events(offsets, visible_at, visible_until, prospect, as_of):  # type: ignore[no-untyped-def]
    """List the visible events of each row, in order, and how many each row has."""
    lengths = np.zeros(len(as_of), np.int64)
    for r in range(len(as_of)):
        for i in range(offsets[prospect[r]], offsets[prospect[r] + 1]):
            if visible_at[i] < as_of[r] <= visible_until[i]:
                lengths[r] += 1
    copied = np.empty(lengths.sum(), np.int64)
    k = 0
    for r in range(len(as_of)):
        for i in range(offsets[prospect[r]], offsets[prospect[r] + 1]):
            if visible_at[i] < as_of[r] <= visible_until[i]:
                copied[k] = i
                k += 1
    return copied, lengths
