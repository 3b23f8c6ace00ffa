"""Any table of CSV, Parquet or JSON, read by a column mapping; deals are such a table."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from microconv.errors import SourceError, listed
from microconv.ingest.input_files import InputFile
from microconv.ingest.sources.csv_files import read_csv, read_header
from microconv.ingest.sources.json_fields import FieldPaths, read_json
from microconv.ingest.sources.parquet_files import parquet_columns, read_parquet
from microconv.ingest.sources.raw_rows import (
    ATTRIBUTE,
    CSV_SUFFIXES,
    JSON_SUFFIXES,
    PARQUET_SUFFIXES,
    PROPERTY,
    RawRows,
    suffix_of,
    wanted_properties,
)
from microconv.settings import SourceSettings


@contextmanager
def read_table(
    files: Sequence[InputFile], source: SourceSettings, connection: Any
) -> Iterator[RawRows]:
    """Read tables with the same columns, in the format of their suffix.

    Parameters
    ----------
    files : sequence of InputFile
        One of the groups of :func:`group_by_columns`.
    source : SourceSettings
    connection : Ibis connection

    Yields
    ------
    RawRows
    """
    with open_table(files, mapped_fields(source), source, connection) as rows:
        yield rows


@contextmanager
def read_deals(
    files: Sequence[InputFile], source: SourceSettings, connection: Any
) -> Iterator[RawRows]:
    """Read a table of deals, one row per stage reached: `Closed Won` is the event `closed_won`.

    Parameters
    ----------
    files : sequence of InputFile
        One of the groups of :func:`group_by_columns`.
    source : SourceSettings
    connection : Ibis connection

    Yields
    ------
    RawRows
    """
    with read_table(files, source, connection) as rows:
        stage = rows.table.event.cast("string").strip().lower().re_replace(r"\s+", "_")
        yield replace(rows, table=rows.table.mutate(event=stage))


@contextmanager
def open_table(
    files: Sequence[InputFile], fields: dict[str, str], source: SourceSettings, connection: Any
) -> Iterator[RawRows]:
    """Read some columns of tables with the same columns.

    Parameters
    ----------
    files : sequence of InputFile
        One of the groups of :func:`group_by_columns`.
    fields : dict of str to str
        Field → column, key or JSON pointer.
    source : SourceSettings
    connection : Ibis connection

    Yields
    ------
    RawRows
    """
    suffix = suffix_of(files[0].path)
    if suffix in CSV_SUFFIXES:
        reading = read_csv(files, fields, source, connection)
    elif suffix in PARQUET_SUFFIXES:
        reading = read_parquet(files, fields, source, connection)
    else:
        known = (fields["known_at"],) if "known_at" in fields else ()
        lists = tuple(field for field in ("category",) if field in fields)
        paths = FieldPaths({field: (key,) for field, key in fields.items()}, lists, known)
        reading = read_json(files, paths, connection)
    with reading as rows:
        yield rows


def group_by_columns(files: Sequence[InputFile]) -> list[list[InputFile]]:
    """Group the files that can be read as one: same kind, same columns.

    Raises
    ------
    SourceError
        If a suffix is unknown, or a file has no columns.
    """
    groups: dict[Hashable, list[InputFile]] = {}
    for file in files:
        groups.setdefault(_kind_and_columns(file.path), []).append(file)
    return list(groups.values())


def _kind_and_columns(path: Path) -> Hashable:
    suffix = suffix_of(path)
    if suffix in CSV_SUFFIXES:
        header = read_header(path)
        return ("csv", header.delimiter, *header.names)
    if suffix in PARQUET_SUFFIXES:
        return ("parquet", *parquet_columns(path))
    if suffix in JSON_SUFFIXES:
        return ("json",)
    suffixes = [*CSV_SUFFIXES, *PARQUET_SUFFIXES, *JSON_SUFFIXES]
    raise SourceError(
        f"{path} is of no kind that can be read. A table's name ends in "
        f"{listed(suffixes, most=9)}, with or without `.gz`."
    )


def columns_of(path: Path) -> list[str]:
    """Return the columns of a file's header or schema; none for JSON, which has neither."""
    suffix = suffix_of(path)
    if suffix in CSV_SUFFIXES:
        return read_header(path).names
    if suffix in PARQUET_SUFFIXES:
        return [column.partition(" ")[0] for column in parquet_columns(path)]
    return []


def mapped_fields(source: SourceSettings) -> dict[str, str]:
    """Return the columns that a source needs: field of the common table → column.

    An attribute is in the column of its name, unless `columns` maps it.
    """
    fields = {f: column for f, column in source.columns.items() if f not in source.attributes}
    fields |= {PROPERTY + name: name for name in wanted_properties(source)}
    return fields | {ATTRIBUTE + a: source.columns.get(a, a) for a in source.attributes}
