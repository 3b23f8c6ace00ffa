"""The embedded engine: DuckDB behind Ibis, and those of its functions Ibis has no name for."""

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
from microconv.ingest.memory_budget import engine_bytes


def _engine(name: str, stub: Callable[..., None], takes: tuple[str, ...], gives: str) -> Any:
    """Make a function of the engine known to Ibis; `stub` only names its arguments."""
    signature = (tuple(ibis.dtype(kind) for kind in takes), ibis.dtype(gives))
    return ibis.udf.scalar.builtin(stub, name=name, signature=signature)


json_valid = _engine("json_valid", lambda text: None, ("string",), "boolean")
"""Say whether a text is one whole JSON value."""

json_type = _engine("json_type", lambda text: None, ("string",), "string")
"""Name the type of a JSON value: `OBJECT`, `ARRAY` and so on."""

json_extract_string = _engine(
    "json_extract_string", lambda text, paths: None, ("string", "array<string>"), "array<string>"
)
"""Read many places of a JSON object at once, as text."""

json_extract_strings = _engine(
    "json_extract_string", lambda text, path: None, ("string", "string"), "array<string>"
)
"""Read every place that a path with a wildcard names, as text."""

json_extracts = _engine(
    "json_extract", lambda text, path: None, ("string", "string"), "array<string>"
)
"""Take every place that a path with a wildcard names, each as JSON."""

json_merge_patch = _engine(
    "json_merge_patch", lambda text, patch: None, ("string", "string"), "string"
)
"""Change keys of a JSON object; a null takes a key away."""

array_to_string = _engine(
    "array_to_string", lambda values, separator: None, ("array<string>", "string"), "string"
)
"""Join texts."""

contains = _engine("contains", lambda text, part: None, ("string", "string"), "boolean")
"""Say whether a text holds another."""

character = _engine("chr", lambda code: None, ("int32",), "string")
"""Give the character of a code; the only way to write a NUL in a query."""

at_zone = _engine("timezone", lambda zone, local: None, ("string", "timestamp"), "timestamp('UTC')")
"""Find the instant at which the clocks of a zone show a local time."""

epoch_us = _engine("epoch_us", lambda instant: None, ("timestamp('UTC')",), "int64")
"""Count the microseconds since 1970."""

match_instant = _engine(
    "regexp_extract",
    lambda text, pattern, groups: None,
    ("string", "string", "array<string>"),
    "struct<day: string, clock: string, fraction: string, zone: string>",
)
"""Take a written instant apart."""

parse_local = _engine("try_strptime", lambda text, how: None, ("string", "string"), "timestamp")
"""Read a text written in a format without an offset; null if it is not."""

parse_instant = _engine(
    "try_strptime", lambda text, how: None, ("string", "string"), "timestamp('UTC')"
)
"""Read a text written in a format with an offset (`%z`); null if it is not."""


def has_nul(text: Any) -> Any:
    """Say whether a text holds a NUL character."""
    return contains(text, character(0))


def any_of(conditions: Iterable[Any]) -> Any:
    """Join conditions by `or`; false if there are none."""
    found = list(conditions)
    return reduce(operator.or_, found) if found else ibis.literal(False)


def trimmed(text: Any) -> Any:
    """Take white space off both ends; off few texts, because looking is cheaper than taking."""
    edges = [text < "!", *(text.endswith(space) for space in (" ", "\t", "\n", "\r"))]
    return any_of(edges).ifelse(text.strip(), text)


@contextmanager
def connect(folder: Path, *, threads: int | None, memory_gb: float = 4) -> Iterator[Any]:
    """Open an engine that spills into `folder`, and close it.

    Parameters
    ----------
    memory_gb : float
        What the whole process may take; the engine gets its share of it.

    Raises
    ------
    OSError
        If the disk is full or refuses: an enclosing `atomic_write` tells it.
    MemoryLimitError
        If a query needs more memory than there is, and cannot do with the disk.
    """
    options = {} if threads is None else {"threads": threads}
    connection = ibis.duckdb.connect(
        ":memory:",
        memory_limit=f"{engine_bytes(memory_gb)}B",
        temp_directory=str(folder / "spill"),
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
            f"The {engine_bytes(memory_gb) / 1e9:.1f} GB that `engine.memory_gb: {memory_gb:g}` "
            f"leaves for reading and matching the exports do not suffice: set it to "
            f"{2 * memory_gb:g}, say."
        ) from error
    finally:
        connection.disconnect()


def batches_of(table: Any, connection: Any, *, rows: int) -> Iterator[pa.RecordBatch]:
    """Run a query and yield its result as it comes, never all of it at once."""
    yield from connection.con.sql(connection.compile(table)).to_arrow_reader(rows)


class Stream:
    """Record batches made in Python, read once by the engine while they are made."""

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._error: BaseException | None = None
        self.reader = pa.RecordBatchReader.from_batches(schema, self._remembering())

    def _remembering(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches
        except BaseException as error:
            self._error = error
            raise

    @contextmanager
    def table(self, connection: Any, name: str) -> Iterator[Any]:
        """Give the stream as an Ibis table; an error of its maker comes out as itself."""
        connection.con.register(name, self.reader)
        try:
            yield connection.table(name)
        except Exception:
            if self._error is not None:
                raise self._error from None
            raise
        finally:
            connection.con.unregister(name)
