"""A table of any database → Parquet files in the input folder, each beginning where the last ended.

::

    crm_deals/000001.parquet     rows up to the watermark 2024-06-03 08:15
    crm_deals/000002.parquet     rows since then, less the overlap
    crm_deals/…

A file is written whole or not at all, and holds in its metadata how far it reaches:
an extraction that was killed is simply run again. What the overlap brings twice is counted
as duplicates by ingest, nothing is ever changed or taken away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from microconv.databases.address import Address, speaking_to
from microconv.errors import DatabaseError, did_you_mean, listed
from microconv.settings import ExtractedTable
from microconv.storage.files import atomic_write, folder_lock

REACH = b"microconv.extract"
"""Where a Parquet file keeps what was extracted, and how far it reaches."""

CHUNK = 50_000
"""Rows held in memory at a time."""

KINDS = ("numeric", "boolean", "timestamp", "date", "string")
"""Types that a column keeps; the rest becomes text."""

Mark = datetime | date | int


@dataclass(frozen=True)
class Extracted:
    """What an extraction brought.

    Attributes
    ----------
    rows : int
        0 if nothing had changed; then there is no file.
    file : Path or None
    high : datetime, date or int or None
        The watermark that is reached; None while the table is empty.
    """

    rows: int
    file: Path | None
    high: Mark | None


def extract(table: ExtractedTable, input_dir: str | Path) -> Extracted:
    """Copy what was added to a table since the last extraction into one new Parquet file.

    Parameters
    ----------
    table : ExtractedTable
    input_dir : Path
        The files go into its folder `table.name`.

    Raises
    ------
    DatabaseError
        If the database cannot be reached, lacks the table or a column, has rows without a
        watermark, goes away meanwhile, or the table was another one before; or if another
        extraction into the same folder is under way.
    """
    folder = Path(input_dir, table.name)
    address = Address.read(table.url_from)
    with (
        folder_lock(folder, "extracting into"),
        speaking_to(address, f"Extracting `{table.table}`"),
    ):
        parts = sorted(folder.glob("[0-9]*.parquet"))
        low = _reached(parts, table)
        connection = ibis.connect(address.url)
        try:
            source = _opened(connection, table)
            high, nowhere = _span(source, table.watermark)
            _require_marks(table, nowhere)
            if high is None or (low is not None and high <= low):  # type: ignore[operator]
                return Extracted(0, None, low if high is None else high)
            wanted = _since(source, table, low).filter(lambda t: t[table.watermark] <= high)
            file = folder / f"{len(parts) + 1:06}.parquet"
            rows = _write(connection, _portable(wanted, table), file, _reach(table, high))
        finally:
            connection.disconnect()
    return Extracted(rows, file, high)


def _reached(parts: list[Path], table: ExtractedTable) -> Mark | None:
    """Read how far the files reach that are there."""
    high: Mark | None = None
    for part in parts:
        try:
            metadata = pq.read_metadata(part).metadata or {}
            reach = json.loads(metadata[REACH])
            same = (reach["table"], reach["watermark"]) == (table.table, table.watermark)
            mark = _mark_from(reach["high"])
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
            raise DatabaseError(
                f"{part} was not written by an extraction, or is damaged. Move it elsewhere; if it "
                "was extracted, move its whole folder, and all is extracted anew."
            ) from None
        if not same:
            raise DatabaseError(
                f"{part} holds `{reach['table']}` by `{reach['watermark']}`, and asked for is "
                f"`{table.table}` by `{table.watermark}`. Give it another `name` in "
                "`extract.tables`."
            )
        high = mark if high is None else max(high, mark)
    return high


def _opened(connection: Any, table: ExtractedTable) -> Any:
    """Find the table and check that the columns asked for are there."""
    *schema, name = table.table.split(".")
    try:
        source = connection.table(name, database=schema[0] if schema else None)
    except ibis.common.exceptions.TableNotFound:
        raise DatabaseError(
            f"The database of {table.url_from} has no table `{table.table}` that this user may "
            "read. Write it as `table` or `schema.table`."
        ) from None
    missing = [n for n in (table.watermark, *table.columns) if n not in source.columns]
    if missing:
        raise DatabaseError(
            f"`{table.table}` has no column {listed(missing)}; it has {listed(source.columns)}."
            f"{did_you_mean(missing[0], source.columns)}"
        )
    kind = source[table.watermark].type()
    if not (kind.is_timestamp() or kind.is_date() or kind.is_integer()):
        raise DatabaseError(
            f"The watermark `{table.watermark}` of `{table.table}` is of type {kind}. Take "
            "a column that is an instant, a day or a running number."
        )
    return source


def _span(source: Any, watermark: str) -> tuple[Mark | None, int]:
    """Return the highest watermark, and how many rows have none."""
    mark = source[watermark]
    found = source.aggregate(high=mark.max(), nowhere=mark.isnull().sum()).to_pyarrow()
    high, nowhere = (found[name][0].as_py() for name in ("high", "nowhere"))
    return high, int(nowhere or 0)


def _require_marks(table: ExtractedTable, nowhere: int) -> None:
    if nowhere:
        raise DatabaseError(
            f"{nowhere:,} rows of `{table.table}` have no `{table.watermark}`, so no extraction "
            "would ever bring them. Fill the column, take another one, or a view without them."
        )


def _since(source: Any, table: ExtractedTable, low: Mark | None) -> Any:
    """Leave out what earlier extractions brought, but for the overlap."""
    if low is None:
        return source
    if isinstance(low, datetime):
        low -= timedelta(minutes=table.overlap_minutes)
    return source.filter(source[table.watermark] > low)


def _portable(source: Any, table: ExtractedTable) -> Any:
    """Choose the columns, and write as text what Parquet and the readers have no type for."""
    names = dict.fromkeys([table.watermark, *table.columns]) if table.columns else source.columns
    out = {}
    for name in names:
        column, kind = source[name], source[name].type()
        if kind.is_decimal():
            column = column.cast("float64")
        elif not any(getattr(kind, f"is_{known}")() for known in KINDS):
            column = column.cast("string")
        out[name] = column
    return source.select(**out)


def _write(connection: Any, wanted: Any, file: Path, reach: bytes) -> int:
    """Stream the rows into one Parquet file."""
    rows, schema = 0, wanted.schema().to_pyarrow()
    with atomic_write(file) as fresh, pq.ParquetWriter(fresh, schema, compression="zstd") as writer:
        for batch in _batches(connection, wanted):
            writer.write_batch(batch.cast(schema))
            rows += batch.num_rows
        writer.add_key_value_metadata({REACH: reach})
    return rows


def _batches(connection: Any, wanted: Any) -> Iterator[pa.RecordBatch]:
    """Fetch the rows bit by bit; of DuckDB by its own reader, which Ibis 12 does not know yet."""
    batches: Iterator[pa.RecordBatch]
    if connection.name == "duckdb":
        batches = connection.con.sql(connection.compile(wanted)).to_arrow_reader(CHUNK)
    else:
        batches = connection.to_pyarrow_batches(wanted, chunk_size=CHUNK)
    return batches


def _reach(table: ExtractedTable, high: Mark) -> bytes:
    kind = "number" if isinstance(high, int) else type(high).__name__
    mark = {"kind": kind, "at": high if isinstance(high, int) else high.isoformat()}
    content = {"table": table.table, "watermark": table.watermark, "high": mark}
    return json.dumps(content).encode()


def _mark_from(content: dict[str, Any]) -> Mark:
    kind, at = content["kind"], content["at"]
    if kind == "number":
        return int(at)
    return datetime.fromisoformat(at) if kind == "datetime" else date.fromisoformat(at)
