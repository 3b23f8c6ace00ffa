"""Lines of JSON: cut into rows by arrays, taken apart by the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from microconv.events.inputs import InputFile, Lines, fault_of, read_lines, readable
from microconv.events.relational import (
    Stream,
    array_to_string,
    json_extract_string,
    json_extract_strings,
    json_merge_patch,
    json_type,
    json_valid,
)
from microconv.events.sources.rows import REFUSED, SEPARATOR, Rows

SCHEMA = pa.schema([*REFUSED, pa.field("line", pa.string())])


@dataclass(frozen=True)
class Payload:
    """Where the fields of a row stand in its JSON object.

    Attributes
    ----------
    places : dict of str to tuple of str
        Field → keys to try, first found wins; `a.b` is key `a.b`, else `b` in `a`;
        `/a/b` is only the latter.
    lists : dict of str to str
        Field → key that holds a text or a list of texts.
    known_at : tuple of str
        Keys that say when the row became known: no part of its content.
    """

    places: dict[str, tuple[str, ...]]
    lists: dict[str, str] = field(default_factory=dict)
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


@contextmanager
def read_json_lines(
    files: Sequence[InputFile], payload: Payload, connection: Any
) -> Iterator[Rows]:
    """Read files of one JSON object per line."""
    blocks = (lines for file in files for lines in read_lines(file))
    stream = Stream(SCHEMA, (batch for lines in blocks for batch in _batches(lines)))
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
    for name, keys in [*payload.places.items(), *((k, (v,)) for k, v in payload.lists.items())]:
        found = [pointer for key in keys for pointer in pointers(key)]
        slots[name] = list(range(len(paths), len(paths) + len(found)))
        paths += found
    whole = table.reason.isnull().ifelse(table.line, ibis.null("string"))
    table = table.mutate(parts=json_extract_string(whole, ibis.array(paths)), whole=whole)
    fields = {name: ibis.coalesce(*(table.parts[i] for i in at)) for name, at in slots.items()}
    for name, key in payload.lists.items():
        members = json_extract_strings(table.whole, f'$."{key}"[*]')
        text = array_to_string(members, SEPARATOR).nullif("")
        fields[name] = ibis.coalesce(text, fields[name])
    return table.mutate(**fields).drop("parts", "whole", "kind")


def _sound(rows: Any) -> Any:
    # a line that is no JSON cannot be taken apart again, and has no use for an id
    return rows.reason.isnull().ifelse(rows.line, ibis.null("string"))


def _without(line: Any, keys: Sequence[str]) -> Any:
    if not keys:
        return line.strip()
    patch = "{" + ",".join(f'"{key}":null' for key in keys) + "}"
    return json_merge_patch(line, patch)


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
