"""Read a log into a :class:`~microconv.measurement.study.study.Study`, bucket by bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from microconv.engines.engine import map_buckets
from microconv.errors import NotEnoughDataError
from microconv.histories.arrays import NEVER, Attributes, Histories, Int64, microseconds
from microconv.histories.load import concat_histories, load_histories
from microconv.journey import MAJOR, JourneyMap
from microconv.measurement.study.study import (
    NO_CODE,
    Bools,
    CodedColumn,
    Int32,
    Study,
    find_follow_up,
)
from microconv.storage.log import HISTORY_COLUMNS, Log
from microconv.storage.schema import INSTANT

EXTRAS = ("campaign_id", "variant", "client")
"""Columns of text kept as codes, beside what histories are made of."""


def load_study(
    log: Log,
    journey: JourneyMap,
    *,
    observed_until: datetime,
    messages: pa.Table | None = None,
    threads: int | None = None,
) -> Study:
    """Read everything that happened before an instant and could be known then.

    Parameters
    ----------
    log : Log
    journey : JourneyMap
    observed_until : datetime
        First instant up to which outcomes are complete; the end of the study.
    messages : Table, optional
        With :data:`~microconv.storage.schema.MESSAGES`.
    threads : int, optional
        Every core when None.

    Raises
    ------
    NotEnoughDataError
        If no placed event happened before `observed_until`.
    """
    until = microseconds(observed_until)
    ids = None if messages is None else messages["message_id"].combine_chunks()

    def read(bucket: int) -> _Part | None:
        events = log.read_events(bucket, (*HISTORY_COLUMNS, "known_at", "message_id", *EXTRAS))
        return _read(_used(events, journey, until), journey, ids, log.read_prospects(bucket))

    found = map_buckets(read, log.buckets, threads=threads)
    parts = [part for part in found if part is not None]
    if not parts:
        raise NotEnoughDataError(
            f"No event with a step in the journey happened before {observed_until:%Y-%m-%d %H:%M}, "
            "so there is nothing to measure. Bring an earlier export, or place the log's event "
            "names in `journey.steps`."
        )
    histories = concat_histories([part.histories for part in parts])
    seen_at = np.maximum(histories.time, histories.visible_at)
    follow_up = find_follow_up(
        journey,
        histories.offsets,
        histories.time,
        seen_at,
        (histories.step, histories.value, until),
    )
    return Study(
        journey=journey,
        start=int(histories.time.min()),
        until=until,
        prospect_ids=histories.prospect_ids,
        offsets=histories.offsets,
        time=histories.time,
        seen_at=seen_at,
        step=histories.step,
        part=np.concatenate([part.part for part in parts]),
        value=histories.value,
        human_probability=histories.human_probability,
        message=np.concatenate([part.message for part in parts]),
        campaign=join_codes([part.extras[0] for part in parts]),
        variant=join_codes([part.extras[1] for part in parts]),
        client=join_codes([part.extras[2] for part in parts]),
        follow_up=follow_up,
        mining_half=mining_halves(histories.prospect_ids),
        segments=segment_prospects(histories.attributes, follow_up.first_seen),
        messages=None if messages is None else messages.to_pandas(),
    )


@dataclass(frozen=True)
class _Part:
    """What one bucket adds."""

    histories: Histories
    part: npt.NDArray[np.int16]
    message: Int32
    extras: list[pa.DictionaryArray]


def _used(events: pa.Table, journey: JourneyMap, until: int) -> pa.Table:
    """Keep the placed events that were visible, and the outcomes that had happened, by the end.

    An outcome that was written down late counts all the same; the copy of one
    under the id of a later merge does not.
    """
    events = events.unify_dictionaries().combine_chunks()
    names = _column(events, "event_name")
    step = np.append(journey.step_codes(names.dictionary.to_pylist()), -1)[_indices(names)]
    major = (step >= 0) & (journey.kinds[step] == MAJOR)
    time, known_at, visible_at = (
        _instants(events, name) for name in ("time", "known_at", "visible_at")
    )
    stays = _instants(events, "visible_until", NEVER) >= until
    seen = (visible_at < until) | (major & (visible_at <= np.maximum(time, known_at)))
    keep = (step >= 0) & (time < until) & stays & seen
    return events if keep.all() else events.filter(pa.array(keep))


def _read(
    events: pa.Table, journey: JourneyMap, ids: pa.Array | None, prospects: pa.Table | None
) -> _Part | None:
    if events.num_rows == 0:
        return None
    histories = load_histories(events, journey, prospects)
    names = _column(events, "event_name")
    part = np.append(journey.part_codes(names.dictionary.to_pylist()), np.int16(NO_CODE))
    return _Part(
        histories=replace(histories, visible_until=np.empty(0, np.int64)),
        part=part[_indices(names)],
        message=_rows_of(_column(events, "message_id"), ids),
        extras=[_column(events, name) for name in EXTRAS],
    )


def _rows_of(column: pa.DictionaryArray, ids: pa.Array | None) -> Int32:
    """Find the row of the table of messages that each event's message has."""
    if ids is None:
        return np.full(len(column), NO_CODE, np.int32)
    rows = pc.index_in(column.dictionary, value_set=ids).fill_null(NO_CODE).to_numpy()
    return np.append(rows, NO_CODE).astype(np.int32)[_indices(column)]


