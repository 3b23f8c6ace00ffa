"""Parquet files read one at a time, without what reads many: that would bring pandas along."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from microconv.errors import listed


def read_parquet(
    file: Path, columns: Sequence[str] | None = None, *, dictionaries: Sequence[str] = ()
) -> pa.Table:
    """Read some columns of one file, in this thread.

    `pyarrow.parquet.read_table` reads the same through `pyarrow.dataset`, which imports
    pandas: half a second, for stages that have no other use for it.

    Parameters
    ----------
    file : Path
    columns : sequence of str, optional
        In this order; every column when None.
    dictionaries : sequence of str
        Columns of text to be read as codes and a dictionary; they need not be there.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    pyarrow.ArrowInvalid
        If it is not Parquet, or lacks one of the columns.
    """
    facts = pq.read_metadata(file, memory_map=True)
    there = facts.schema.to_arrow_schema().names
    chosen = there if columns is None else list(columns)
    absent = [name for name in chosen if name not in there]
    if absent:
        raise pa.ArrowInvalid(f"it has no column {listed(absent)}")
    coded = [name for name in dictionaries if name in chosen]
    with pq.ParquetFile(file, metadata=facts, memory_map=True, read_dictionary=coded) as opened:
        return opened.read(columns=chosen, use_threads=False).select(chosen)
