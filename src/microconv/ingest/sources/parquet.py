"""Parquet files, read by the engine itself: typed columns, no text in between."""

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
from microconv.ingest.sources.jsonl import parts_of, pointers
from microconv.ingest.sources.rows import Rows, joined, require_columns, written_out
from microconv.settings import SourceSettings

ROW, FILE_NAME = "file_row_number", "filename"


@contextmanager
def read_parquet(
    files: Sequence[InputFile], fields: dict[str, str], source: SourceSettings, connection: Any
) -> Iterator[Rows]:
    """Read Parquet files with one and the same schema; columns keep their types.

    Parameters
    ----------
    fields : dict of str to str
        Field of the common table → column of the files, or a place inside one:
        `a.b` and `/a/b` are the field `b` of the column `a`, `/a/0` the first of a list.

    Raises
    ------
    SourceError
        If one is not a whole Parquet file.
    MissingColumnError
        If they lack a column.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain = {str(_unzipped(file.path, Path(folder))): file for file in files}
        table = _numbered(plain, connection)
        there = [name for name in table.columns if name != "row"]
        inside = [key for key in fields.values() if key not in there and _reach(table, key)[1:]]
        require_columns(fields, [*there, *inside], source=source, file=files[0].path.name)
        place = {name: f"c{number}" for number, name in enumerate(there)}
        nothing = ibis.null("string")
        table = table.select(
            "row", detail=nothing, raw=nothing, **{place[name]: table[name] for name in there}
        )
        values = {
            field: table[place[key]] if key in place else _inside(table, place, key)
            for field, key in fields.items()
        }
        table = table.mutate(reason=_nul_byte(list(values.values())))
        says = [place[name] for name in sorted(there) if name != fields.get("known_at")]
        yield Rows(
            table=table.mutate(**values),
            text=lambda rows: written_out(rows, place),
            content=lambda rows: joined([rows[column] for column in says]),
        )


def _reach(table: Any, key: str) -> list[str]:
    """Find the column, and the parts below it, that a key with points or a pointer names."""
    for pointer in pointers(key):
        column, *below = parts_of(pointer)
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


def _inside(table: Any, place: dict[str, str], key: str) -> Any:
    column, *below = _reach(table.rename(place), key)
    value = table[place[column]]
    for part in below:
        value = value[part] if value.type().is_struct() else value[int(part)]
    return value


def columns_of_parquet(path: Path) -> list[str]:
    """List the columns of a Parquet file with their types.

    Raises
    ------
    SourceError
        If it is not a whole Parquet file.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            schema = pq.read_schema(_unzipped(path, Path(folder)))
        except (OSError, pa.ArrowInvalid) as error:
            raise SourceError(
                f"{path} is not a whole Parquet file: {error}. Export it again."
            ) from error
    return [f"{field.name} {field.type}" for field in schema]


def _numbered(plain: dict[str, InputFile], connection: Any) -> Any:
    """Give the rows of several files different numbers."""
    table = connection.read_parquet(list(plain), file_row_number=True, filename=len(plain) > 1)
    row = table[ROW] + ibis.literal(next(iter(plain.values())).rows_before + 1, "int64")
    if len(plain) > 1:
        before = ibis.map(
            ibis.array(list(plain)), ibis.array([file.rows_before for file in plain.values()])
        )
        row = table[ROW] + before[table[FILE_NAME]].cast("int64") + 1
    return table.mutate(row=row).drop(*(n for n in (ROW, FILE_NAME) if n in table.columns))


def _nul_byte(values: list[Any]) -> Any:
    """Refuse rows with a NUL in a text that is used; other formats see it as a byte."""
    texts = [value for value in values if value.type().is_string()]
    return any_of(has_nul(text) for text in texts).ifelse("nul_byte", ibis.null("string"))


def _unzipped(path: Path, folder: Path) -> Path:
    """Find the plain file: the path itself, unless it is gzip."""
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
