"""Extraction of database tables into Parquet files, each of which starts where the last ended.

::

    crm_deals/000001.parquet     rows up to the watermark 2024-06-03 08:15
    crm_deals/000002.parquet     rows since then, less the overlap
    crm_deals/…

A file is written completely or not at all, and its metadata holds the watermark it reaches, so an
extraction that was killed can be run again. Rows that the overlap copies twice are counted as
duplicates by ingest. Existing files are never changed or deleted.
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

from microconv.databases.urls import DatabaseUrl, database_errors
from microconv.errors import DatabaseError, did_you_mean, listed
from microconv.settings import ExtractedTable
from microconv.storage.files import atomic_write, folder_lock

METADATA_KEY = b"microconv.extract"
"""Key of the Parquet metadata with the extracted table and the watermark reached."""

CHUNK = 50_000
"""Rows held in memory at a time."""

KEPT_TYPES = ("numeric", "boolean", "timestamp", "date", "string")
"""Types that a column keeps; others become text."""

Watermark = datetime | date | int


@dataclass(frozen=True)
class Extracted:
    """The result of an extraction.

    Attributes
    ----------
    rows : int
        0 if nothing had changed; then there is no file.
    file : Path or None
    high : datetime, date or int or None
        The watermark reached; None while the table is empty.
    """

    rows: int
    file: Path | None
    high: Watermark | None


def extract(table: ExtractedTable, input_dir: str | Path) -> Extracted:
    """Copy the rows added to a table since the last extraction into a new Parquet file.

    Parameters
    ----------
    table : ExtractedTable
    input_dir : Path
        The file is written to its folder `table.name`.

    Returns
    -------
    Extracted

    Raises
    ------
    DatabaseError
        If the database cannot be reached, the connection is lost, the table or a column does
        not exist, rows have no watermark, or the folder holds another table.
    """
    folder = Path(input_dir, table.name)
    url = DatabaseUrl.from_environment(table.url_from)
    with (
        folder_lock(folder, "extracting into"),
        database_errors(url, f"Extracting `{table.table}`"),
    ):
        parts = sorted(folder.glob("[0-9]*.parquet"))
        low = _last_watermark(parts, table)
        connection = ibis.connect(url.url)
        try:
            source = _open_table(connection, table)
            high = _highest_watermark(source, table)
            if high is None or (low is not None and high <= low):  # type: ignore[operator]
                return Extracted(0, None, low if high is None else high)
            wanted = _rows_since(source, table, low).filter(lambda t: t[table.watermark] <= high)
            file = folder / f"{len(parts) + 1:06}.parquet"
            rows = _write_file(
                connection, _select_columns(wanted, table), file, _metadata(table, high)
            )
        finally:
            connection.disconnect()
    return Extracted(rows, file, high)


def _last_watermark(parts: list[Path], table: ExtractedTable) -> Watermark | None:
    """Return the highest watermark of the existing files."""
    high: Watermark | None = None
    for part in parts:
        try:
            metadata = pq.read_metadata(part).metadata or {}
            content = json.loads(metadata[METADATA_KEY])
            same = (content["table"], content["watermark"]) == (table.table, table.watermark)
            mark = _parse_watermark(content["high"])
        except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
            raise DatabaseError(
                f"{part} was not written by an extraction, or is damaged. Move it elsewhere; if it "
                "was extracted, move its whole folder, and everything is extracted again."
            ) from None
        if not same:
            raise DatabaseError(
                f"{part} holds `{content['table']}` by `{content['watermark']}`, but "
                f"`{table.name}` is `{table.table}` by `{table.watermark}`. Give it another "
                "name in `extract.tables`."
            )
        high = mark if high is None else max(high, mark)
    return high


def _open_table(connection: Any, table: ExtractedTable) -> Any:
    """Find the table and check that the wanted columns exist."""
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
            "a column that is a timestamp, a date or an increasing number."
        )
    return source


def _highest_watermark(source: Any, table: ExtractedTable) -> Watermark | None:
    column = source[table.watermark]
    found = source.aggregate(high=column.max(), nulls=column.isnull().sum()).to_pyarrow()
    high: Watermark | None = found["high"][0].as_py()
    nulls = found["nulls"][0].as_py()
    if nulls:
        raise DatabaseError(
            f"{int(nulls):,} rows of `{table.table}` have no `{table.watermark}`, so no extraction "
            "would ever copy them. Fill the column, take another one, or a view without them."
        )
    return high


def _rows_since(source: Any, table: ExtractedTable, low: Watermark | None) -> Any:
    """Select the rows after the last extraction, and those of the overlap."""
    if low is None:
        return source
    if isinstance(low, datetime):
        low -= timedelta(minutes=table.overlap_minutes)
    return source.filter(source[table.watermark] > low)


def _select_columns(source: Any, table: ExtractedTable) -> Any:
    """Select the columns; types that Parquet or the readers lack become text."""
    names = dict.fromkeys([table.watermark, *table.columns]) if table.columns else source.columns
    out = {}
    for name in names:
        column, kind = source[name], source[name].type()
        if kind.is_decimal():
            column = column.cast("float64")
        elif not any(getattr(kind, f"is_{known}")() for known in KEPT_TYPES):
            column = column.cast("string")
        out[name] = column
    return source.select(**out)


def _write_file(connection: Any, wanted: Any, file: Path, metadata: bytes) -> int:
    """Write the rows to a Parquet file; return their number."""
    rows, schema = 0, wanted.schema().to_pyarrow()
    with atomic_write(file) as fresh, pq.ParquetWriter(fresh, schema, compression="zstd") as writer:
        for batch in _batches(connection, wanted):
            writer.write_batch(batch.cast(schema))
            rows += batch.num_rows
        writer.add_key_value_metadata({METADATA_KEY: metadata})
    return rows


def _batches(connection: Any, wanted: Any) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches; Ibis 12 cannot do so for DuckDB, whose own reader can."""
    batches: Iterator[pa.RecordBatch]
    if connection.name == "duckdb":
        batches = connection.con.sql(connection.compile(wanted)).to_arrow_reader(CHUNK)
    else:
        batches = connection.to_pyarrow_batches(wanted, chunk_size=CHUNK)
    return batches


def _metadata(table: ExtractedTable, high: Watermark) -> bytes:
    kind = "number" if isinstance(high, int) else type(high).__name__
    mark = {"kind": kind, "at": high if isinstance(high, int) else high.isoformat()}
    content = {"table": table.table, "watermark": table.watermark, "high": mark}
    return json.dumps(content).encode()


def _parse_watermark(content: dict[str, Any]) -> Watermark:
    kind, at = content["kind"], content["at"]
    if kind == "number":
        return int(at)
    return datetime.fromisoformat(at) if kind == "datetime" else date.fromisoformat(at)
