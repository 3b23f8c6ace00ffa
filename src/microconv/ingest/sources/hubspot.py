"""HubSpot's tables as Fivetran writes them: e-mail events, form submissions, deals of contacts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import ibis

from microconv.errors import SourceError, listed
from microconv.ingest.clean.events import as_text
from microconv.ingest.clean.times import TimeFormat
from microconv.ingest.input_files import InputFile
from microconv.ingest.presets.preset import JoinedTable, TablesPreset, load_preset
from microconv.ingest.sources.raw_rows import RawRows
from microconv.ingest.sources.table import columns_of, group_by_columns, mapped_fields, open_table
from microconv.settings import SourceSettings

NOTHING = ibis.null("string")
UTC = TimeFormat(zone="UTC")
"""Fivetran writes times in UTC without a zone."""

HELPERS = (
    "filtered", "clicker", "opener", "subscription", "deal", "stage", "deleted", "won", "closed",
)  # fmt: skip
"""Fields that say what an event is, and are not fields of an event."""


@cache
def _preset() -> TablesPreset:
    return load_preset("hubspot", TablesPreset)


@cache
def _table_names() -> re.Pattern[str]:
    preset = _preset()
    names = {*preset.tables, *preset.unused_tables}
    names |= {name for table in preset.tables.values() for name in table.joins}
    return re.compile("|".join(sorted(names, key=len, reverse=True)))


def table_of(path: Path) -> str | None:
    """Return the table that a file holds: the one that its name, or else its folder's, contains.

    Examples
    --------
    >>> table_of(Path("landed/email_event_click_data.csv"))
    'email_event_click'
    >>> table_of(Path("hubspot_deal/000001.parquet"))
    'deal'
    >>> table_of(Path("landed/owner.csv"))
    """
    for name in (path.name, path.parent.name):
        found = _table_names().search(name.lower())
        if found is not None:
            return found[0]
    return None


def group_by_event_table(files: Sequence[InputFile]) -> list[list[InputFile]]:
    """Group each table of events with the tables that are joined to it.

    Raises
    ------
    SourceError
        If a file is none of HubSpot's tables, there are no events among them, or a
        table is missing without which there are none.
    """
    event_tables = _preset().tables
    tables: dict[str, list[InputFile]] = {}
    for file in files:
        name = table_of(file.path)
        if name is None:
            known = [name for table, how in event_tables.items() for name in (table, *how.joins)]
            raise SourceError(
                f"{file.path} is named after no table of HubSpot's with events: those are "
                f"{listed(known)}. Name only such files, for example `email_event*`; "
                "any other table is read with the format `table`."
            )
        tables.setdefault(name, []).append(file)
    groups = []
    for name in (name for name in event_tables if name in tables):
        joins = event_tables[name].joins
        missing = [other for other, how in joins.items() if how.required and other not in tables]
        if missing:
            raise SourceError(
                f"{tables[name][0].path} says nothing without {listed(missing)}: let `files` name "
                f"those tables, too, for example with `deal*`."
            )
        others = [file for other in joins for file in tables.get(other, [])]
        groups += [[*group, *others] for group in group_by_columns(tables[name])]
    if not groups:
        raise SourceError(
            f"None of {listed([file.path.name for file in files])} holds events: those are in "
            f"{listed(event_tables)}. Let `files` name one of them."
        )
    return groups


@contextmanager
def read_hubspot(
    files: Sequence[InputFile], source: SourceSettings, connection: Any
) -> Iterator[RawRows]:
    """Read a table of events with the tables that are joined to it.

    - `email_event`: HubSpot's name in lower case (`open`, `click`); a change of
      subscription to none is `unsubscribed`. What the portal filters out is ignored.
    - `contact_form_submission`: `form_submission`, its title as category.
    - `deal_contact`: `closed_won` or `closed_lost`, with the deal's amount, at its
      closing date, for each of its contacts. Open deals are ignored.

    Parameters
    ----------
    files : sequence of InputFile
        One of the groups of :func:`group_by_event_table`.
    source : SourceSettings
    connection : Ibis connection

    Yields
    ------
    RawRows
    """
    name = str(table_of(files[0].path))
    events = _preset().tables[name]
    event_files = [file for file in files if table_of(file.path) == name]
    columns = columns_of(event_files[0].path)
    fields = {f: column for f, column in events.optional_fields.items() if column in columns}
    fields |= events.fields | mapped_fields(source)
    others = {
        other: _read_lookup(
            [f for f in files if table_of(f.path) == other], how, source, connection
        )
        for other, how in events.joins.items()
    }
    with open_table(event_files, fields, source, connection) as rows:
        table = rows.table
        for other, how in events.joins.items():
            table = _join(table, how, others[other], set(source.columns))
        derived = _derive_fields(table)
        kept = {
            name: value
            for name, value in derived.items()
            if name == "event" or name not in source.columns
        }
        helpers = [helper for helper in HELPERS if helper in table.columns]
        table = table.mutate(**kept).drop(*helpers)
        yield replace(rows, table=table, time_formats={"time": UTC, "known_at": UTC})


def _read_lookup(
    files: list[InputFile], how: JoinedTable, source: SourceSettings, connection: Any
) -> Any | None:
    """Read a table to be joined, one row per key; None if there is no such file."""
    if not files:
        return None
    parts = []
    for group in group_by_columns(files):
        with open_table(group, {"key": how.key, **how.fields}, source, connection) as rows:
            texts = {field: as_text(rows.table[field]) for field in ("key", *how.fields)}
            part = rows.table.filter(rows.table.reason.isnull()).select(**texts)
            parts.append(_materialize(part, connection))
    table = ibis.union(*parts) if len(parts) > 1 else parts[0]
    values = {field: table[field].max() for field in how.fields}
    return _materialize(table.group_by("key").agg(**values), connection)


def _materialize(table: Any, connection: Any) -> Any:
    return connection.create_table(ibis.util.gen_name("hubspot"), table, temp=True)


def _join(table: Any, how: JoinedTable, other: Any | None, mapped: set[str]) -> Any:
    """Add the fields of another table, except those that the source maps itself."""
    fields = [field for field in how.fields if field not in mapped]
    if other is None:
        return table.mutate(**dict.fromkeys(fields, NOTHING))
    other = other.rename(**{f"other_{name}": name for name in other.columns})
    found = table.mutate(wanted=as_text(table[how.matches])).left_join(
        other, ibis._.wanted == other.other_key
    )
    found = found.mutate(**{field: found[f"other_{field}"] for field in fields})
    return found.drop("wanted", *other.columns)


def _derive_fields(table: Any) -> dict[str, Any]:
    """Return what each row is, and `ignored` for what HubSpot itself does not count."""
    if "subscription" in table.columns:
        gone = table.subscription.upper() == "UNSUBSCRIBED"
        changed = (table.event.upper() == "STATUSCHANGE") & gone
        filtered = _is_true(table.filtered) if "filtered" in table.columns else ibis.literal(False)
        return {
            "event": changed.fill_null(False).ifelse("unsubscribed", table.event.lower()),
            "ignored": filtered.ifelse("filtered", NOTHING),
            "client": ibis.coalesce(table.clicker, table.opener),
            "channel": ibis.literal("email"),
        }
    if "deal" in table.columns:
        won, closed = _is_true(table.won), _is_true(table.closed)
        is_open = (table.won.notnull() | table.closed.notnull()) & ~won & ~closed
        return {
            "event": ibis.cases((won, "closed_won"), (closed, "closed_lost")),
            "ignored": (is_open | _is_true(table.deleted)).ifelse("filtered", NOTHING),
            "event_id": as_text(table.deal) + "-" + as_text(table.prospect_id),
        }
    return {"event": ibis.literal("form_submission"), "channel": ibis.literal("web")}


def _is_true(value: Any) -> Any:
    """Read a flag of any type; null is false."""
    return (value.cast("string").lower() == "true").fill_null(False)
