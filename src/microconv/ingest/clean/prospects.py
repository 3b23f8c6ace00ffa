"""Cleaning and writing the other tables of a log: prospects with attributes, and messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from microconv.ingest.clean.events import (
    NOTHING,
    as_number,
    as_text,
    first_reason,
    quoted,
    time_checks,
    time_formats_of,
)
from microconv.ingest.clean.times import parse_times
from microconv.ingest.input_files import RAW_LENGTH
from microconv.ingest.partition_files import PartitionFile
from microconv.ingest.sources.raw_rows import ATTRIBUTE, RawRows
from microconv.settings import IngestSettings, SourceSettings
from microconv.storage.buckets import CODEC, LEVEL
from microconv.storage.schema import INSTANT, MESSAGES, PROSPECT_COLUMNS

_LEADING_ZERO = r"^[+-]?0\d"


def clean_prospects(rows: RawRows, source: SourceSettings, settings: IngestSettings) -> Any:
    """Check and normalise the rows of a prospects table; attributes stay text for now.

    Parameters
    ----------
    rows : RawRows, what the source's reader returned
    source : SourceSettings
    settings : IngestSettings

    Returns
    -------
    Ibis table
        One row per input row: `reason`, `detail` and `raw` of a rejected one, and columns.
    """
    attributes = [ATTRIBUTE + name for name in source.attributes]
    table = _as_texts(rows.table, [*PROSPECT_COLUMNS, *attributes], but="known_at")
    table = parse_times(table, time_formats_of(rows, source, ("known_at",)))
    rejection, detail = first_reason(
        (table.reason.notnull(), table.reason, table.detail),
        (table.prospect_id.isnull(), "no_prospect", NOTHING),
        *time_checks(table, "known_at", settings),
        (table.known_at_us.isnull(), "no_time", NOTHING),
    )
    columns = [name for name in PROSPECT_COLUMNS if name != "known_at"]
    table = table.mutate(rejection=rejection, detail=detail)
    return _with_reason(table, rows).select(
        "row", "reason", "detail", "raw", *columns, *attributes, known_at=table.known_at_us
    )


def clean_messages(rows: RawRows, source: SourceSettings, settings: IngestSettings) -> Any:
    """Check and normalise the rows of a table of messages; as :func:`clean_prospects`.

    Parameters
    ----------
    rows : RawRows
    source : SourceSettings
    settings : IngestSettings
    """
    names = [name for name in MESSAGES.names if name not in ("position", "sent_at")]
    table = _as_texts(rows.table, names)
    table = parse_times(table, time_formats_of(rows, source, ("sent_at",)))
    position = as_number(table.position) if "position" in table.columns else ibis.null("float64")
    text = as_text(table.position) if "position" in table.columns else NOTHING
    odd = text.notnull() & (position.isnull() | (position != position.round()))
    table = table.mutate(place=position, odd=odd | (position.abs() > 2**31 - 1).fill_null(False))
    rejection, detail = first_reason(
        (table.reason.notnull(), table.reason, table.detail),
        (table.message_id.isnull(), "no_message", NOTHING),
        *time_checks(table, "sent_at", settings),
        (table.odd, "bad_value", quoted(table, "position")),
    )
    table = table.mutate(rejection=rejection, detail=detail)
    return _with_reason(table, rows).select(
        "row", "reason", "detail", "raw", *names, position=table.place.cast("int64"),
        sent_at=table.sent_at_us,
    )  # fmt: skip


def _as_texts(table: Any, names: list[str] | tuple[str, ...], *, but: str = "") -> Any:
    texts = {n: as_text(table[n]) if n in table.columns else NOTHING for n in names if n != but}
    return table.mutate(**texts)


def _with_reason(table: Any, rows: RawRows) -> Any:
    rejected = table.rejection.notnull()
    raw = ibis.coalesce(table.raw, rows.text(table)).left(RAW_LENGTH)
    return table.mutate(reason=table.rejection, raw=rejected.ifelse(raw, NOTHING))


def prospects_of_events(events: Any) -> Any:
    """Return prospects from what every event of a trace repeats, known from its first event on."""
    columns = [name for name in events.columns if name.startswith(ATTRIBUTE)]
    nothing = {
        name: NOTHING for name in PROSPECT_COLUMNS if name not in ("prospect_id", "known_at")
    }
    people = events.group_by(["prospect_id", *columns]).agg(known_at=events.time.min())
    return people.mutate(**nothing)


def combine_prospects(tables: list[Any], attributes: list[str], settings: IngestSettings) -> Any:
    """Combine the prospects of all sources into one table; attributes are still text.

    Parameters
    ----------
    tables : list of Ibis table, the accepted rows of each source
    attributes : list of str, all attributes of all sources
    settings : IngestSettings, its `unit` says whether accounts are the prospects
    """
    names = [name for name in PROSPECT_COLUMNS if name != "known_at"]
    selected = []
    for table in tables:
        texts = {
            ATTRIBUTE + name: table[ATTRIBUTE + name]
            if ATTRIBUTE + name in table.columns
            else NOTHING
            for name in attributes
        }
        selected.append(table.select(*names, "known_at", **texts))
    people = _distinct_union(selected)
    if settings.unit == "account":
        people = people.filter(people.account_id.notnull())
        people = people.mutate(prospect_id=people.account_id)
    return people


def type_attributes(people: Any, attributes: list[str], connection: Any) -> Any:
    """Convert the attributes that are numbers in every row to numbers.

    Text with a leading zero is a code, not a number.

    Parameters
    ----------
    people : Ibis table
    attributes : list of str
    connection : Ibis connection, counts the values that are no numbers
    """
    if not attributes:
        return people
    texts = {name: people[ATTRIBUTE + name] for name in attributes}
    words = {
        name: (text.notnull() & (as_number(text).isnull() | text.re_search(_LEADING_ZERO))).sum()
        for name, text in texts.items()
    }
    values = {f"{name}\x1fvalues": text.count() for name, text in texts.items()}
    counts = connection.to_pyarrow(people.aggregate(**words, **values)).to_pylist()[0]
    numeric = [n for n in attributes if counts[n] == 0 and counts[f"{n}\x1fvalues"] > 0]
    return people.select(
        *PROSPECT_COLUMNS,
        **{name: as_number(text) if name in numeric else text for name, text in texts.items()},
    )


def write_prospects(people: Any, folder: Path, partition: PartitionFile, connection: Any) -> int:
    """Write the prospects table in the buckets of the log.

    Parameters
    ----------
    people : Ibis table, with :data:`~microconv.storage.schema.PROSPECT_COLUMNS` and attributes
    folder : Path, folder to create
    partition : PartitionFile, partitions the rows, with the buckets of the log
    connection : Ibis connection, runs the query

    Returns
    -------
    int
        Number of rows.
    """
    schema = pa.schema(
        [(name, pa.string()) for name in PROSPECT_COLUMNS]
        + [(n, people[n].type().to_pyarrow()) for n in people.columns[len(PROSPECT_COLUMNS) :]]
    ).set(PROSPECT_COLUMNS.index("known_at"), pa.field("known_at", INSTANT))
    folder.mkdir()
    rows = sum(int(batch.num_rows) for batch in partition.write_query(people, connection))
    for bucket in range(partition.buckets):
        table = partition.read(bucket)
        table = schema.empty_table() if table is None else table.select(schema.names).cast(schema)
        table = table.sort_by([(name, "ascending") for name in schema.names])
        file = folder / f"{bucket:04d}.parquet"
        pq.write_table(table.combine_chunks(), file, compression=CODEC, compression_level=LEVEL)
    return rows


def write_messages(tables: list[Any], path: Path, connection: Any) -> None:
    """Write the messages of all sources, sorted by id, without duplicates.

    Parameters
    ----------
    tables : list of Ibis table, the accepted rows of each source
    path : Path, the file to write
    connection : Ibis connection, runs the query
    """
    selected = [table.select(*MESSAGES.names) for table in tables]
    table = connection.to_pyarrow(_distinct_union(selected))
    table = table.sort_by([(name, "ascending") for name in MESSAGES.names])
    pq.write_table(table.cast(MESSAGES), path, compression=CODEC, compression_level=LEVEL)


def _distinct_union(tables: list[Any]) -> Any:
    return ibis.union(*tables, distinct=True) if len(tables) > 1 else tables[0].distinct()
