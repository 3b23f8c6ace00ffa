"""Lines of JSON: cut into rows by arrays, taken apart by the engine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from microconv.events.inputs import CHUNK, InputFile, Lines, fault_of, read_lines, readable
from microconv.events.relational import (
    Stream,
    any_of,
    array_to_string,
    json_extract_string,
    json_extract_strings,
    json_merge_patch,
    json_type,
    json_valid,
)
from microconv.events.sources.json_array import Element, is_array, read_elements
from microconv.events.sources.rows import ATTRIBUTE, PROPERTY, REFUSED, SEPARATOR, Rows

SCHEMA = pa.schema([*REFUSED, pa.field("line", pa.string())])

JUDGED_LATER = ("time", "known_at", "sent_at", "value", "position")
"""Fields whose reading refuses a list or an object with a reason of its own."""


@dataclass(frozen=True)
class Payload:
    """Where the fields of a row stand in its JSON object.

    Attributes
    ----------
    places : dict of str to tuple of str
        Field → keys to try, first found wins; `a.b` is key `a.b`, else `b` in `a`;
        `/a/b` is only the latter, and `/a/0` the first member of a list.
    lists : tuple of str
        Fields that hold a text or a list of texts.
    known_at : tuple of str
        Keys that say when the row became known: no part of its content.
    """

    places: dict[str, tuple[str, ...]]
    lists: tuple[str, ...] = ()
    known_at: tuple[str, ...] = ()


def pointers(key: str) -> list[str]:
    """Write the places that a key may mean as JSON pointers; a pointer means itself.

    Examples
    --------
    >>> pointers("context.page")
    ['/context.page', '/context/page']
    >>> pointers("/context/page")
    ['/context/page']
    """
    if key.startswith("/"):
        return [key]
    whole = "/" + key.replace("~", "~0").replace("/", "~1")
    return [whole, whole.replace(".", "/")] if "." in key else [whole]


def parts_of(pointer: str) -> list[str]:
    """Take a JSON pointer apart.

    Examples
    --------
    >>> parts_of("/a/b~1c")
    ['a', 'b/c']
    """
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


@contextmanager
def read_json_lines(
    files: Sequence[InputFile], payload: Payload, connection: Any
) -> Iterator[Rows]:
    """Read files of one JSON object per line, or of one list of objects."""
    stream = Stream(SCHEMA, (batch for file in files for batch in _batches_of(file)))
    with stream.table(connection, "json_lines") as table:
        yield Rows(
            table=_take_apart(_judge(table), payload),
            text=lambda rows: rows.line.strip(),
            content=lambda rows: _without(_sound(rows), payload.known_at),
        )


def _judge(table: Any) -> Any:
    whole = table.line.notnull() & json_valid(table.line)
    braced = table.line.startswith("{")  # looking is cheaper than parsing once more
    kind = ibis.cases((whole & braced, "OBJECT"), (whole, json_type(table.line)))
    table = table.mutate(kind=kind)
    reason = ibis.cases(
        (table.reason.notnull(), table.reason),
        (table.kind.isnull(), "bad_json"),
        (table.kind != "OBJECT", "not_an_object"),
        (table.line.contains("\\u0000"), "nul_byte"),
        else_=ibis.null("string"),
    )
    return table.mutate(reason=reason)


def _take_apart(table: Any, payload: Payload) -> Any:
    paths: list[str] = []
    slots: dict[str, list[int]] = {}
    for name, keys in payload.places.items():
        found = [pointer for key in keys for pointer in pointers(key)]
        slots[name] = list(range(len(paths), len(paths) + len(found)))
        paths += found
    whole = table.reason.isnull().ifelse(table.line, ibis.null("string"))
    table = table.mutate(parts=json_extract_string(whole, ibis.array(paths)))
    fields = {name: ibis.coalesce(*(table.parts[i] for i in at)) for name, at in slots.items()}
    table = table.mutate(**fields).drop("parts", "kind")
    table = table.mutate(**{name: _members(table[name]) for name in payload.lists})
    single = [
        name
        for name in fields
        if name not in (*payload.lists, *JUDGED_LATER)
        and not name.startswith((PROPERTY, ATTRIBUTE))
    ]
    return _refuse_nested(table, single)


def _nested(text: Any) -> Any:
    """Say whether a text is a list or an object; the first letter is looked at, being cheap."""
    return (text.startswith("[") | text.startswith("{")) & json_valid(text)


def _members(text: Any) -> Any:
    """Join the members of a list of texts; a text alone is its own only member."""
    found = json_extract_strings(_nested(text).ifelse(text, ibis.null("string")), "$[*]")
    return ibis.coalesce(array_to_string(found, SEPARATOR), text).nullif("")


def _refuse_nested(table: Any, names: Sequence[str]) -> Any:
    """Refuse rows that hold a list or an object where one value is wanted: it is nobody's id."""
    if not names:
        return table
    nested = {name: _nested(table[name]).fill_null(False) for name in names}
    first = ibis.cases(
        *((odd, ibis.literal(f"{name}: ") + table[name].left(80)) for name, odd in nested.items()),
        else_=ibis.null("string"),
    )
    refused = table.reason.isnull() & any_of(nested.values())
    return table.mutate(
        reason=refused.ifelse("bad_type", table.reason),
        detail=refused.ifelse(first, table.detail),
    )


