"""Events in memory (pandas, Arrow, Ibis): checked, completed, and sorted like a log."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from microconv.errors import EventLogError, TimeError, did_you_mean, listed
from microconv.storage.buckets import sort_events
from microconv.storage.schema import EVENTS, INSTANT

REQUIRED = ("prospect_id", "time", "event_name")

_INSTANTS = [field.name for field in EVENTS if field.type == INSTANT]


def canonical_events(events: Any) -> pa.Table:
    """Return a table of events in the schema and sort order of a log.

    Parameters
    ----------
    events : pandas DataFrame, pyarrow Table or Ibis table
        Columns `prospect_id`, `time` and `event_name`; any other column of
        :data:`~microconv.storage.schema.EVENTS`. Other columns are dropped.
        `known_at` defaults to `time`; `visible_at` is at least the later of the
        two; `human_probability` is 1; `event_id` is a hash of the row where it is missing. Of rows
        with the same prospect, time, name and `event_id` the first known is kept.

    Returns
    -------
    Table
        Columns of `EVENTS`, rows in `EVENT_ORDER`.

    Raises
    ------
    EventLogError
        If a required column is missing or empty in some row, or if a column
        holds values of the wrong kind.
    TimeError
        If a time has no zone, or is out of range.

    Examples
    --------
    >>> from datetime import datetime, timezone
    >>> noon = datetime(2024, 1, 5, 12, tzinfo=timezone.utc)
    >>> log = canonical_events(
    ...     pa.table({"prospect_id": ["ada"], "time": [noon], "event_name": ["pricing"]})
    ... )
    >>> log["visible_at"][0].as_py() == noon
    True
    """
    if isinstance(events, pd.DataFrame):
        _check_columns([str(name) for name in events.columns])
        # dropped columns need not be convertible
        events = events.loc[:, [name in EVENTS.names for name in events.columns]]
    table = as_arrow(events)
    _check_columns(table.column_names)
    columns = {
        name: _to_micros(table[name], name) for name in _INSTANTS if name in table.column_names
    }
    count = table.num_rows
    time = columns["time"]
    known = _filled(columns.get("known_at"), time)
    visible = pc.max_element_wise(time, known, columns.get("visible_at", known), skip_nulls=True)
    columns |= {"known_at": known, "visible_at": visible}
    for field in EVENTS:
        if field.name in columns:
            continue
        if field.name in table.column_names:
            columns[field.name] = _cast(table[field.name], field)
        elif field.name == "human_probability":
            columns[field.name] = pa.chunked_array([pa.array([1.0] * count, pa.float32())])
        else:
            columns[field.name] = pa.chunked_array([pa.nulls(count, _plain(field.type))])
    columns.setdefault("visible_until", pa.chunked_array([pa.nulls(count, pa.int64())]))
    _check_required(columns)
    _check_ranges(columns)
    columns["human_probability"] = pc.fill_null(columns["human_probability"], 1.0)
    columns["event_id"] = _with_ids(columns)
    return _without_duplicates(
        sort_events(pa.table({field.name: columns[field.name] for field in EVENTS}))
    )


def as_arrow(rows: Any) -> pa.Table:
    """Convert an Arrow, Ibis (of any backend) or pandas table to Arrow.

    Raises
    ------
    EventLogError
        If it is none of these.
    """
    if isinstance(rows, pa.Table):
        return rows
    if hasattr(rows, "to_pyarrow"):
        return rows.to_pyarrow()
    if isinstance(rows, pd.DataFrame):
        return _from_pandas(rows)
    raise EventLogError(
        f"Events can be a path, a DataFrame, an Arrow or Ibis table, a log or RawExports; "
        f"a {type(rows).__name__} is none of these."
    )


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    """Convert column by column: Arrow's own conversion drops time zones, with a warning."""
    columns = {}
    for name, column in frame.items():
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            utc = column.dt.tz_convert(None).to_numpy()
            columns[str(name)] = pa.array(utc, pa.timestamp(column.dt.unit, "UTC"))
        else:
            columns[str(name)] = _to_array(column, str(name))
    return pa.table(columns)


def _check_columns(there: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in there]
    if missing:
        raise EventLogError(
            f"The table of events has no column {listed(missing)}. It needs {listed(REQUIRED)}; "
            f"it has {listed(there, most=30) or 'none'}." + did_you_mean(missing[0], there)
        )
    if "human" in there:  # other columns are left out, but this one would have counted
        raise EventLogError(
            "The table of events has a column `human`, which is called `human_probability` in this "
            "version. Rename it."
        )


