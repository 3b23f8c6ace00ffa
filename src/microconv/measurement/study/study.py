"""Study data: all events up to one instant as flat arrays, with each prospect's follow-up.

The measurement looks back from `until`, the log's `observed_until`. An event counts if it was
visible before `until` and not merged into another prospect by then. An outcome counts if it
*happened* before `until`, even if it was recorded later: outcomes are complete up to there.

A prospect is at risk in ``[first_seen, ended_at)``: from the first visible event until the
conversion, an exit or `until`, whichever comes first. Prospects still at risk at `until` are
censored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from numba import njit

from microconv.histories.arrays import NEVER, Histories, Int64
from microconv.journey import EXIT, MAJOR, JourneyMap

Int32 = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

NO_CODE = -1
"""Code of a missing value."""


@dataclass(frozen=True)
class CodedColumn:
    """A text column as integer codes and their labels.

    Attributes
    ----------
    codes : ndarray of int32, shape (n_rows,)
        Position in `labels`; -1 where the value is missing.
    labels : tuple of str
        Sorted.
    """

    codes: Int32
    labels: tuple[str, ...]

    def text(self) -> npt.NDArray[np.object_]:
        """Return the labels row by row; None where the value is missing."""
        return np.array([*self.labels, None], dtype=object)[self.codes]


@dataclass(frozen=True)
class FollowUp:
    """Follow-up of each prospect: first seen, converted, exited, end of time at risk.

    All instants are in microseconds since 1970.

    Attributes
    ----------
    first_seen : ndarray of int64, shape (n_prospects,)
        The first instant at which any event was visible.
    converted_at, exited_at : ndarray of int64, shape (n_prospects,)
        First conversion and first exit; `NEVER` without one.
    ended_at : ndarray of int64, shape (n_prospects,)
        End of the time at risk, at or after `first_seen`.
    value : ndarray of float64, shape (n_prospects,)
        Value of the first conversion; nan without one or where it has no value.
    lifetime_value : ndarray of float64, shape (n_prospects,)
        Value of all conversions before the end of the study; 0 without any.
    """

    first_seen: Int64
    converted_at: Int64
    exited_at: Int64
    ended_at: Int64
    value: Floats
    lifetime_value: Floats

    @property
    def converted(self) -> Bools:
        """True for prospects who converted while at risk."""
        return np.asarray((self.converted_at == self.ended_at) & self.at_risk)

    @property
    def at_risk(self) -> Bools:
        """True for prospects with any time at risk."""
        return np.asarray(self.ended_at > self.first_seen)


@dataclass(frozen=True)
class Study:
    """The events and prospects that every section of the measurement reads.

    Attributes
    ----------
    journey : JourneyMap
    start, until : int
        The period, ``[start, until)``, µs since 1970.
    prospect_ids : StringArray, shape (n_prospects,)
    offsets : ndarray of int64, shape (n_prospects + 1,)
        Events ``offsets[p]:offsets[p + 1]`` belong to prospect ``p``, in time order.
    time, seen_at : ndarray of int64, shape (n_events,)
        When it happened, and since when it was visible (never before `time`).
    step : ndarray of int16, shape (n_events,)
        Position of the event's step in the journey's `steps`.
    part : ndarray of int16, shape (n_events,)
        Position in the journey's `parts` of a part of a multi-step micro-conversion; else -1.
    value : ndarray of float64, shape (n_events,)
        Money, or nan.
    human_probability : ndarray of float32, shape (n_events,)
        Probability that a person did it.
    message : ndarray of int32, shape (n_events,)
        Row of `messages` that the event belongs to; -1 for none.
    campaign, variant, client : CodedColumn
        One code per event.
    follow_up : FollowUp
    mining_half : ndarray of bool, shape (n_prospects,)
        True for the half of the prospects on which sequences are mined; the other half tests
        them. Assigned by a hash of the prospect id, so the same in every run.
    segments : mapping of str to CodedColumn
        Attribute → one code per prospect, as known when first seen. Numbers are cut at their
        quartiles.
    messages : DataFrame or None
        The table of messages, where the log has one.
    """

    journey: JourneyMap
    start: int
    until: int
    prospect_ids: pa.Array = field(repr=False)
    offsets: Int64 = field(repr=False)
    time: Int64 = field(repr=False)
    seen_at: Int64 = field(repr=False)
    step: npt.NDArray[np.int16] = field(repr=False)
    part: npt.NDArray[np.int16] = field(repr=False)
    value: Floats = field(repr=False)
    human_probability: npt.NDArray[np.float32] = field(repr=False)
    message: Int32 = field(repr=False)
    campaign: CodedColumn = field(repr=False)
    variant: CodedColumn = field(repr=False)
    client: CodedColumn = field(repr=False)
    follow_up: FollowUp = field(repr=False)
    mining_half: Bools = field(repr=False)
    segments: Mapping[str, CodedColumn] = field(repr=False)
    messages: pd.DataFrame | None = field(repr=False)

    def __len__(self) -> int:
        """Return the number of prospects."""
        return len(self.offsets) - 1

    def owners(self) -> Int64:
        """Return the position of the prospect that each event belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def names_of(self, kind: str) -> list[str]:
        """Return the names of the steps of one kind, in the order of their codes."""
        return [self.journey.step_names[code] for code in self.journey.codes_of_kind(kind)]


def find_follow_up(
    histories: Histories, seen_at: Int64, *, journey: JourneyMap, until: int
) -> FollowUp:
    """Compute the follow-up of each prospect.

    Parameters
    ----------
    histories : Histories
    seen_at : ndarray of int64, shape (n_events,)
        Since when each event was visible, µs since 1970.
    journey : JourneyMap
    until : int
        End of the study, µs since 1970.

    Returns
    -------
    FollowUp
    """
    kind = journey.kinds[histories.step]
    arrays = histories.offsets, histories.time, seen_at, kind, histories.value
    return FollowUp(*_find_follow_up(*arrays, until, MAJOR, EXIT))


@njit(cache=True, nogil=True)
def _find_follow_up(offsets, time, seen_at, kind, value, until, major, leave):  # type: ignore[no-untyped-def]
    n = len(offsets) - 1
    first = np.full(n, until, np.int64)
    converted = np.full(n, NEVER, np.int64)
    exited = np.full(n, NEVER, np.int64)
    ended = np.empty(n, np.int64)
    revenue = np.full(n, np.nan, np.float64)
    lifetime = np.zeros(n, np.float64)
    for p in range(n):
        for i in range(offsets[p], offsets[p + 1]):
            first[p] = min(first[p], seen_at[i])
            if kind[i] == major:
                if converted[p] == NEVER:
                    converted[p], revenue[p] = time[i], value[i]
                if not np.isnan(value[i]):
                    lifetime[p] += value[i]
            elif kind[i] == leave and exited[p] == NEVER:
                exited[p] = time[i]
        ended[p] = max(first[p], min(converted[p], exited[p], until))
    return first, converted, exited, ended, revenue, lifetime
