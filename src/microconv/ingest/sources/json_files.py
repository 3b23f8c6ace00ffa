"""JSON files cut into rows: one object per line, or one list of objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from microconv.ingest.input_files import (
    CHUNK,
    MAX_LINE,
    Content,
    InputFile,
    Lines,
    fault_of,
    read_lines,
    readable,
)
from microconv.ingest.sources.raw_rows import ROW_COLUMNS

SCHEMA = pa.schema([*ROW_COLUMNS, pa.field("line", pa.string())])

_MARK = re.compile(rb'["\[\]{},]')
_IN_TEXT = re.compile(rb'["\\]')
_BLANK = b" \t\r\n"
_SHOWN_BYTES = 1000
"""How much of an unreadable element is kept for the quarantine."""


def read_batches(file: InputFile) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file, with columns :data:`SCHEMA`."""
    if not _is_list(file):
        yield from (batch for lines in read_lines(file) for batch in _batches_of_lines(lines))
        return
    rows: list[tuple[Any, ...]] = []
    size = 0
    for number, element in enumerate(_read_list(file), start=file.rows_before + 1):
        rows.append(_row_of(element, number))
        size += len(element.data)
        if size > CHUNK:
            yield _batch_of(rows)
            rows, size = [], 0
    if rows:
        yield _batch_of(rows)


def read_texts(file: InputFile) -> Iterator[bytes]:
    """Yield the bytes of each object of a file, whether or not they are JSON."""
    if _is_list(file):
        yield from (element.data for element in _read_list(file))
    else:
        yield from (line for block in read_lines(file) for line in block.data.splitlines())


def _batch_of(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)]
    return pa.record_batch(arrays, schema=SCHEMA)


def _row_of(element: Element, number: int) -> tuple[Any, ...]:
    reason = element.fault or fault_of(element.data)
    if reason is not None:
        return number, reason, element.detail, readable(element.data), None
    return number, None, None, None, element.data.decode()


def _batches_of_lines(lines: Lines) -> Iterator[pa.RecordBatch]:
    if lines.fault is not None:
        rejected = [[lines.first], [lines.fault], [lines.detail], [readable(lines.data)], [None]]
        yield pa.record_batch(rejected, schema=SCHEMA)
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
    filled = np.ones(len(ends), bool)  # a blank line is no row
    for line in np.flatnonzero(np.diff(offsets) <= 8):
        filled[line] = bool(lines.data[offsets[line] : offsets[line + 1]].strip())
    try:
        if b"\0" in lines.data:
            raise pa.ArrowInvalid("a NUL byte")
        text = binary.cast(pa.string())
    except pa.ArrowInvalid:
        yield _batch_line_by_line(binary, numbers, filled)
        return
    nothing = pa.nulls(len(ends), pa.string())
    batch = pa.record_batch([pa.array(numbers), nothing, nothing, nothing, text], schema=SCHEMA)
    yield batch if filled.all() else batch.filter(pa.array(filled))


def _batch_line_by_line(binary: pa.Array, numbers: np.ndarray, filled: np.ndarray) -> Any:
    """Reject only the lines that are not text, where a block holds any."""
    lines = binary.filter(pa.array(filled)).to_pylist()
    reasons = [fault_of(line) for line in lines]
    pairs = list(zip(lines, reasons, strict=True))
    raws = [None if reason is None else readable(line) for line, reason in pairs]
    texts = [line.decode() if reason is None else None for line, reason in pairs]
    details = pa.nulls(len(lines), pa.string())
    return pa.record_batch([numbers[filled], reasons, details, raws, texts], schema=SCHEMA)


@dataclass(frozen=True)
class Element:
    """One element of a list.

    Attributes
    ----------
    fault, detail : str or None
        `truncated` or `too_long` if the rest of the file could not be read.
    """

    data: bytes
    fault: str | None = None
    detail: str | None = None


def _is_list(file: InputFile) -> bool:
    if not file.path.name.lower().removesuffix(".gz").endswith(".json"):
        return False
    for chunk in Content(file.path).chunks():
        start = chunk.lstrip(_BLANK)
        if start:
            return start.startswith(b"[")
    return False


def _read_list(file: InputFile) -> Iterator[Element]:
    content = Content(file.path)
    yield from split_list(content.chunks())
    if content.damage.detail is not None:
        yield Element(b"", "truncated", content.damage.detail)


def split_list(chunks: Iterable[bytes]) -> Iterator[Element]:
    """Yield the elements of a JSON list, or of several lists one after the other.

    Only brackets, commas and quotation marks are looked at; an element may be invalid JSON.
    At most one element is held in memory.

    Examples
    --------
    >>> [element.data for element in split_list([b'[{"a": "],["}, ', b'2]'])]
    [b'{"a": "],["}', b'2']
    """
    scan = _ListScan()
    for chunk in chunks:
        for data in scan.feed(chunk):
            if element := data.strip(_BLANK):
                yield Element(element)
        if scan.outside:
            yield Element(scan.rest(), "truncated", "text behind the end of the list")
            return
        if len(scan.held) > MAX_LINE:
            yield Element(scan.rest(), "too_long", "the list is read no further")
            return
    if scan.depth:
        yield Element(scan.rest(), "truncated", "the list ends before its last bracket")


@dataclass
class _ListScan:
    """Position in a list: `depth` is 0 outside of it and 1 between its elements."""

    depth: int = 0
    in_text: bool = False
    escaped: bool = False
    outside: bool = False
    held: bytearray = field(default_factory=bytearray)

    def rest(self) -> bytes:
        return bytes(self.held[:_SHOWN_BYTES])

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the elements that end in the next bytes."""
        place = start = 0
        while place < len(chunk):
            if self.escaped:
                self.escaped, place = False, place + 1
                continue
            if self.depth == 0:
                start = place = self._open_list(chunk, place)
                if self.outside:
                    break
                continue
            found = (_IN_TEXT if self.in_text else _MARK).search(chunk, place)
            if found is None:
                break
            place = found.end()
            if self._ends_element(found[0]):
                yield bytes(self.held) + chunk[start : found.start()]
                self.held.clear()
                start = place
        self.held += chunk[start:]

    def _open_list(self, chunk: bytes, place: int) -> int:
        """Find the bracket that opens the next list."""
        while place < len(chunk) and chunk[place] in _BLANK:
            place += 1
        if place < len(chunk):
            self.outside = chunk[place : place + 1] != b"["
            self.depth = int(not self.outside)
            place += self.depth
        return place

    def _ends_element(self, mark: bytes) -> bool:
        if mark == b"\\":
            self.escaped = True
        elif mark == b'"':
            self.in_text = not self.in_text
        elif mark in (b"[", b"{"):
            self.depth += 1
        elif mark in (b"]", b"}"):
            self.depth -= 1
            return self.depth == 0
        else:
            return self.depth == 1
        return False
