"""Snapshots: which prospects are in the cohort at an instant, and their labels.

A worked example, with a horizon of 30 days. Ada visits pricing on 3 May and becomes a
customer on 20 May; the outcomes are complete until 1 July.

* 1 May: nothing is known of her yet. Not in the cohort.
* 8 May: in the cohort; 20 May lies in [8 May, 7 June), so the label is positive.
* 22 May: she is a customer already. Not in the cohort.

If her deal is entered into the CRM only on 27 May, it is not known on 22 May: she is in the
cohort then, and the label is negative, as nothing more followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from microconv.histories.arrays import DAY, NEVER, Histories, Int64, microseconds
from microconv.journey import EXIT, KINDS, MAJOR, JourneyMap
from microconv.settings import SnapshotSettings
from microconv.storage.schema import INSTANT

STATUSES = ("in_cohort", "unknown", "merged", "converted", "exited", "inactive")
"""Status of a prospect at an instant, in the order of the codes."""

IN_COHORT, UNKNOWN, MERGED, CONVERTED, EXITED, INACTIVE = range(6)

SNAPSHOT_SCHEMA = pa.schema(
    [
        pa.field("prospect_id", pa.string(), nullable=False),
        pa.field("as_of", INSTANT, nullable=False),
        pa.field("observed", pa.bool_(), nullable=False),
        pa.field("converted", pa.bool_()),
        pa.field("value", pa.float64()),
        pa.field("days_to_conversion", pa.float32()),
        pa.field("known_at", INSTANT),
        pa.field("exit_known_at", INSTANT),
        pa.field("followed_until", INSTANT, nullable=False),
        pa.field("weight", pa.float32(), nullable=False),
    ]
)
"""One row per snapshot.

`observed`, `converted` and `value` are about the window ``[as_of, as_of + horizon)``; the
other columns hold what is known of every row, whether its window has closed or not. The
row was followed in ``[as_of, followed_until)``, and the first conversion in that time came
after `days_to_conversion` (null without one). `known_at` is when it became known; with
several in the window, when the first of them became known. `exit_known_at` is when it
became known that the prospect left in the window (a step of `kind: exit`), else null.
"""


def cohort_status(
    histories: Histories,
    journey: JourneyMap,
    settings: SnapshotSettings,
    as_ofs: Sequence[datetime],
) -> npt.NDArray[np.int8]:
    """Find out for every prospect and instant whether it is in the cohort, and if not why.

    Only events visible strictly before the instant count. The cohort is known (has one),
    not converted, not exited, and active within `active_within_days`.

    Parameters
    ----------
    histories : Histories
    journey : JourneyMap
    settings : SnapshotSettings
    as_ofs : sequence of datetime

    Returns
    -------
    ndarray of int8, shape (n_prospects, n_as_ofs)
        Positions in :data:`STATUSES`.
    """
    instants = np.array([microseconds(as_of) for as_of in as_ofs], dtype=np.int64)
    active = np.array([kind in settings.active_kinds for kind in KINDS])
    status: npt.NDArray[np.int8] = _status(
        histories.offsets,
        histories.time,
        histories.visible_at,
        histories.visible_until,
        journey.kinds[histories.step],
        instants,
        active,
        round(settings.active_within_days * DAY),
        MAJOR,
        EXIT,
    )
    return status


def cohort_snapshots(
    histories: Histories,
    journey: JourneyMap,
    settings: SnapshotSettings,
    as_ofs: Sequence[datetime],
    observed_until: datetime,
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Take a snapshot of every prospect of the cohort at every instant, and label it.

    Parameters
    ----------
    histories : Histories
    journey : JourneyMap
    settings : SnapshotSettings
    as_ofs : sequence of datetime
        Ascending.
    observed_until : datetime
        First instant up to which outcomes are complete.

    Returns
    -------
    snapshots : Table
        With :data:`SNAPSHOT_SCHEMA`, by prospect and then `as_of`. A snapshot is not
        `observed` if its window ends after `observed_until`, or if its prospect was merged
        into another inside the window: what it alone would have done cannot be known.
    counts : ndarray of int64, shape (n_as_ofs, n_statuses)
        How many prospects had each status.
    """
    status = cohort_status(histories, journey, settings, as_ofs)
    counts = np.stack([np.bincount(column, minlength=len(STATUSES)) for column in status.T])
    prospect, which = np.nonzero(status == IN_COHORT)
    instants = np.array([microseconds(as_of) for as_of in as_ofs], dtype=np.int64)
    as_of = instants[which]
    return label_snapshots(
        histories, journey, prospect, as_of, settings.horizon, observed_until
    ), counts