def _to_array(column: pd.Series, name: str) -> pa.Array:
    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise EventLogError(
            f"The column `{name}` holds values of several types: {error}. Convert them to one, for "
            "example with .astype(str)."
        ) from None


def _to_micros(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Convert a column of times to microseconds."""
    if pa.types.is_null(column.type) or 0 < len(column) == column.null_count:
        # an empty column lacks no zone: MLflow drops it
        return pa.chunked_array([pa.nulls(len(column), pa.int64())])
    if not pa.types.is_timestamp(column.type):
        raise TimeError(
            f"The column `{name}` of the events is {column.type}, not a timestamp with a zone. "
            f"Convert it, for example with pandas.to_datetime(…, utc=True)."
        )
    if column.type.tz is None:
        raise TimeError(
            f"The column `{name}` of the events has no time zone, so its {len(column):,} values "
            "are ambiguous. Localise it, for example with "
            ".dt.tz_localize('Europe/Berlin')."
        )
    try:
        # only nanoseconds may lose digits
        return column.cast(INSTANT, safe=column.type.unit != "ns").cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise TimeError(
            f"The column `{name}` of the events holds a time that is out of range: {error}. "
            "Check the unit of its numbers."
        ) from None


def _filled(column: pa.ChunkedArray | None, default: pa.ChunkedArray) -> pa.ChunkedArray:
    return default if column is None else pc.coalesce(column, default)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _cast(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    try:
        return plain.cast(_plain(field.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise EventLogError(
            f"The column `{field.name}` of the events is {column.type}, which cannot be read as "
            f"{_plain(field.type)}: {error}."
        ) from None


def _check_required(columns: dict[str, Any]) -> None:
    for name in REQUIRED:
        empty = pc.is_null(columns[name])
        if name != "time":
            empty = pc.or_kleene(empty, pc.equal(columns[name], ""))
        rows = np.flatnonzero(pc.fill_null(empty, True).to_numpy())
        if len(rows):
            raise EventLogError(
                f"{len(rows):,} of {len(columns[name]):,} events have no `{name}`; the first is "
                f"row {rows[0]}. Fill it or leave those rows out."
            )


def _check_ranges(columns: dict[str, Any]) -> None:
    human_probability, value = columns["human_probability"], columns["value"]
    ranges = {
        "human_probability": (
            "between 0 and 1",
            pc.and_(pc.greater_equal(human_probability, 0), pc.less_equal(human_probability, 1)),
        ),
        "value": ("a finite number", pc.is_finite(value)),
    }
    for name, (what, holds) in ranges.items():
        rows = np.flatnonzero(~pc.fill_null(holds, True).to_numpy())
        if len(rows):
            raise EventLogError(
                f"{len(rows):,} of {len(value):,} events have a `{name}` that is not {what}; the "
                f"first is {columns[name][rows[0]].as_py()} in row {rows[0]}. Leave the value out "
                "of those rows, or the column."
            )


def _with_ids(columns: dict[str, Any]) -> pa.ChunkedArray:
    """Fill missing ids with a hash of the row, except of when it became known."""
    ids = columns["event_id"]
    if ids.null_count == 0:
        return ids
    from pandas.util import hash_pandas_object

    excluded = ("event_id", "known_at", "visible_at", "visible_until")
    content = pa.table({name: columns[name] for name in EVENTS.names if name not in excluded})
    hashes = hash_pandas_object(content.to_pandas(), index=False).to_numpy()
    return pc.coalesce(ids, pa.chunked_array([pa.array(hashes).cast(pa.string())]))


def _without_duplicates(log: pa.Table) -> pa.Table:
    """Keep the first, in the order of a log, of the rows of one event."""
    same = ("prospect_id", "time", "event_name", "event_id")
    duplicate = pd.DataFrame({name: _codes(log[name]) for name in same}).duplicated().to_numpy()
    return log.filter(pa.array(~duplicate)) if duplicate.any() else log


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.integer[Any]]:
    """Encode the values of a column as numbers."""
    if pa.types.is_timestamp(column.type):
        numbers: npt.NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
        return numbers
    if pa.types.is_string(column.type):
        column = column.dictionary_encode()
    codes: npt.NDArray[np.int32] = column.unify_dictionaries().combine_chunks().indices.to_numpy()
    return codes
