"""Rows on their way from the engine to their buckets: one file, written once, read by bucket."""

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


def bucket_of_column(prospect_id: Any, buckets: int) -> Any:
    """Say which bucket holds a prospect, as an expression equal to :func:`schema.bucket_of`."""
    number = hexadecimal(prospect_id.hexdigest("md5"), 0, 3)
    return (number * buckets / 4096).floor().cast("int16")


def hexadecimal(digest: Any, first: int, digits: int) -> Any:
    """Read some digits of a hexadecimal text as a number."""
    places = range(first, first + digits)
    found = [ibis.literal(_HEXADECIMAL).find(digest.substr(place, 1)) for place in places]
    return reduce(lambda number, digit: number * 16 + digit, found)


_ALONE = Lock()
"""Held by the thread that writes; not a spill's own, so that a spill can go to other machines."""


@dataclass
class PartitionFile:
    """Unsorted rows, to be read back one bucket at a time.

    Attributes
    ----------
    path : Path
        Holds Arrow batches one behind the other, each of one bucket.
    batch_rows : int
        So many are held while they are dealt to their buckets.
    rows : dict of int to int
        How many each bucket has by now.
    """

    path: Path
    buckets: int
    batch_rows: int = 500_000
    schema: pa.Schema | None = None
    rows: Counter[int] = field(default_factory=Counter)
    _places: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def write_query(self, rows: Any, connection: Any) -> Iterator[pa.RecordBatch]:
        """Write the rows of a query with `prospect_id`; yield them, batch by batch, as they go."""
        rows = rows.mutate(bucket=bucket_of_column(rows.prospect_id, self.buckets))
        with self.path.open("ab") as file:
            for batch in batches_of(rows, connection, rows=self.batch_rows):
                bucket = batch["bucket"].to_numpy()
                self._write(batch.drop_columns(["bucket"]), bucket, file)
                yield batch

    def write_columns(self, columns: Mapping[str, np.ndarray], bucket: np.ndarray) -> None:
        """Write rows to the bucket each belongs to; from any thread."""
        batch = pa.record_batch({name: pa.array(column) for name, column in columns.items()})
        with _ALONE, self.path.open("ab") as file:
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
        """List how many rows each bucket has by now."""
        return [self.rows[bucket] for bucket in range(self.buckets)]

    def read(self, bucket: int) -> pa.Table | None:
        """Read the rows of a bucket; None if it has none."""
        places = self._places.get(bucket)
        if places is None:
            return None
        with self.path.open("rb") as file:
            return pa.Table.from_batches(self._at(place, file) for place in places)

    def _at(self, place: tuple[int, int], file: BinaryIO) -> pa.RecordBatch:
        file.seek(place[0])
        return pa.ipc.read_record_batch(pa.py_buffer(file.read(place[1])), self.schema)


class ColumnFile:
    """A value for each row of each bucket, in a file: it takes no memory for long.

    Parameters
    ----------
    path : Path
    kind : dtype
    rows : sequence of int
        How many each bucket has.

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
        with path.open("wb") as file:  # room first: a page that finds none later ends the process
            os.posix_fallocate(file.fileno(), 0, size * self.kind.itemsize)

    def of(self, bucket: int) -> np.ndarray:
        """Return the values of a bucket, to be read or written."""
        return self._values()[self._begins[bucket] : self._ends[bucket]]

    def put(self, bucket: np.ndarray, place: np.ndarray, values: np.ndarray) -> None:
        """Write the values of rows of several buckets, each named by its place in its bucket."""
        self._values()[self._begins[bucket] + place] = values

    def flush(self) -> None:
        """Bring to the disk what was written, for other machines to read."""
        self._values().flush()

    def _values(self) -> np.memmap[Any, Any]:
        return np.memmap(self.path, self.kind, "r+")
