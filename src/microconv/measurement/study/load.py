"""Loading of the study from the event log, bucket by bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

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

TEXT_COLUMNS = ("campaign_id", "variant", "client")
"""Text columns of the events that a study keeps, besides the columns of histories."""

MAX_SEGMENT_VALUES = 50
"""Text attributes with more values than this (names, free text) make no segments."""


def load_study(
    log: Log,
    journey: JourneyMap,
    *,
    observed_until: datetime,
    messages: pa.Table | None = None,
    threads: int | None = None,
) -> Study:
    """Read all events that happened before an instant and were known by then.

    Parameters
    ----------
    log : Log
    journey : JourneyMap
    observed_until : datetime
        First instant up to which outcomes are complete; the end of the study.
    messages : Table, optional
        With :data:`~microconv.storage.schema.MESSAGES`.
    threads : int, optional
        All cores when None.

    Returns
    -------
    Study

    Raises
    ------
    NotEnoughDataError
        If no event with a step in the journey happened before `observed_until`.
    """
    until = microseconds(observed_until)
    ids = None if messages is None else messages["message_id"].combine_chunks()

    def read(bucket: int) -> _Part | None:
        events = log.read_events(
            bucket, (*HISTORY_COLUMNS, "known_at", "message_id", *TEXT_COLUMNS)
        )
        return _read_part(
            _select_events(events, journey, until), journey, ids, log.read_prospects(bucket)
        )

    found = map_buckets(read, log.buckets, threads=threads)
    parts = [part for part in found if part is not None]
    if not parts:
        raise NotEnoughDataError(
            f"No event with a step in the journey happened before {observed_until:%Y-%m-%d %H:%M}, "
            "so there is nothing to measure. Use an export with earlier events, or map the log's "
            "event names to steps in `journey.steps`."
        )
    histories = concat_histories([part.histories for part in parts])
    seen_at = np.maximum(histories.time, histories.visible_at)
    follow_up = find_follow_up(histories, seen_at, journey=journey, until=until)
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
        campaign=_join_codes([part.extras[0] for part in parts]),
        variant=_join_codes([part.extras[1] for part in parts]),
        client=_join_codes([part.extras[2] for part in parts]),
        follow_up=follow_up,
        mining_half=assign_mining_half(histories.prospect_ids),
        segments=_segment_prospects(histories.attributes, follow_up.first_seen),
        messages=None if messages is None else messages.to_pandas(),
    )


@dataclass(frozen=True)
class _Part:
    """The study data of one bucket."""

    histories: Histories
    part: npt.NDArray[np.int16]
    message: Int32
    extras: list[pa.DictionaryArray]


def _select_events(events: pa.Table, journey: JourneyMap, until: int) -> pa.Table:
    """Keep the visible events with a step and the outcomes that had happened by the end.

    Outcomes count even if recorded late; their copies under a later merged id do not.
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


def _read_part(
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
        message=_message_rows(_column(events, "message_id"), ids),
        extras=[_column(events, name) for name in TEXT_COLUMNS],
    )


def _message_rows(column: pa.DictionaryArray, ids: pa.Array | None) -> Int32:
    """Return the row of the messages table for each event; -1 for none."""
    if ids is None:
        return np.full(len(column), NO_CODE, np.int32)
    rows = pc.index_in(column.dictionary, value_set=ids).fill_null(NO_CODE).to_numpy()
    return np.append(rows, NO_CODE).astype(np.int32)[_indices(column)]


def _join_codes(chunks: Sequence[pa.DictionaryArray]) -> CodedColumn:
    column = pa.chunked_array(chunks).unify_dictionaries()
    codes = np.concatenate([_indices(chunk) for chunk in column.chunks])
    return _sort_labels(codes, column.chunk(0).dictionary.to_pylist())


def _sort_labels(codes: npt.NDArray[np.integer[Any]], labels: list[str]) -> CodedColumn:
    order = sorted(range(len(labels)), key=labels.__getitem__)
    new_code = np.full(len(labels) + 1, NO_CODE, np.int32)  # the last is that of a missing value
    new_code[order] = np.arange(len(labels))
    return CodedColumn(new_code[codes], tuple(labels[k] for k in order))


def assign_mining_half(prospect_ids: pa.Array) -> Bools:
    """Assign each prospect to the mining half or the other one, by a hash of the id."""
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


def _segment_prospects(
    attributes: Attributes | None, first_seen: Int64
) -> Mapping[str, CodedColumn]:
    """Group the prospects by each attribute, as known when they were first seen.

    Values that became known later are not used: an attribute filled in after the fact would
    explain the outcome by itself.
    """
    if attributes is None:
        return {}
    row = _row_known_at(attributes.offsets, attributes.known_at, first_seen)
    known = pa.array(row, mask=row < 0)
    found = {}
    for name in attributes.table.column_names:
        column = attributes.table[name].combine_chunks().take(known)
        groups = (
            _number_groups(column) if pa.types.is_floating(column.type) else _text_groups(column)
        )
        if groups is not None:
            found[name] = groups
    return found


def _text_groups(column: pa.Array) -> CodedColumn | None:
    encoded = column.cast(pa.string()).dictionary_encode()
    labels = encoded.dictionary.to_pylist()
    if not 0 < len(labels) <= MAX_SEGMENT_VALUES:
        return None
    return _sort_labels(encoded.indices.fill_null(NO_CODE).to_numpy(), labels)


def _number_groups(column: pa.Array) -> CodedColumn | None:
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    known = np.isfinite(values)
    if not known.any():
        return None
    distinct = np.unique(values[known])
    if len(distinct) <= 4:
        codes = np.where(known, np.searchsorted(distinct, values), NO_CODE)
        return CodedColumn(codes.astype(np.int32), tuple(f"{value:g}" for value in distinct))
    cuts = np.unique(np.quantile(values[known], [0.25, 0.5, 0.75]))
    codes = np.where(known, np.searchsorted(cuts, values, side="left"), NO_CODE)
    return CodedColumn(codes.astype(np.int32), _ranges(cuts))


def _ranges(cuts: npt.NDArray[np.float64]) -> tuple[str, ...]:
    """Return the labels of the groups between cuts.

    Examples
    --------
    >>> _ranges(np.array([10.0, 50.0]))
    ('at most 10', 'over 10 to 50', 'over 50')
    """
    between = [f"over {low:g} to {high:g}" for low, high in pairwise(cuts)]
    return (f"at most {cuts[0]:g}", *between, f"over {cuts[-1]:g}")


@njit(cache=True, nogil=True)
def _row_known_at(offsets, known_at, instant):  # type: ignore[no-untyped-def]
    """Return each prospect's latest row known at an instant; -1 where there is none."""
    found = np.full(len(instant), -1, np.int64)
    for p in range(len(instant)):
        for i in range(offsets[p], offsets[p + 1]):
            if known_at[i] <= instant[p]:
                found[p] = i
    return found
