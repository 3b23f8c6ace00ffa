"""DuckDB behind Ibis: connection, streaming, and functions that Ibis has no name for."""

from __future__ import annotations

import errno
import operator
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa

from microconv.errors import MemoryLimitError
from microconv.ingest.memory_budget import duckdb_bytes


def _function(name: str, stub: Callable[..., None], takes: tuple[str, ...], gives: str) -> Any:
    """Declare a function of DuckDB to Ibis; `stub` only names its arguments."""
    signature = (tuple(ibis.dtype(kind) for kind in takes), ibis.dtype(gives))
    return ibis.udf.scalar.builtin(stub, name=name, signature=signature)


json_valid = _function("json_valid", lambda text: None, ("string",), "boolean")
"""Return whether a text is one complete JSON value."""

json_type = _function("json_type", lambda text: None, ("string",), "string")
"""Return the type of a JSON value: `OBJECT`, `ARRAY` and so on."""

json_extract_string = _function(
    "json_extract_string", lambda text, paths: None, ("string", "array<string>"), "array<string>"
)
"""Extract several paths of a JSON object at once, as text."""

json_extract_strings = _function(
    "json_extract_string", lambda text, path: None, ("string", "string"), "array<string>"
)
"""Extract every match of a path with a wildcard, as text."""

json_extracts = _function(
    "json_extract", lambda text, path: None, ("string", "string"), "array<string>"
)
"""Extract every match of a path with a wildcard, as JSON."""

json_merge_patch = _function(
    "json_merge_patch", lambda text, patch: None, ("string", "string"), "string"
)
"""Change keys of a JSON object; a null removes a key."""

array_to_string = _function(
    "array_to_string", lambda values, separator: None, ("array<string>", "string"), "string"
)
"""Join texts."""

contains = _function("contains", lambda text, part: None, ("string", "string"), "boolean")
"""Return whether a text contains another."""

character = _function("chr", lambda code: None, ("int32",), "string")
"""Return the character of a code; the only way to write a NUL in a query."""

at_zone = _function(
    "timezone", lambda zone, local: None, ("string", "timestamp"), "timestamp('UTC')"
)
"""Convert a local time of a zone to UTC."""

epoch_us = _function("epoch_us", lambda instant: None, ("timestamp('UTC')",), "int64")
"""Return the microseconds since 1970."""

match_instant = _function(
    "regexp_extract",
    lambda text, pattern, groups: None,
    ("string", "string", "array<string>"),
    "struct<day: string, clock: string, fraction: string, zone: string>",
)
"""Split a timestamp text into its parts."""

parse_local = _function("try_strptime", lambda text, how: None, ("string", "string"), "timestamp")
"""Parse a text in a format without an offset; null if it does not match."""

parse_instant = _function(
    "try_strptime", lambda text, how: None, ("string", "string"), "timestamp('UTC')"
)
"""Parse a text in a format with an offset (`%z`); null if it does not match."""


def has_nul(text: Any) -> Any:
    """Return whether a text contains a NUL character."""
    return contains(text, character(0))


def any_of(conditions: Iterable[Any]) -> Any:
    """Combine conditions with `or`; false if there are none."""
    found = list(conditions)
    return reduce(operator.or_, found) if found else ibis.literal(False)


def trimmed(text: Any) -> Any:
    """Strip white space from both ends, but only where there is any: checking is cheaper."""
    edges = [text < "!", *(text.endswith(space) for space in (" ", "\t", "\n", "\r"))]
    return any_of(edges).ifelse(text.strip(), text)


@contextmanager
def connect(folder: Path, *, threads: int | None, memory_gb: float = 4) -> Iterator[Any]:
    """Open an in-memory database that overflows into `folder`, and close it.

    Parameters
    ----------
    folder : Path, for temporary files
    threads : int or None, every core when None
    memory_gb : float, memory of the whole process; DuckDB gets its share of it

    Raises
    ------
    OSError
        If the disk is full or fails: an enclosing `atomic_write` reports it.
    MemoryLimitError
        If a query needs more memory than there is, even with the disk.
    """
    options = {} if threads is None else {"threads": threads}
    connection = ibis.duckdb.connect(
        ":memory:",
        memory_limit=f"{duckdb_bytes(memory_gb)}B",
        temp_directory=str(folder / "overflow"),
        **options,
    )
    try:
        connection.raw_sql("SET TimeZone = 'UTC'")
        connection.raw_sql("SET preserve_insertion_order = false")
        yield connection
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        if "No space left" in str(error) or "failed to offload" in str(error):
            raise OSError(errno.ENOSPC, str(error)) from error
        if isinstance(error, duckdb.IOException):
            raise OSError(errno.EIO, str(error)) from error
        raise MemoryLimitError(
            f"The {duckdb_bytes(memory_gb) / 1e9:.1f} GB that `engine.memory_gb: {memory_gb:g}` "
            f"leaves for reading and matching the exports are not enough: set it to "
            f"{2 * memory_gb:g}, for example."
        ) from error
    finally:
        connection.disconnect()


def batches_of(table: Any, connection: Any, *, rows: int) -> Iterator[pa.RecordBatch]:
    """Run a query and yield its result in batches, never all of it at once.

    Parameters
    ----------
    table : Ibis table, the query
    connection : Ibis connection, runs it
    rows : int, of a batch, at most
    """
    yield from connection.con.sql(connection.compile(table)).to_arrow_reader(rows)


class Stream:
    """Record batches produced by Python, read once by DuckDB while they are produced."""

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._error: BaseException | None = None
        self.reader = pa.RecordBatchReader.from_batches(schema, self._watched())

    def _watched(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches
        except BaseException as error:
            self._error = error
            raise

    @contextmanager
    def table(self, connection: Any, name: str) -> Iterator[Any]:
        """Register the stream as an Ibis table; an error of its producer is raised as it is.

        Parameters
        ----------
        connection : Ibis connection, reads the stream
        name : str, of the table
        """
        connection.con.register(name, self.reader)
        try:
            yield connection.table(name)
        except Exception:
            if self._error is not None:
                raise self._error from None
            raise
        finally:
            connection.con.unregister(name)
