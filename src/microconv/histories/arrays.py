"""Histories: the events of many prospects as plain arrays, and what a question may see of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Int64 = npt.NDArray[np.int64]

FOREVER = np.iinfo(np.int64).max
"""`visible_until` of an event that never stops being visible."""

DAY = 86_400_000_000
"""Microseconds in a day."""


@dataclass(frozen=True)
class Attributes:
    """What was known of each prospect's properties, and since when.

    Attributes
    ----------
    offsets : ndarray of int64, shape (n_prospects + 1,)
        Rows ``offsets[p]:offsets[p + 1]`` belong to prospect ``p``, by `known_at`.
    known_at : ndarray of int64, shape (n_rows,)
        Microseconds since 1970, UTC.
    table : Table
        One column per attribute (string or number), row for row with `known_at`.
    """

    offsets: Int64
    known_at: Int64
    table: pa.Table


@dataclass(frozen=True)
class Histories:
    """The placed events of the prospects of one bucket, sorted by prospect and time.

    Attributes
    ----------
    prospect_ids : StringArray, shape (n_prospects,)
    offsets : ndarray of int64, shape (n_prospects + 1,)
        Events ``offsets[p]:offsets[p + 1]`` belong to prospect ``p``.
    time, visible_at, visible_until : ndarray of int64, shape (n_events,)
        Microseconds since 1970, UTC; `visible_until` may be :data:`FOREVER`.
    step : ndarray of int16, shape (n_events,)
        Position of the event's step in the journey's `steps`; never negative.
    value : ndarray of float64, shape (n_events,)
        Money, or nan.
    human_probability : ndarray of float32, shape (n_events,)
        Probability that a person did it.
    attributes : Attributes or None
    """

    prospect_ids: pa.Array
    offsets: Int64
    time: Int64
    visible_at: Int64
    visible_until: Int64
    step: npt.NDArray[np.int16]
    value: npt.NDArray[np.float64]
    human_probability: npt.NDArray[np.float32]
    attributes: Attributes | None = None

    def __len__(self) -> int:
        """Return the number of prospects."""
        return len(self.offsets) - 1


@dataclass(frozen=True)
class VisibleEvents:
    """What each of many questions may see: the one thing a feature kernel is given.

    Row ``r`` asks about prospect ``prospect[r]`` at the instant ``as_of[r]`` and may
    see exactly the events ``start[r]:end[r]``, in time order, all of them visible
    strictly before ``as_of[r]``. Late and merged events are already dealt with:
    a kernel never looks at visibility again.

    Attributes
    ----------
    histories : Histories
        Where the attributes and the prospects' names come from.
    prospect, as_of, start, end : ndarray of int64, shape (n_rows,)
    time, step, value, human_probability : ndarray, shape (n_events,)
        As in :class:`Histories`; may hold further copies behind its events.
    """

    histories: Histories
    prospect: Int64
    as_of: Int64
    start: Int64
    end: Int64
    time: Int64
    step: npt.NDArray[np.int16]
    value: npt.NDArray[np.float64] = field(repr=False)
    human_probability: npt.NDArray[np.float32] = field(repr=False)

    def __len__(self) -> int:
        """Return the number of rows (questions)."""
        return len(self.as_of)