def _sound(rows: Any) -> Any:
    # a line that is no JSON cannot be taken apart again, and has no use for an id
    return rows.reason.isnull().ifelse(rows.line, ibis.null("string"))


def _without(line: Any, keys: Sequence[str]) -> Any:
    if not keys:
        return line.strip()
    patch: dict[str, Any] = {}
    for key in keys:
        for pointer in pointers(key):
            *outer, last = parts_of(pointer)
            inside = patch
            for part in outer:
                inside = inside.setdefault(part, {})
                if not isinstance(inside, dict):
                    break
            else:
                inside[last] = None
    return json_merge_patch(line, json.dumps(patch))


def _batches_of(file: InputFile) -> Iterator[pa.RecordBatch]:
    if not is_array(file):
        yield from (batch for lines in read_lines(file) for batch in _batches(lines))
        return
    rows: list[tuple[Any, ...]] = []
    size = 0
    for number, element in enumerate(read_elements(file), start=file.rows_before + 1):
        rows.append(_row_of(element, number))
        size += len(element.data)
        if size > CHUNK:
            yield _batch_of(rows)
            rows, size = [], 0
    if rows:
        yield _batch_of(rows)


def _batch_of(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
    return pa.record_batch(arrays, schema=SCHEMA)


def _row_of(element: Element, number: int) -> tuple[Any, ...]:
    """Make a row of an element: its number is its place in the list, from 1."""
    reason = element.fault or fault_of(element.data)
    if reason is not None:
        return number, reason, element.detail, readable(element.data), None
    return number, None, None, None, element.data.decode()


def _batches(lines: Lines) -> Iterator[pa.RecordBatch]:
    if lines.fault is not None:
        refused = [[lines.first], [lines.fault], [lines.detail], [readable(lines.data)], [None]]
        yield pa.record_batch(refused, schema=SCHEMA)
        return
    data = np.frombuffer(lines.data, np.uint8)
    ends = np.flatnonzero(data == ord("\n")) + 1
    if not len(ends) or ends[-1] != len(data):
        ends = np.append(ends, len(data))
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    binary = pa.Array.from_buffers(
        pa.binary(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(lines.data)]
    )
    numbers = np.arange(lines.first, lines.first + len(ends))
    filled = _filled(lines.data, offsets)
    try:
        if b"\0" in lines.data:
            raise pa.ArrowInvalid("a NUL byte")
        text = binary.cast(pa.string())
    except pa.ArrowInvalid:
        yield _carefully(binary, numbers, filled)
        return
    nothing = pa.nulls(len(ends), pa.string())
    batch = pa.record_batch([pa.array(numbers), nothing, nothing, nothing, text], schema=SCHEMA)
    yield batch if filled.all() else batch.filter(pa.array(filled))


def _filled(data: bytes, offsets: np.ndarray) -> np.ndarray:
    """Say which lines hold more than white space: a blank line is no row."""
    filled = np.ones(len(offsets) - 1, bool)
    for line in np.flatnonzero(np.diff(offsets) <= 8):
        filled[line] = bool(data[offsets[line] : offsets[line + 1]].strip())
    return filled


def _carefully(binary: pa.Array, numbers: np.ndarray, filled: np.ndarray) -> pa.RecordBatch:
    """Go through a block line by line, because something in it is not text."""
    reasons: list[str | None] = []
    raws: list[str | None] = []
    texts: list[str | None] = []
    for line in binary.filter(pa.array(filled)).to_pylist():
        reason = fault_of(line)
        reasons.append(reason)
        raws.append(None if reason is None else readable(line))
        texts.append(line.decode() if reason is None else None)
    details = pa.nulls(len(reasons), pa.string())
    return pa.record_batch([numbers[filled], reasons, details, raws, texts], schema=SCHEMA)
