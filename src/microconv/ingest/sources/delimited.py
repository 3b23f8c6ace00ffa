"""CSV: whole blocks by arrays while the quoting is clean, record by record where it is not."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.csv

from microconv.errors import SourceError
from microconv.ingest.duckdb_engine import Stream
from microconv.ingest.input_files import InputFile, Lines, fault_of, read_lines, readable
from microconv.ingest.sources.records import Header, read_records
from microconv.ingest.sources.rows import REFUSED, Rows, joined, require_columns
from microconv.settings import SourceSettings

DELIMITERS = (",", ";", "\t", "|")


@contextmanager
def read_delimited(
    files: Sequence[InputFile], fields: dict[str, str], source: SourceSettings, connection: Any
) -> Iterator[Rows]:
    """Read CSV files with one and the same header.

    Parameters
    ----------
    fields : dict of str to str
        Field of the common table → column of the file.

    Raises
    ------
    SourceError
        If it is empty or its header cannot be read.
    MissingColumnError
        If it lacks a column.
    """
    header = read_header(files[0].path)
    require_columns(fields, header.names, source=source, file=files[0].path.name)
    batches = (b for file in files for b in _batches(header, _without_header(read_lines(file))))
    stream = Stream(_schema(header), batches)
    place = {name: f"c{number}" for number, name in enumerate(header.names)}
    says = [place[name] for name in sorted(place) if name != fields.get("known_at")]
    with stream.table(connection, "delimited") as table:
        yield Rows(
            table=table.mutate(**{field: table[place[name]] for field, name in fields.items()}),
            text=lambda rows: ibis.literal(header.delimiter).join(
                [rows[column] for column in place.values()]
            ),
            content=lambda rows: joined([rows[column] for column in says]),
        )


def _schema(header: Header) -> pa.Schema:
    """Columns of the stream: what every row has, then `c0`, `c1`, … by position."""
    columns = [pa.field(f"c{number}", pa.string()) for number in range(len(header.names))]
    return pa.schema([*REFUSED, *columns])


def read_header(path: Path) -> Header:
    """Read the names of a CSV file's columns; comma, semicolon, tab or `|`, whichever it has most.

    Raises
    ------
    SourceError
        If the file is empty or cut off in its header, if its lines end in a
        carriage return alone, or if its header is no text or names a column twice.
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


def _batches(header: Header, blocks: Iterator[Lines]) -> Iterator[pa.RecordBatch]:
    """Carry over what a block holds of a record that ends in the next one."""
    held, number = b"", 0
    for lines in blocks:
        if lines.fault is not None:
            if held:
                yield _read_block(header, held, number, final=True)[0]
                held = b""
            yield _refused(header, lines.first, lines.fault, lines.detail, lines.data)
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
    """Read the whole records of a block; say how many bytes they took."""
    if not data.endswith(b"\n") and final:
        data += b"\n"
    array = np.frombuffer(data, np.uint8)
    ends, quotes = np.flatnonzero(array == ord("\n")), np.flatnonzero(array == ord('"'))
    records = ends[np.searchsorted(quotes, ends) % 2 == 0] if len(quotes) else ends
    if len(records):
        used = int(records[-1]) + 1
        whole = data[:used]
        clean = fault_of(whole) is None and _cleanly_quoted(array, quotes[quotes < used], header)
        if clean and (used == len(data) or not final):
            line_of_record = number + np.searchsorted(ends, np.append(-1, records[:-1]) + 1)
            batch = _at_once(header, whole, line_of_record)
            if batch is not None:
                return batch, used
    return _one_by_one(header, data, number, final=final)


def _cleanly_quoted(array: np.ndarray, quotes: np.ndarray, header: Header) -> bool:
    """Say whether every mark opens at the start of a field and closes at its end."""
    if len(quotes) == 0:
        return True
    if len(quotes) % 2:
        return False
    opening, closing = quotes[0::2], quotes[1::2]
    before = array[opening[opening > 0] - 1]
    after = array[closing + 1]
    borders = [ord(header.delimiter), ord("\n"), ord('"')]
    return bool(np.isin(before, borders).all() and np.isin(after, [*borders, ord("\r")]).all())


def _at_once(header: Header, data: bytes, numbers: np.ndarray) -> pa.RecordBatch | None:
    """Read clean records with the array reader; None if it counts other records than we do."""
    misfits: list[Any] = []

    def remember(row: Any) -> str:
        misfits.append(row)
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
    if table.num_rows + len(misfits) != len(numbers):
        return None
    at = np.array([row.number - 1 for row in misfits], np.int64)
    nothing = pa.nulls(table.num_rows, pa.string())
    refusals = [nothing] * (len(REFUSED) - 1)
    columns = [pa.array(np.delete(numbers, at)), *refusals, *table.columns]
    good = pa.table(columns, schema=_schema(header))
    bad = [
        _refused(header, int(numbers[row.number - 1]), "wrong_columns",
                 f"{row.actual_columns} fields, the header has {row.expected_columns}",
                 row.text.encode())
        for row in misfits
    ]  # fmt: skip
    batches = [*good.combine_chunks().to_batches(), *bad]
    return _without_blank(pa.concat_batches(batches))


def _without_blank(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Leave out rows that hold nothing at all."""
    if batch.num_columns == len(REFUSED):
        return batch
    blank = pa.compute.is_null(batch["reason"])
    for column in batch.columns[len(REFUSED) :]:
        blank = pa.compute.and_(blank, pa.compute.equal(column, ""))
        if not pa.compute.any(blank).as_py():
            return batch
    return batch.filter(pa.compute.invert(pa.compute.fill_null(blank, False)))


def _one_by_one(
    header: Header, data: bytes, number: int, *, final: bool
) -> tuple[pa.RecordBatch, int]:
    """Read a block in which something is odd, so that only the odd records are lost."""
    rows: list[list[Any]] = []
    used = 0
    for record in read_records(data, header, final=final):
        used = record.end
        if record.fields is not None:
            rows.append([number + record.line, None, None, None, *record.fields])
        else:
            raw = readable(record.raw)
            empty = [None] * len(header.names)
            rows.append([number + record.line, record.reason, record.detail, raw, *empty])
    return _without_blank(_rows(header, rows)), used


def _refused(
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
