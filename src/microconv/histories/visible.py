"""What a question may see: ``visible_at < as_of <= visible_until``, and nothing else.

In most histories the events become visible in the order of their times, so
what a question sees is the beginning of the sorted history: a start and an end
are all it takes. A late row or an identity merge breaks that for a few rows:
their visible events are copied, in order, behind the others. Whoever reads a
:class:`VisibleEvents` cannot tell the two apart.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from microconv.histories.arrays import Histories, Int64, VisibleEvents


def visible_events(histories: Histories, prospect: Int64, as_of: Int64) -> VisibleEvents:
    """Say, for each question, which events it may see.

    An event of a merged prospect is seen under its old id as long as
    ``as_of <= visible_until`` and under the new one as soon as
    ``visible_at < as_of``: at every instant under exactly one of the two.

    Parameters
    ----------
    histories : Histories
    prospect : ndarray of int64, shape (n_rows,)
        Positions in `histories.prospect_ids`.
    as_of : ndarray of int64, shape (n_rows,)
        Microseconds since 1970, UTC.
    """
    start, end, scattered = _prefixes(
        histories.offsets, histories.visible_at, histories.visible_until, prospect, as_of
    )
    h = histories
    time, step, value, human_probability = h.time, h.step, h.value, h.human_probability
    if scattered.any():
        rows = np.flatnonzero(scattered)
        picked, lengths = _pick(
            histories.offsets,
            histories.visible_at,
            histories.visible_until,
            prospect[rows],
            as_of[rows],
        )
        ends = len(time) + np.cumsum(lengths)
        start[rows], end[rows] = ends - lengths, ends
        time, step = np.append(time, time[picked]), np.append(step, step[picked])
        value, human_probability = (
            np.append(value, value[picked]),
            np.append(human_probability, human_probability[picked]),
        )
    return VisibleEvents(
        histories, prospect, as_of, start, end, time, step, value, human_probability
    )


def visible_prefixes(
    histories: Histories, prospect: Int64, end: Int64, as_of: Int64
) -> VisibleEvents:
    """Let each question see the first events of a history, up to a given position.

    For prefix protocols, where ties in time mean that no instant could say
    where a prefix ends.

    Parameters
    ----------
    histories : Histories
    prospect : ndarray of int64, shape (n_rows,)
    end : ndarray of int64, shape (n_rows,)
        One past the last visible event, as a position in `histories.time`.
    as_of : ndarray of int64, shape (n_rows,)
    """
    start = histories.offsets[prospect]
    h = histories
    return VisibleEvents(
        h, prospect, as_of, start, end, h.time, h.step, h.value, h.human_probability
    )


@njit(cache=True, nogil=True)
def _prefixes(offsets, visible_at, visible_until, prospect, as_of):  # type: ignore[no-untyped-def]
    """Find each row's prefix; mark the rows whose visible events are not one."""
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
def _pick(offsets, visible_at, visible_until, prospect, as_of):  # type: ignore[no-untyped-def]
    """List the visible events of each row, in order, and how many each row has."""
    lengths = np.zeros(len(as_of), np.int64)
    for r in range(len(as_of)):
        for i in range(offsets[prospect[r]], offsets[prospect[r] + 1]):
            if visible_at[i] < as_of[r] <= visible_until[i]:
                lengths[r] += 1
    picked = np.empty(lengths.sum(), np.int64)
    k = 0
    for r in range(len(as_of)):
        for i in range(offsets[prospect[r]], offsets[prospect[r] + 1]):
            if visible_at[i] < as_of[r] <= visible_until[i]:
                picked[k] = i
                k += 1
    return picked, lengths
