"""CSV files: read in blocks while the quoting is clean, record by record where it is not."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.csv

from microconv.errors import SourceError
from microconv.ingest.duckdb_engine import Stream
from microconv.ingest.input_files import InputFile, Lines, fault_of, read_lines, readable
from microconv.ingest.sources.raw_rows import ROW_COLUMNS, RawRows, join_fields, require_columns
from microconv.settings import SourceSettings

DELIMITERS = (",", ";", "\t", "|")
MAX_RECORD_LINES = 1000
"""A quoted field over more lines than this counts as a quotation mark that is not closed."""


@dataclass(frozen=True)
class Header:
    """The first record of a file."""

    names: list[str]
    delimiter: str


@dataclass(frozen=True)
class Record:
    """One record, or one line that cannot be read as a record.

    Attributes
    ----------
    line : int
        Line of the block on which it begins, from 0.
    end : int
        First byte after it.
    fields : list of str or None
        None for a rejected line, which then has a reason.
    """

    line: int
    end: int
    raw: bytes
    fields: list[str] | None = None
    reason: str | None = None
    detail: str | None = None


@contextmanager
def read_csv(
    files: Sequence[InputFile], fields: dict[str, str], source: SourceSettings, connection: Any
) -> Iterator[RawRows]:
    """Read CSV files with the same header.

    Parameters
    ----------
    files : sequence of InputFile
    fields : dict of str to str
        Field of the common table → column of the file.
    source : SourceSettings
    connection : Ibis connection

    Yields
    ------
    RawRows

    Raises
    ------
    SourceError
        If a file is empty or its header cannot be read.
    MissingColumnError
        If it lacks a column.
    """
    header = read_header(files[0].path)
    require_columns(fields, header.names, source=source, file=files[0].path.name)
    batches = (b for file in files for b in _read_blocks(header, _without_header(read_lines(file))))
    stream = Stream(_schema(header), batches)
    place = {name: f"c{number}" for number, name in enumerate(header.names)}
    content = [place[name] for name in sorted(place) if name != fields.get("known_at")]
    with stream.table(connection, "csv") as table:
        yield RawRows(
            table=table.mutate(**{field: table[place[name]] for field, name in fields.items()}),
            text=lambda rows: ibis.literal(header.delimiter).join(
                [rows[column] for column in place.values()]
            ),
            content=lambda rows: join_fields([rows[column] for column in content]),
        )


def _schema(header: Header) -> pa.Schema:
    """Return the columns of the stream: those of every row, then `c0`, `c1`, … by position."""
    columns = [pa.field(f"c{number}", pa.string()) for number in range(len(header.names))]
    return pa.schema([*ROW_COLUMNS, *columns])


def read_header(path: Path) -> Header:
    """Read the column names of a CSV file, and the delimiter: the one that its header has most of.

    Raises
    ------
    SourceError
        If the file is empty or cut off in its header, if its lines end in a
        carriage return alone, or if its header is not text or names a column twice.
    """
    first = next(read_lines(InputFile(path)), None)
    if first is not None and first.fault is not None:
        raise SourceError(
            f"{path} has no whole header: {first.detail or 'its first line has no end'}. "
            "Export it again."
        )
    line = b"" if first is None else first.data.lstrip(b"\r\n").partition(b"\n")[0]
    if not line.strip():
        raise SourceError(f"{path} is empty: not even a header. Export it again.")
    if fault_of(line) is not None:
        raise SourceError(f"The header of {path} is not UTF-8 text: {readable(line)[:80]}.")
    text = line.decode().rstrip("\r")
    if "\r" in text:
        raise SourceError(
            f"The lines of {path} end in a carriage return alone, as on very old systems. Export "
            "it again, or convert it (`tr '\\r' '\\n'`)."
        )
    delimiter = max(DELIMITERS, key=text.count)
    names = [name.strip() for name in next(csv.reader([text], delimiter=delimiter))]
    twice = sorted({name for name in names if names.count(name) > 1 and name})
    if twice:
        raise SourceError(f"{path} has the column `{twice[0]}` twice; rename one of them.")
    return Header(names, delimiter)


def _without_header(blocks: Iterator[Lines]) -> Iterator[Lines]:
    first = next(blocks)
    before = len(first.data) - len(first.data.lstrip(b"\r\n"))
    end = first.data.find(b"\n", before) + 1 or len(first.data)
    yield Lines(first.data[end:], first.first + first.data.count(b"\n", 0, end))
    yield from blocks


def _read_blocks(header: Header, blocks: Iterator[Lines]) -> Iterator[pa.RecordBatch]:
    """Yield the records of each block; a record may begin in one block and end in the next."""
    held, number = b"", 0
    for lines in blocks:
        if lines.fault is not None:
            if held:
                yield _read_block(header, held, number, final=True)[0]
                held = b""
            yield _rejected_row(header, lines.first, lines.fault, lines.detail, lines.data)
            continue
        data, number = held + lines.data, (number if held else lines.first)
        batch, used = _read_block(header, data, number, final=False)
        yield batch
        held, number = data[used:], number + data.count(b"\n", 0, used)
    if held:
        yield _read_block(header, held, number, final=True)[0]


def _read_block(
    header: Header, data: bytes, number: int, *, final: bool
) -> tuple[pa.RecordBatch, int]:
    """Read the complete records of a block; return them and their number of bytes."""
    if not data.endswith(b"\n") and final:
        data += b"\n"
    array = np.frombuffer(data, np.uint8)
    ends, quotes = np.flatnonzero(array == ord("\n")), np.flatnonzero(array == ord('"'))
    records = ends[np.searchsorted(quotes, ends) % 2 == 0] if len(quotes) else ends
    if len(records):
        used = int(records[-1]) + 1
        whole = data[:used]
        clean = fault_of(whole) is None and _is_cleanly_quoted(array, quotes[quotes < used], header)
        if clean and (used == len(data) or not final):
            line_of_record = number + np.searchsorted(ends, np.append(-1, records[:-1]) + 1)
            batch = _read_fast(header, whole, line_of_record)
            if batch is not None:
                return batch, used
    return _read_carefully(header, data, number, final=final)


def _is_cleanly_quoted(array: np.ndarray, quotes: np.ndarray, header: Header) -> bool:
    """Check that each quotation mark opens at the start of a field and closes at its end."""
    if len(quotes) == 0:
        return True
    if len(quotes) % 2:
        return False
    opening, closing = quotes[0::2], quotes[1::2]
    before = array[opening[opening > 0] - 1]
    after = array[closing + 1]
    borders = [ord(header.delimiter), ord("\n"), ord('"')]
    return bool(np.isin(before, borders).all() and np.isin(after, [*borders, ord("\r")]).all())


def _read_fast(header: Header, data: bytes, numbers: np.ndarray) -> pa.RecordBatch | None:
    """Read clean records with pyarrow; None if it finds another number of records."""
    misfit_rows: list[Any] = []

    def remember(row: Any) -> str:
        misfit_rows.append(row)
        return "skip"

    names = [f"c{number}" for number in range(len(header.names))]
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(data),
            read_options=pa.csv.ReadOptions(
                use_threads=False, block_size=len(data) + 1, column_names=names
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=header.delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=remember,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows + len(misfit_rows) != len(numbers):
        return None
    at = np.array([row.number - 1 for row in misfit_rows], np.int64)
    nothing = pa.nulls(table.num_rows, pa.string())
    refusals = [nothing] * (len(ROW_COLUMNS) - 1)
    columns = [pa.array(np.delete(numbers, at)), *refusals, *table.columns]
    good = pa.table(columns, schema=_schema(header))
    bad = [
        _rejected_row(header, int(numbers[row.number - 1]), "wrong_columns",
                 f"{row.actual_columns} fields, the header has {row.expected_columns}",
                 row.text.encode())
        for row in misfit_rows
    ]  # fmt: skip
    batches = [*good.combine_chunks().to_batches(), *bad]
    return _without_blank(pa.concat_batches(batches))


def _without_blank(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Drop rows in which all fields are empty."""
    if batch.num_columns == len(ROW_COLUMNS):
        return batch
    blank = pa.compute.is_null(batch["reason"])
    for column in batch.columns[len(ROW_COLUMNS) :]:
        blank = pa.compute.and_(blank, pa.compute.equal(column, ""))
        if not pa.compute.any(blank).as_py():
            return batch
    return batch.filter(pa.compute.invert(pa.compute.fill_null(blank, False)))