def label_snapshots(
    histories: Histories,
    journey: JourneyMap,
    prospect: Int64,
    as_of: Int64,
    horizon: timedelta,
    observed_until: datetime,
) -> pa.Table:
    """Label snapshots by whether a major conversion fell in ``[as_of, as_of + horizon)``.

    Parameters
    ----------
    histories : Histories
    journey : JourneyMap
    prospect, as_of : ndarray of int64, shape (n_rows,)
        By prospect and then instant.
    horizon : timedelta
    observed_until : datetime
        First instant up to which outcomes are complete.

    Returns
    -------
    Table
        With :data:`SNAPSHOT_SCHEMA`.
    """
    width, until = horizon // timedelta(microseconds=1), microseconds(observed_until)
    known_at, time, value, exit_known_at, followed = _outcomes(
        histories.offsets,
        histories.time,
        histories.visible_at,
        histories.visible_until,
        histories.value,
        journey.kinds[histories.step],
        prospect,
        as_of,
        (width, until),
        (MAJOR, EXIT, NEVER),
    )
    happened = known_at != NEVER
    end = as_of + width
    converted = happened & (time < end)
    observed = (end <= until) & (converted | (followed >= end))
    yes = observed & converted
    repeats = np.bincount(prospect, minlength=len(histories))[prospect]
    every = np.ones(len(as_of), bool)
    columns = [
        histories.prospect_ids.take(pa.array(prospect)),
        _instant_array(as_of, every),
        pa.array(observed),
        pa.array(converted, mask=~observed),
        pa.array(value, mask=~yes | np.isnan(value)),
        pa.array(((time - as_of) / DAY).astype(np.float32), mask=~happened),
        _instant_array(known_at, happened),
        _instant_array(exit_known_at, exit_known_at != NEVER),
        _instant_array(followed, every),
        pa.array((1 / np.maximum(repeats, 1)).astype(np.float32)),
    ]
    return pa.table(columns, schema=SNAPSHOT_SCHEMA)


def _instant_array(values: Int64, valid: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(values, pa.int64(), mask=~valid).cast(INSTANT)


@njit(cache=True, nogil=True)
def _status(  # type: ignore[no-untyped-def]
    offsets, time, visible_at, visible_until, kind, as_ofs, active, active_within, major, leave
):
    n = len(offsets) - 1
    status = np.empty((n, len(as_ofs)), np.int8)
    for p in range(n):
        for k in range(len(as_ofs)):
            cut = as_ofs[k]
            seen = gone = converted = exited = recent = False
            for i in range(offsets[p], offsets[p + 1]):
                if visible_at[i] >= cut:
                    continue
                if visible_until[i] < cut:
                    gone = True
                    continue
                seen = True
                converted |= kind[i] == major
                exited |= kind[i] == leave
                recent |= active[kind[i]] and time[i] >= cut - active_within
            if not seen:
                status[p, k] = MERGED if gone else UNKNOWN
            elif converted:
                status[p, k] = CONVERTED
            elif exited:
                status[p, k] = EXITED
            else:
                status[p, k] = IN_COHORT if recent else INACTIVE
    return status


@njit(cache=True, nogil=True)
def _outcomes(  # type: ignore[no-untyped-def]
    offsets, time, visible_at, visible_until, value, kind, prospect, as_of, spans, codes
):
    """Follow each row until its outcomes end or it is merged away.

    Returns when the first conversion became known and when it came, the value of all
    in the window, when an exit in the window became known, and until when the row was
    followed.
    """
    horizon, until = spans
    major, leave, never = codes
    n = len(as_of)
    known_at = np.full(n, never, np.int64)
    first = np.zeros(n, np.int64)
    total = np.full(n, np.nan, np.float64)
    left = np.full(n, never, np.int64)
    followed = np.empty(n, np.int64)
    for r in range(n):
        begin, end = as_of[r], as_of[r] + horizon
        last = max(until, begin)
        for i in range(offsets[prospect[r]], offsets[prospect[r] + 1]):
            if begin <= visible_until[i] < last:
                last = visible_until[i]
        for i in range(offsets[prospect[r]], offsets[prospect[r] + 1]):
            if not begin <= time[i] < (until if time[i] < end else last):
                continue
            if kind[i] == leave and time[i] < end:
                left[r] = min(left[r], visible_at[i])
            if kind[i] != major:
                continue
            if known_at[r] == never:
                known_at[r], first[r] = visible_at[i], time[i]
            if time[i] >= end:
                continue
            known_at[r] = min(known_at[r], visible_at[i])
            if not np.isnan(value[i]):
                total[r] = value[i] + (0.0 if np.isnan(total[r]) else total[r])
        followed[r] = last
    return known_at, first, total, left, followed
