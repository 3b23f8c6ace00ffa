"""Event histories as plain arrays, and the events that each snapshot may see."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from microconv.errors import TimeError

Int64 = npt.NDArray[np.int64]

DAY = 86_400_000_000
"""Microseconds in a day."""

NEVER = np.iinfo(np.int64).max
"""Time of something that does not happen: later than every real time."""

NOT_YET = np.iinfo(np.int64).min
"""Latest time of something that has not happened so far: earlier than every real time."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(instant: datetime) -> int:
    """Return an instant as whole microseconds since 1970, UTC.

    Raises
    ------
    TimeError
        If the instant has no time zone.

    Examples
    --------
    >>> microseconds(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    if instant.tzinfo is None:
        raise TimeError(
            f"The instant {instant} has no time zone. Write it with one, like {instant}+00:00."
        )
    return (instant - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Attributes:
    """What was known of each prospect's attributes, and since when.

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
    """The events of the prospects of one bucket that have a step, by prospect and time.

    Attributes
    ----------
    prospect_ids : StringArray, shape (n_prospects,)
    offsets : ndarray of int64, shape (n_prospects + 1,)
        Events ``offsets[p]:offsets[p + 1]`` belong to prospect ``p``.
    time, visible_at, visible_until : ndarray of int64, shape (n_events,)
        Microseconds since 1970, UTC; `visible_until` may be :data:`NEVER`.
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
    """The events that each snapshot may see: the only input of a feature kernel.

    Row ``r`` is the snapshot of prospect ``prospect[r]`` at ``as_of[r]``. It sees exactly
    the events ``start[r]:end[r]``, in time order, all of them visible strictly before
    ``as_of[r]``. Late and merged events are taken care of: a kernel never checks
    visibility itself.

    Attributes
    ----------
    histories : Histories
        Where the attributes and the prospects' ids come from.
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
        """Return the number of snapshots."""
        return len(self.as_of)

    def select(self, rows: Int64) -> VisibleEvents:
        """Keep some of the snapshots, by their positions."""
        picked = {name: getattr(self, name)[rows] for name in ("prospect", "as_of", "start", "end")}
        return replace(self, **picked)
