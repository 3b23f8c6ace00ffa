"""Load one bucket of the log as :class:`Histories`, with the journey map applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from microconv.errors import EventLogError
from microconv.histories.arrays import NEVER, Attributes, Histories, Int64
from microconv.journey import JourneyMap
from microconv.storage.schema import PROSPECT_COLUMNS

Number = TypeVar("Number", bound=np.generic)


def load_histories(
    events: pa.Table, journey: JourneyMap, prospects: pa.Table | None = None
) -> Histories:
    """Load one bucket of the log as plain arrays.

    Events without a step, and those that the journey ignores, are left out; so are
    prospects without any other event.

    Parameters
    ----------
    events : Table
        With :data:`~microconv.storage.log.HISTORY_COLUMNS`, in the order of the
        log, `prospect_id` and `event_name` as dictionaries.
    journey : JourneyMap
    prospects : Table, optional
        The bucket's rows of the prospects table.

    Returns
    -------
    Histories

    Raises
    ------
    EventLogError
        If the rows are not sorted by prospect and time.
    """
    events = events.unify_dictionaries().combine_chunks()
    names = _chunk(events, "event_name")
    step_of_name = journey.step_codes(names.dictionary.to_pylist())
    step = step_of_name[_indices(names)] if len(names.dictionary) else np.empty(0, np.int16)
    keep = step >= 0
    prospects_of_events = _chunk(events, "prospect_id")
    code, time = _indices(prospects_of_events), _instants(events, "time")
    if not keep.all():
        step, code, time = step[keep], code[keep], time[keep]
    starts = _starts(code, time)
    ids = prospects_of_events.dictionary.take(pa.array(code[starts])).cast(pa.string())
    return Histories(
        prospect_ids=ids,
        offsets=np.append(starts, len(code)),
        time=time,
        visible_at=_kept(_instants(events, "visible_at"), keep),
        visible_until=_kept(_instants(events, "visible_until", NEVER), keep),
        step=step,
        value=_kept(_floats(events, "value", np.float64), keep),
        human_probability=_kept(_floats(events, "human_probability", np.float32), keep),
        attributes=None if prospects is None else _load_attributes(prospects, ids),
    )


def concat_histories(parts: Sequence[Histories]) -> Histories:
    """Concatenate the histories of several buckets, in the order given."""
    if len(parts) == 1:
        return parts[0]
    attributes = [part.attributes for part in parts if part.attributes is not None]
    joined = None
    if len(attributes) == len(parts):
        joined = Attributes(
            offsets=_join_offsets([a.offsets for a in attributes]),
            known_at=np.concatenate([a.known_at for a in attributes]),
            table=pa.concat_tables([a.table for a in attributes], promote_options="permissive"),
        )
    names = ("time", "visible_at", "visible_until", "step", "value", "human_probability")
    return Histories(
        prospect_ids=pa.concat_arrays([part.prospect_ids for part in parts]),
        offsets=_join_offsets([part.offsets for part in parts]),
        attributes=joined,
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names},
    )


def _load_attributes(prospects: pa.Table, ids: pa.Array) -> Attributes:
    owner = pc.index_in(prospects.column("prospect_id").cast(pa.string()), value_set=ids)
    known = owner.is_valid()
    rows = prospects.filter(known)
    owners = owner.filter(known).to_numpy().astype(np.int64)
    if np.any(np.diff(owners) < 0):
        raise EventLogError("The prospects table is not sorted by `prospect_id`. Ingest it again.")
    counts = np.bincount(owners, minlength=len(ids))
    return Attributes(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        known_at=_instants(rows, "known_at"),
        table=rows.drop_columns([c for c in PROSPECT_COLUMNS if c in rows.column_names]),
    )


def _starts(code: npt.NDArray[np.int32], time: Int64) -> Int64:
    """Find where each prospect's events begin; reject a log that is not sorted."""
    if len(code) == 0:
        return np.empty(0, np.int64)
    new = np.concatenate([[True], code[1:] != code[:-1]])
    starts = np.flatnonzero(new)
    if np.bincount(code[starts]).max() > 1 or np.any((time[1:] < time[:-1]) & ~new[1:]):
        raise EventLogError(
            "The events are not sorted by prospect and time, as a log must be. Ingest the exports "
            "again, or pass them to `score`, which sorts them."
        )
    return starts


def _join_offsets(parts: Sequence[Int64]) -> Int64:
    shifts = np.cumsum([0, *(part[-1] for part in parts[:-1])])
    pieces = [part[:-1] + shift for part, shift in zip(parts, shifts, strict=True)]
    return np.concatenate([*pieces, [shifts[-1] + parts[-1][-1]]]).astype(np.int64)


def _chunk(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.array([], column.type) if column.num_chunks == 0 else column.combine_chunks()


def _indices(column: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    codes: npt.NDArray[np.int32] = column.indices.to_numpy(zero_copy_only=False)
    return codes.astype(np.int32, copy=False)


def _instants(table: pa.Table, name: str, missing: int | None = None) -> Int64:
    column = _chunk(table, name).cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    if column.null_count:
        if missing is None:
            raise EventLogError(f"`{name}` is null in {column.null_count} rows of the log.")
        column = column.fill_null(missing)
    instants: Int64 = column.to_numpy(zero_copy_only=False)
    return instants


def _floats(table: pa.Table, name: str, kind: type[Number]) -> npt.NDArray[Number]:
    numbers: npt.NDArray[np.floating] = _chunk(table, name).to_numpy(zero_copy_only=False)
    return numbers.astype(kind, copy=False)


def _kept(values: npt.NDArray[Number], keep: npt.NDArray[np.bool_]) -> npt.NDArray[Number]:
    return values if keep.all() else values[keep]
