"""Buckets of the log: each is sorted and written separately."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from microconv.storage.schema import EVENT_ORDER, EVENTS, INSTANT

CODEC = "zstd"
LEVEL = 1
DICTIONARY_BYTES = 64 << 20
"""Largest dictionary page: the prospects of a bucket must fit, or reading gets slow."""

_INSTANTS = [field.name for field in EVENTS if field.type == INSTANT]
_DISTINCT = (*_INSTANTS, "value", "event_id")
"""Columns whose values hardly repeat, so that a dictionary would be wasted work."""


def write_bucket(
    rows: pa.Table | None, path: Path, *, human_probability: np.ndarray | None = None
) -> int:
    """Sort the rows of one bucket and write them.

    The bytes depend on nothing but the rows and `human_probability`.

    Parameters
    ----------
    rows : Table or None, events with instants in microseconds; None for an empty bucket
    path : Path, the file to write
    human_probability : ndarray of float32, optional, that a person caused each event; 1 by default

    Returns
    -------
    int
        Number of events.
    """
    rows = _no_rows() if rows is None else rows
    if human_probability is not None:
        rows = rows.append_column("human_probability", pa.array(human_probability, pa.float32()))
    events = sort_events(rows)
    pq.write_table(
        events,
        path,
        compression=CODEC,
        compression_level=LEVEL,
        row_group_size=max(1, events.num_rows),
        dictionary_pagesize_limit=DICTIONARY_BYTES,
        use_dictionary=[name for name in EVENTS.names if name not in _DISTINCT],
    )
    return int(events.num_rows)


def _no_rows() -> pa.Table:
    kinds = {name: pa.int64() for name in _INSTANTS} | {"value": pa.float64()}
    names = [name for name in EVENTS.names if name != "human_probability"]
    return pa.table({name: pa.array([], kinds.get(name, pa.string())) for name in names})


def sort_events(table: pa.Table) -> pa.Table:
    """Return events in the schema and the sort order of a log.

    Rows that are equal in :data:`EVENT_ORDER` are sorted by all other columns, so that the
    order of the input has no effect.
    """
    table = table.combine_chunks()
    prospects = table["prospect_id"].combine_chunks().dictionary_encode()
    names = prospects.dictionary
    by_name = pc.sort_indices(names)
    rank = np.empty(len(names), np.int32)
    rank[by_name.to_numpy()] = np.arange(len(names), dtype=np.int32)
    code = rank[prospects.indices.to_numpy()]
    time, known = table["time"].to_numpy(), table["known_at"].to_numpy()
    order = np.lexsort((known, time, code))
    _order_ties(order, (code, time, known), table)
    columns = []
    for field in EVENTS:
        if field.name == "prospect_id":
            dictionary = names.take(by_name)
            column = pa.DictionaryArray.from_arrays(pa.array(code[order]), dictionary)
        elif field.name not in table.column_names:  # `human_probability` without bot detection
            column = pa.array(np.ones(len(order), np.float32))
        else:
            column = table[field.name].take(pa.array(order)).combine_chunks()
        columns.append(_as(column, field.type))
    return pa.table(columns, schema=EVENTS)


def _as(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        encoded = column.dictionary_encode()
        by_name = pc.sort_indices(encoded.dictionary)
        rank = np.empty(len(by_name), np.int32)
        rank[by_name.to_numpy()] = np.arange(len(by_name), dtype=np.int32)
        indices = pa.array(rank[encoded.indices.to_numpy()])
        return pa.DictionaryArray.from_arrays(indices, encoded.dictionary.take(by_name))
    return column.cast(kind)


def _order_ties(order: np.ndarray, keys: tuple[np.ndarray, ...], table: pa.Table) -> None:
    """Sort rows with equal keys by their other columns, in place."""
    if len(order) < 2:
        return
    equal = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    tied = np.flatnonzero(np.append(equal, False) | np.append(False, equal))
    if not len(tied):
        return
    group = np.cumsum(np.append(True, ~equal))[tied]
    rows = table.take(pa.array(order[tied])).append_column("group", pa.array(group))
    there = [name for name in EVENTS.names if name in table.column_names]
    rest = [name for name in there if name not in EVENT_ORDER]
    names = ["group", "event_id", *rest]
    by_rest = pc.sort_indices(rows, [(name, "ascending") for name in names])
    order[tied] = order[tied][by_rest.to_numpy()]
