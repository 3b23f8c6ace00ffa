"""The tables beside the events: prospects with their attributes, and messages."""

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
    clocks_of,
    first,
    plausibility,
    quoted,
)
from microconv.ingest.clean.times import read_instants
from microconv.ingest.input_files import RAW_LENGTH
from microconv.ingest.partition_files import PartitionFile
from microconv.ingest.sources.raw_rows import ATTRIBUTE, RawRows
from microconv.settings import IngestSettings, SourceSettings
from microconv.storage.buckets import CODEC, LEVEL
from microconv.storage.schema import INSTANT, MESSAGES, PROSPECT_COLUMNS

_LEADING_ZERO = r"^[+-]?0\d"


def clean_prospects(rows: RawRows, source: SourceSettings, settings: IngestSettings) -> Any:
    """Judge and normalise the rows of a prospects table; attributes stay text for now."""
    attributes = [ATTRIBUTE + name for name in source.attributes]
    table = _with_texts(rows.table, [*PROSPECT_COLUMNS, *attributes], but="known_at")
    table = read_instants(table, clocks_of(rows, source, ("known_at",)))
    refusal, detail = first(
        (table.reason.notnull(), table.reason, table.detail),
        (table.prospect_id.isnull(), "no_prospect", NOTHING),
        *plausibility(table, "known_at", settings),
        (table.known_at_us.isnull(), "no_time", NOTHING),
    )
    columns = [name for name in PROSPECT_COLUMNS if name != "known_at"]
    table = table.mutate(refusal=refusal, detail=detail)
    return _judged(table, rows).select(
        "row", "reason", "detail", "raw", *columns, *attributes, known_at=table.known_at_us
    )


def clean_messages(rows: RawRows, source: SourceSettings, settings: IngestSettings) -> Any:
    """Judge and normalise the rows of a table of messages."""
    names = [name for name in MESSAGES.names if name not in ("position", "sent_at")]
    table = _with_texts(rows.table, names)
    table = read_instants(table, clocks_of(rows, source, ("sent_at",)))
    position = as_number(table.position) if "position" in table.columns else ibis.null("float64")
    said = as_text(table.position) if "position" in table.columns else NOTHING
    odd = said.notnull() & (position.isnull() | (position != position.round()))
    table = table.mutate(place=position, odd=odd | (position.abs() > 2**31 - 1).fill_null(False))
    refusal, detail = first(
        (table.reason.notnull(), table.reason, table.detail),
        (table.message_id.isnull(), "no_message", NOTHING),
        *plausibility(table, "sent_at", settings),
        (table.odd, "bad_value", quoted(table, "position")),
    )
    table = table.mutate(refusal=refusal, detail=detail)
    return _judged(table, rows).select(
        "row", "reason", "detail", "raw", *names, position=table.place.cast("int64"),
        sent_at=table.sent_at_us,
    )  # fmt: skip


def _with_texts(table: Any, names: list[str] | tuple[str, ...], *, but: str = "") -> Any:
    texts = {n: as_text(table[n]) if n in table.columns else NOTHING for n in names if n != but}
    return table.mutate(**texts)


def _judged(table: Any, rows: RawRows) -> Any:
    refused = table.refusal.notnull()
    raw = ibis.coalesce(table.raw, rows.text(table)).left(RAW_LENGTH)
    return table.mutate(reason=table.refusal, raw=refused.ifelse(raw, NOTHING))


def prospects_of_events(staged: Any) -> Any:
    """Make prospects of what every event of a trace repeats, known from its first event on."""
    columns = [name for name in staged.columns if name.startswith(ATTRIBUTE)]
    nothing = {
        name: NOTHING for name in PROSPECT_COLUMNS if name not in ("prospect_id", "known_at")
    }
    people = staged.group_by(["prospect_id", *columns]).agg(known_at=staged.time.min())
    return people.mutate(**nothing)


def gather_prospects(staged: list[Any], attributes: list[str], settings: IngestSettings) -> Any:
    """Put the prospects of all sources into one table, attributes typed.

    An attribute is a number if every value of it is one, and none is written
    with a leading zero as codes are.
    """
    names = [name for name in PROSPECT_COLUMNS if name != "known_at"]
    tables = []
    for table in staged:
        texts = {
            ATTRIBUTE + name: table[ATTRIBUTE + name]
            if ATTRIBUTE + name in table.columns
            else NOTHING
            for name in attributes
        }
        tables.append(table.select(*names, "known_at", **texts))
    people = ibis.union(*tables, distinct=True) if len(tables) > 1 else tables[0].distinct()
    if settings.unit == "account":
        people = people.filter(people.account_id.notnull())
        people = people.mutate(prospect_id=people.account_id)
    return people


def type_attributes(people: Any, attributes: list[str], connection: Any) -> Any:
    """Turn the attributes into numbers that are numbers in every row."""
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


def write_prospects(people: Any, folder: Path, spill: PartitionFile, connection: Any) -> int:
    """Write the prospects table in the buckets of the log; return how many rows it has."""
    schema = pa.schema(
        [(name, pa.string()) for name in PROSPECT_COLUMNS]
        + [(n, people[n].type().to_pyarrow()) for n in people.columns[len(PROSPECT_COLUMNS) :]]
    ).set(PROSPECT_COLUMNS.index("known_at"), pa.field("known_at", INSTANT))
    folder.mkdir()
    rows = sum(int(batch.num_rows) for batch in spill.write_query(people, connection))
    for bucket in range(spill.buckets):
        table = spill.read(bucket)
        table = schema.empty_table() if table is None else table.select(schema.names).cast(schema)
        table = table.sort_by([(name, "ascending") for name in schema.names])
        file = folder / f"{bucket:04d}.parquet"
        pq.write_table(table.combine_chunks(), file, compression=CODEC, compression_level=LEVEL)
    return rows


def write_messages(staged: list[Any], path: Path, connection: Any) -> None:
    """Write the messages of all sources, each once, by their ids."""
    tables = [table.select(*MESSAGES.names) for table in staged]
    table = connection.to_pyarrow(ibis.union(*tables, distinct=True) if len(tables) > 1 else
                                  tables[0].distinct())  # fmt: skip
    table = table.sort_by([(name, "ascending") for name in MESSAGES.names])
    pq.write_table(table.cast(MESSAGES), path, compression=CODEC, compression_level=LEVEL)
