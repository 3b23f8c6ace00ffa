"""Any table: CSV, Parquet, JSON lines or a JSON list, gzipped or not, by a column mapping."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from microconv.errors import SourceError, listed
from microconv.ingest.input_files import InputFile
from microconv.ingest.sources.delimited import read_delimited, read_header
from microconv.ingest.sources.jsonl import Payload, read_json_lines
from microconv.ingest.sources.parquet import columns_of_parquet, read_parquet
from microconv.ingest.sources.rows import ATTRIBUTE, PROPERTY, Rows, wanted_properties
from microconv.settings import SourceSettings

DELIMITED = (".csv", ".tsv", ".txt")
PARQUET = (".parquet", ".pq")
JSON_LINES = (".jsonl", ".ndjson", ".json")


@contextmanager
def read_table(
    files: Sequence[InputFile], source: SourceSettings, connection: Any
) -> Iterator[Rows]:
    """Read tables of whatever kind their names say; all of them :func:`alike`."""
    with open_table(files, mapped_fields(source), source, connection) as rows:
        yield rows


@contextmanager
def open_table(
    files: Sequence[InputFile], fields: dict[str, str], source: SourceSettings, connection: Any
) -> Iterator[Rows]:
    """Read given columns of tables that are :func:`alike`: field → column, key or pointer."""
    kind = kind_of(files[0].path)
    if kind in DELIMITED:
        reading = read_delimited(files, fields, source, connection)
    elif kind in PARQUET:
        reading = read_parquet(files, fields, source, connection)
    else:
        known = (fields["known_at"],) if "known_at" in fields else ()
        lists = tuple(field for field in ("category",) if field in fields)
        payload = Payload({field: (key,) for field, key in fields.items()}, lists, known)
        reading = read_json_lines(files, payload, connection)
    with reading as rows:
        yield rows


def alike(files: Sequence[InputFile]) -> list[list[InputFile]]:
    """Put together the files that can be read as one: same kind, same columns.

    Raises
    ------
    SourceError
        If a name ends in no kind that can be read, or a file has no columns.
    """
    groups: dict[Hashable, list[InputFile]] = {}
    for file in files:
        groups.setdefault(_columns_of(file.path), []).append(file)
    return list(groups.values())


def _columns_of(path: Path) -> Hashable:
    kind = kind_of(path)
    if kind in DELIMITED:
        header = read_header(path)
        return ("delimited", header.delimiter, *header.names)
    if kind in PARQUET:
        return ("parquet", *columns_of_parquet(path))
    if kind in JSON_LINES:
        return ("json",)
    raise SourceError(
        f"{path} is of no kind that can be read. A table's name ends in "
        f"{listed([*DELIMITED, *PARQUET, *JSON_LINES], most=9)}, with or without `.gz`."
    )


def columns_of(path: Path) -> list[str]:
    """List the columns that a file's header or schema names; none of JSON, which has neither."""
    kind = kind_of(path)
    if kind in DELIMITED:
        return read_header(path).names
    if kind in PARQUET:
        return [column.partition(" ")[0] for column in columns_of_parquet(path)]
    return []


def kind_of(path: Path) -> str:
    """Take the ending of a name, without `.gz`.

    Examples
    --------
    >>> kind_of(Path("crm.CSV.gz"))
    '.csv'
    """
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def mapped_fields(source: SourceSettings) -> dict[str, str]:
    """List the columns that a source needs: field of the common table → column.

    What `columns` says of an attribute is where it stands; by default under its
    own name.
    """
    fields = {f: column for f, column in source.columns.items() if f not in source.attributes}
    fields |= {PROPERTY + name: name for name in wanted_properties(source)}
    return fields | {ATTRIBUTE + a: source.columns.get(a, a) for a in source.attributes}
