"""Snapshots: whom to ask about at an instant (the cohort), and what came of it (the label).

A worked example, with a horizon of 30 days. Ada visits pricing on 3 May and
becomes a customer on 20 May; the outcomes are complete until 1 July.

* 1 May: nothing is known of her yet. Not asked.
* 8 May: asked; 20 May lies in [8 May, 7 June), so the answer is yes.
* 22 May: she is a customer already. Not asked.

Her deal was entered into the CRM on 27 May. On 22 May nobody could know it, so
she *was* asked then, and the answer is no: nothing more followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from microconv.errors import UnobservedOutcomeError
from microconv.histories.arrays import DAY, Histories, Int64, microseconds
from microconv.journey import EXIT, KINDS, MAJOR, JourneyMap
from microconv.settings import SnapshotSettings
from microconv.storage.schema import INSTANT

STATUSES = ("in_cohort", "unknown", "merged", "converted", "exited", "inactive")
"""What the cohort rule says of a prospect at an instant, in the order of the codes."""

IN_COHORT, UNKNOWN, MERGED, CONVERTED, EXITED, INACTIVE = range(6)

NEVER = np.iinfo(np.int64).min
"""When it became known, of an outcome that did not happen."""

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
"""One row per question.

`observed`, `converted` and `value` are about the window ``[as_of, as_of + horizon)``.
The others say what is known of every row, its window closed or not: it was followed
in ``[as_of, followed_until)``, and there the first conversion came after
`days_to_conversion` (null without one). `known_at` is when it became known; with
several in the window, when the first of them did. `exit_known_at` is when it became
known that the prospect left in the window (a step of `kind: exit`); null where it did
not, or not yet.
"""


def cohort_status(
    histories: Histories,
    journey: JourneyMap,
    settings: SnapshotSettings,
    as_ofs: Sequence[datetime],
) -> npt.NDArray[np.int8]:
    """Say of every prospect at every instant whether to ask, and else why not.

    Only events visible strictly before the instant decide: known (has one),
    not converted, not exited, active within `active_within_days`.

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
    """Ask about every prospect of the cohort at every instant, and label what can be.

    Parameters
    ----------
    as_ofs : sequence of datetime
        Ascending.
    observed_until : datetime
        First instant up to which outcomes are complete.

    Returns
    -------
    snapshots : Table
        With :data:`SNAPSHOT_SCHEMA`, by prospect and then `as_of`. A snapshot whose
        window ends after `observed_until` is not `observed`; nor is one whose
        prospect was merged into another inside the window: from then on nobody
        can say what it alone would have done.
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
    """Label questions by whether a major conversion fell in ``[as_of, as_of + horizon)``.

    Parameters
    ----------
    prospect, as_of : ndarray of int64, shape (n_rows,)
        By prospect and then instant.

    Returns
    -------
    Table
        With :data:`SNAPSHOT_SCHEMA`.
    """
    width, until = horizon // timedelta(microseconds=1), microseconds(observed_until)
    outcomes = _outcomes(
        histories.offsets,
        histories.time,
        histories.visible_at,
        histories.visible_until,
        histories.value,
        journey.kinds[histories.step],
        prospect,
        as_of,
        width,
        until,
        MAJOR,
        EXIT,
    )
    known_at, time, value, exit_known_at, followed = outcomes
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


def require_observed(as_of: datetime, *, horizon: timedelta, observed_until: datetime) -> None:
    """Refuse a question whose outcome window is still open.

    Raises
    ------
    UnobservedOutcomeError
        Naming the last instant that could be asked.
    """
    if as_of + horizon > observed_until:
        raise UnobservedOutcomeError(
            f"The outcome window of {as_of:%Y-%m-%d %H:%M} ends at "
            f"{as_of + horizon:%Y-%m-%d %H:%M}, after the outcomes do "
            f"({observed_until:%Y-%m-%d %H:%M}): neither a yes nor a no. Take the last snapshot no "
            f"later than {observed_until - horizon:%Y-%m-%d %H:%M}, or shorten "
            "`snapshots.horizon_days`."
        )


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
    offsets, time, visible_at, visible_until, value, kind, prospect, as_of, horizon, until,
    major, leave,
):  # fmt: skip
    """Follow each row until its outcomes end or it is merged away.

    Returns when the first conversion became known and when it came, the value of all
    in the window, when an exit in the window became known, and until when the row was
    followed.
    """
    n = len(as_of)
    known_at = np.full(n, NEVER, np.int64)
    first = np.zeros(n, np.int64)
    total = np.full(n, np.nan, np.float64)
    left = np.full(n, NEVER, np.int64)
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
                left[r] = visible_at[i] if left[r] == NEVER else min(left[r], visible_at[i])
            if kind[i] != major:
                continue
            if known_at[r] == NEVER:
                known_at[r], first[r] = visible_at[i], time[i]
            if time[i] >= end:
                continue
            known_at[r] = min(known_at[r], visible_at[i])
            if not np.isnan(value[i]):
                total[r] = value[i] + (0.0 if np.isnan(total[r]) else total[r])
        followed[r] = last
    return known_at, first, total, left, followed