def join_codes(chunks: Sequence[pa.DictionaryArray]) -> CodedColumn:
    """Join the columns of several buckets under one sorted list of labels."""
    column = pa.chunked_array(chunks).unify_dictionaries()
    labels = column.chunk(0).dictionary.to_pylist()
    order = np.argsort(np.array(labels, dtype=object)) if labels else np.empty(0, np.int64)
    place = np.full(len(labels) + 1, NO_CODE, np.int32)  # the last stands for no value
    place[order] = np.arange(len(labels))
    codes = np.concatenate([_indices(chunk) for chunk in column.chunks])
    return CodedColumn(place[codes], tuple(labels[k] for k in order))


def mining_halves(prospect_ids: pa.Array) -> Bools:
    """Put each prospect into one of two halves by a hash of the id."""
    ids = prospect_ids.to_numpy(zero_copy_only=False)
    return np.asarray(pd.util.hash_array(ids, categorize=False) & np.uint64(1), dtype=bool)


def _column(events: pa.Table, name: str) -> pa.DictionaryArray:
    column = events.column(name)
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.array([], column.type) if column.num_chunks == 0 else column.combine_chunks()


def _indices(column: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    codes: npt.NDArray[np.int32] = column.indices.fill_null(NO_CODE).to_numpy(zero_copy_only=False)
    return codes.astype(np.int32, copy=False)


def _instants(events: pa.Table, name: str, missing: int = 0) -> Int64:
    column = events.column(name).combine_chunks().cast(INSTANT).cast(pa.int64())
    return np.asarray(column.fill_null(missing))


MOST_VALUES = 50
"""An attribute with more values than this (a name, a free text) makes no segments."""

QUARTERS = 4


def segment_prospects(
    attributes: Attributes | None, first_seen: Int64
) -> Mapping[str, CodedColumn]:
    """Put every prospect into a group by each attribute, as known when first seen.

    What became known later is not used: a property filled in after the fact
    would explain the outcome by itself.

    Parameters
    ----------
    attributes : Attributes or None
    first_seen : ndarray of int64, shape (n_prospects,)

    Returns
    -------
    dict of str to CodedColumn
        Numbers with more than four values are cut at their quartiles; text with
        more than :data:`MOST_VALUES` values is left out.
    """
    if attributes is None:
        return {}
    row = _row_known_at(attributes.offsets, attributes.known_at, first_seen)
    known = pa.array(row, mask=row < 0)
    found = {}
    for name in attributes.table.column_names:
        column = attributes.table[name].combine_chunks().take(known)
        groups = _quarters(column) if pa.types.is_floating(column.type) else _words(column)
        if groups is not None:
            found[name] = groups
    return found


def _words(column: pa.Array) -> CodedColumn | None:
    encoded = column.cast(pa.string()).dictionary_encode()
    labels = encoded.dictionary.to_pylist()
    if not 0 < len(labels) <= MOST_VALUES:
        return None
    order = sorted(range(len(labels)), key=labels.__getitem__)
    place = np.full(len(labels) + 1, NO_CODE, np.int32)
    place[order] = np.arange(len(labels))
    codes = encoded.indices.fill_null(NO_CODE).to_numpy()
    return CodedColumn(place[codes], tuple(labels[k] for k in order))


def _quarters(column: pa.Array) -> CodedColumn | None:
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    there = np.isfinite(values)
    if not there.any():
        return None
    distinct = np.unique(values[there])
    if len(distinct) <= QUARTERS:
        codes = np.where(there, np.searchsorted(distinct, values), NO_CODE)
        return CodedColumn(codes.astype(np.int32), tuple(f"{value:g}" for value in distinct))
    cuts = np.unique(np.quantile(values[there], [0.25, 0.5, 0.75]))
    codes = np.where(there, np.searchsorted(cuts, values, side="left"), NO_CODE)
    return CodedColumn(codes.astype(np.int32), _ranges(cuts))


def _ranges(cuts: npt.NDArray[np.float64]) -> tuple[str, ...]:
    """Name the groups between cuts.

    Examples
    --------
    >>> _ranges(np.array([10.0, 50.0]))
    ('at most 10', 'over 10 to 50', 'over 50')
    """
    between = [f"over {low:g} to {high:g}" for low, high in pairwise(cuts)]
    return (f"at most {cuts[0]:g}", *between, f"over {cuts[-1]:g}")


@njit(cache=True, nogil=True)
def _row_known_at(offsets, known_at, instant):  # type: ignore[no-untyped-def]
    """Find each prospect's latest row known at an instant; -1 where there is none."""
    found = np.full(len(instant), -1, np.int64)
    for p in range(len(instant)):
        for i in range(offsets[p], offsets[p + 1]):
            if known_at[i] <= instant[p]:
                found[p] = i
    return found
