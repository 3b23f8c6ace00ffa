"""Temporary files of rows partitioned by bucket: written once, read one bucket at a time."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import ibis
import numpy as np
import pyarrow as pa

from microconv.ingest.duckdb_engine import batches_of

_HEXADECIMAL = "0123456789abcdef"


def bucket_expression(prospect_id: Any, buckets: int) -> Any:
    """Return the bucket of a prospect as an expression equal to :func:`schema.bucket_of`.

    Parameters
    ----------
    prospect_id : Ibis string, column of ids
    buckets : int, number of buckets, a power of two
    """
    number = hex_number(prospect_id.hexdigest("md5"), 0, 3)
    return (number * buckets / 4096).floor().cast("int16")


def hex_number(digest: Any, first: int, digits: int) -> Any:
    """Return some digits of a hexadecimal text as a number.

    Parameters
    ----------
    digest : Ibis string, lower-case hexadecimal text
    first, digits : int, position of the first digit, and how many
    """
    positions = range(first, first + digits)
    found = [ibis.literal(_HEXADECIMAL).find(digest.substr(n, 1)) for n in positions]
    return reduce(lambda number, digit: number * 16 + digit, found)


_WRITE_LOCK = Lock()
"""Held while writing; not an attribute, so that a partition file can be sent to other machines."""


@dataclass
class PartitionFile:
    """Unsorted rows, to be read back one bucket at a time.

    Attributes
    ----------
    path : Path, holds Arrow batches one after the other, each of one bucket
    buckets : int, number of buckets
    batch_rows : int, how many rows are held while they are partitioned
    schema : Schema or None, of the rows, once there are any
    rows : dict of int to int, rows written so far, by bucket
    """

    path: Path
    buckets: int
    batch_rows: int = 500_000
    schema: pa.Schema | None = None
    rows: Counter[int] = field(default_factory=Counter)
    _places: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def write_query(self, rows: Any, connection: Any) -> Iterator[pa.RecordBatch]:
        """Write the rows of a query, and yield them batch by batch as they are written.

        Parameters
        ----------
        rows : Ibis table, with `prospect_id`, which decides the bucket
        connection : Ibis connection, runs the query
        """
        rows = rows.mutate(bucket=bucket_expression(rows.prospect_id, self.buckets))
        with self.path.open("ab") as file:
            for batch in batches_of(rows, connection, rows=self.batch_rows):
                bucket = batch["bucket"].to_numpy()
                self._write(batch.drop_columns(["bucket"]), bucket, file)
                yield batch

    def write_columns(self, columns: Mapping[str, np.ndarray], bucket: np.ndarray) -> None:
        """Write rows to the bucket each belongs to, from any thread.

        Parameters
        ----------
        columns : mapping of str to ndarray, name → values
        bucket : ndarray of int, the bucket of each row
        """
        batch = pa.record_batch({name: pa.array(column) for name, column in columns.items()})
        with _WRITE_LOCK, self.path.open("ab") as file:
            self._write(batch, bucket, file)

    def _write(self, batch: pa.RecordBatch, bucket: np.ndarray, file: BinaryIO) -> None:
        self.schema = self.schema or batch.schema
        order = np.argsort(bucket, kind="stable")
        sorted_batch = batch.take(pa.array(order))
        ends = np.searchsorted(bucket[order], np.arange(self.buckets), side="right")
        start = 0
        for number, end in enumerate(ends.tolist()):
            if end > start:
                content = sorted_batch.slice(start, end - start).serialize()
                self._places.setdefault(number, []).append((file.tell(), content.size))
                file.write(content)
                self.rows[number] += end - start
            start = end

    def counts(self) -> list[int]:
        """Return how many rows each bucket has so far."""
        return [self.rows[bucket] for bucket in range(self.buckets)]

    def read(self, bucket: int) -> pa.Table | None:
        """Read the rows of a bucket; None if it has none."""
        places = self._places.get(bucket)
        if places is None:
            return None
        with self.path.open("rb") as file:
            return pa.Table.from_batches(self._read_at(place, file) for place in places)

    def _read_at(self, place: tuple[int, int], file: BinaryIO) -> pa.RecordBatch:
        file.seek(place[0])
        return pa.ipc.read_record_batch(pa.py_buffer(file.read(place[1])), self.schema)


class ColumnFile:
    """One value for each row of each bucket, memory-mapped from a file.

    Parameters
    ----------
    path : Path, the file to create
    kind : dtype, of a value
    rows : sequence of int, rows of each bucket

    Raises
    ------
    OSError
        If the disk has no room for it.
    """

    def __init__(self, path: Path, kind: Any, rows: Sequence[int]) -> None:
        self.path, self.kind = path, np.dtype(kind)
        self._ends = np.cumsum(rows)
        self._begins = self._ends - rows
        size = max(1, int(self._ends[-1]))
        with path.open("wb") as file:  # reserved now: a full disk later would kill the process
            os.posix_fallocate(file.fileno(), 0, size * self.kind.itemsize)

    def of(self, bucket: int) -> np.ndarray:
        """Return the values of a bucket, to be read or written."""
        return self._values()[self._begins[bucket] : self._ends[bucket]]

    def put(self, bucket: np.ndarray, place: np.ndarray, values: np.ndarray) -> None:
        """Write the values of rows of several buckets.

        Parameters
        ----------
        bucket, place : ndarray of int, the bucket of each row, and its position in the bucket
        values : ndarray, the value of each row
        """
        self._values()[self._begins[bucket] + place] = values

    def flush(self) -> None:
        """Write everything to disk, for other machines to read."""
        self._values().flush()

    def _values(self) -> np.memmap[Any, Any]:
        return np.memmap(self.path, self.kind, "r+")
