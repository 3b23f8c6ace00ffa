"""Parquet files, read by the database engine; columns keep their types."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from microconv.errors import SourceError
from microconv.ingest.duckdb_engine import any_of, has_nul
from microconv.ingest.input_files import InputFile
from microconv.ingest.sources.json_fields import pointers, split_pointer
from microconv.ingest.sources.raw_rows import RawRows, format_rows, join_fields, require_columns
from microconv.settings import SourceSettings

ROW, FILE_NAME = "file_row_number", "filename"


@contextmanager
def read_parquet(
    files: Sequence[InputFile], fields: dict[str, str], source: SourceSettings, connection: Any
) -> Iterator[RawRows]:
    """Read Parquet files with the same schema.

    Parameters
    ----------
    files : sequence of InputFile
    fields : dict of str to str
        Field of the common table → column of the files, or a path inside a column:
        `a.b` and `/a/b` are the field `b` of the column `a`, `/a/0` the first of a list.
    source : SourceSettings
    connection : Ibis connection

    Yields
    ------
    RawRows

    Raises
    ------
    SourceError
        If a file is not a complete Parquet file.
    MissingColumnError
        If they lack a column.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain = {str(_unzipped(file.path, Path(folder))): file for file in files}
        table = _with_row_numbers(plain, connection)
        there = [name for name in table.columns if name != "row"]
        inside = [
            key for key in fields.values() if key not in there and _resolve_path(table, key)[1:]
        ]
        require_columns(fields, [*there, *inside], source=source, file=files[0].path.name)
        place = {name: f"c{number}" for number, name in enumerate(there)}
        nothing = ibis.null("string")
        table = table.select(
            "row", detail=nothing, raw=nothing, **{place[name]: table[name] for name in there}
        )
        values = {
            field: table[place[key]] if key in place else _value_inside(table, place, key)
            for field, key in fields.items()
        }
        table = table.mutate(reason=_reject_nul_bytes(list(values.values())))
        content = [place[name] for name in sorted(there) if name != fields.get("known_at")]
        yield RawRows(
            table=table.mutate(**values),
            text=lambda rows: format_rows(rows, place),
            content=lambda rows: join_fields([rows[column] for column in content]),
        )


def _resolve_path(table: Any, key: str) -> list[str]:
    """Find the column, and the fields inside it, that a dotted key or a pointer names."""
    for pointer in pointers(key):
        column, *below = split_pointer(pointer)
        kind = table[column].type() if column in table.columns else None
        for part in below:
            if kind is not None and kind.is_struct() and part in kind.names:
                kind = kind[part]
            elif kind is not None and kind.is_array() and part.isdecimal():
                kind = kind.value_type
            else:
                kind = None
        if kind is not None and below:
            return [column, *below]
    return []


def _value_inside(table: Any, place: dict[str, str], key: str) -> Any:
    column, *below = _resolve_path(table.rename(place), key)
    value = table[place[column]]
    for part in below:
        value = value[part] if value.type().is_struct() else value[int(part)]
    return value


def parquet_columns(path: Path) -> list[str]:
    """Return the columns of a Parquet file with their types, like `amount double`.

    Raises
    ------
    SourceError
        If it is not a complete Parquet file.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            schema = pq.read_schema(_unzipped(path, Path(folder)))
        except (OSError, pa.ArrowInvalid) as error:
            raise SourceError(
                f"{path} is not a whole Parquet file: {error}. Export it again."
            ) from error
    return [f"{field.name} {field.type}" for field in schema]


def _with_row_numbers(plain: dict[str, InputFile], connection: Any) -> Any:
    """Read files so that rows of different files have different numbers."""
    table = connection.read_parquet(list(plain), file_row_number=True, filename=len(plain) > 1)
    row = table[ROW] + ibis.literal(next(iter(plain.values())).rows_before + 1, "int64")
    if len(plain) > 1:
        before = ibis.map(
            ibis.array(list(plain)), ibis.array([file.rows_before for file in plain.values()])
        )
        row = table[ROW] + before[table[FILE_NAME]].cast("int64") + 1
    return table.mutate(row=row).drop(*(n for n in (ROW, FILE_NAME) if n in table.columns))


def _reject_nul_bytes(values: list[Any]) -> Any:
    """Return the reason for rows with a NUL in a text field, as in the other formats."""
    texts = [value for value in values if value.type().is_string()]
    return any_of(has_nul(text) for text in texts).ifelse("nul_byte", ibis.null("string"))


def _unzipped(path: Path, folder: Path) -> Path:
    """Return the path itself, or that of an unzipped copy in the folder."""
    try:
        with path.open("rb") as content:
            if content.read(2) != b"\x1f\x8b":
                return path
        plain = folder / f"{len(list(folder.iterdir()))}.parquet"
        with gzip.open(path) as content, plain.open("wb") as out:
            shutil.copyfileobj(content, out)
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(f"{path} cannot be read: {error}. Export it again.") from error
    return plain
