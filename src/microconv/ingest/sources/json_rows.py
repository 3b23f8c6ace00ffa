"""JSON files cut into rows: lines by arrays, a list by its commas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from microconv.ingest.input_files import CHUNK, InputFile, Lines, fault_of, read_lines, readable
from microconv.ingest.sources.json_array import Element, is_array, read_elements
from microconv.ingest.sources.rows import REFUSED

SCHEMA = pa.schema([*REFUSED, pa.field("line", pa.string())])


def batches_of(file: InputFile) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file: one object per line, or one list of objects."""
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