def _read_carefully(
    header: Header, data: bytes, number: int, *, final: bool
) -> tuple[pa.RecordBatch, int]:
    """Read a block record by record, so that only the malformed ones are rejected."""
    rows: list[list[Any]] = []
    used = 0
    for record in _read_records(data, header, final=final):
        used = record.end
        if record.fields is not None:
            rows.append([number + record.line, None, None, None, *record.fields])
        else:
            raw = readable(record.raw)
            empty = [None] * len(header.names)
            rows.append([number + record.line, record.reason, record.detail, raw, *empty])
    return _without_blank(_rows(header, rows)), used


def _rejected_row(
    header: Header, number: int, reason: str, detail: str | None, data: bytes
) -> pa.RecordBatch:
    return _rows(header, [[number, reason, detail, readable(data), *[None] * len(header.names)]])


def _rows(header: Header, rows: list[list[Any]]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_schema(header))
    return pa.record_batch(
        [
            pa.array(column, field.type)
            for column, field in zip(columns, _schema(header), strict=True)
        ],
        schema=_schema(header),
    )


def _read_records(data: bytes, header: Header, *, final: bool) -> Iterator[Record]:
    """Yield the complete records; one that may continue after the block is left, unless `final`.

    For a quotation mark that is never closed only its own line is rejected, not the rest of
    the file.
    """
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    place = end = 0
    while place < len(lines):
        line = lines[place]
        taken, fields, reason, detail = 1, None, fault_of(line), None
        if reason is None:
            taken, fields = _parse_record(lines[place : place + MAX_RECORD_LINES], header.delimiter)
            if taken == 0 and not final and len(lines) - place < MAX_RECORD_LINES:
                return
            if fields is None or (taken > 1 and len(fields) != len(header.names)):
                taken, fields, reason = 1, None, "open_quote"
            elif len(fields) != len(header.names):
                detail = f"{len(fields)} fields, the header has {len(header.names)}"
                fields, reason = None, "wrong_columns"
        end += sum(len(one) + 1 for one in lines[place : place + taken])
        if line.strip():
            yield Record(place, min(end, len(data)), line, fields, reason, detail)
        place += taken


def _parse_record(lines: list[bytes], delimiter: str) -> tuple[int, list[str] | None]:
    """Parse the record that begins with the first line: its number of lines, and its fields.

    The number is 0 if the lines end inside a quotation.
    """
    texts = (line.decode() + "\n" for line in lines)
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    try:
        fields = next(reader)
    except UnicodeDecodeError:
        return 1, None
    except csv.Error as error:
        if "unexpected end" in str(error):
            return 0, None
        return 1, _parse_leniently(lines[0], delimiter)
    if any("\0" in field for field in fields):
        return 1, None
    return reader.line_num, fields


def _parse_leniently(line: bytes, delimiter: str) -> list[str] | None:
    """Parse one line with quotation marks inside of fields."""
    try:
        return next(csv.reader([line.decode()], delimiter=delimiter))
    except csv.Error:
        return None
