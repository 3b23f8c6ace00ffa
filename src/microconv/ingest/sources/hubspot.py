"""HubSpot as Fivetran lands it: e-mail events, forms sent in, and deals with their contacts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ibis

from microconv.errors import SourceError, listed
from microconv.ingest.clean.events import as_text
from microconv.ingest.clean.times import Clock
from microconv.ingest.input_files import InputFile
from microconv.ingest.sources.hubspot_tables import EVENT_TABLES, Side, table_of
from microconv.ingest.sources.rows import Rows
from microconv.ingest.sources.table import alike, columns_of, mapped_fields, open_table
from microconv.settings import SourceSettings

NOTHING = ibis.null("string")
SUBMITTED = "form_submission"
UTC = Clock(zone="UTC")
"""Fivetran lands instants in UTC and writes no zone."""

HELPERS = (
    "filtered", "clicker", "opener", "subscription", "deal", "stage", "deleted", "won", "closed",
)  # fmt: skip
"""Fields that say what an event is and are no part of it."""


def by_event_table(files: Sequence[InputFile]) -> list[list[InputFile]]:
    """Put together what is read as one: a table of events, and the tables that say more of it.

    Raises
    ------
    SourceError
        If a file is none of HubSpot's tables, there are no events among them, or a
        table is missing without which there are none.
    """
    tables: dict[str, list[InputFile]] = {}
    for file in files:
        name = table_of(file.path)
        if name is None:
            raise SourceError(
                f"{file.path} is named after no table of HubSpot's with events: those are "
                f"{listed(_all_tables())}. Name only such files, for example `email_event*`; "
                "any other table is read with the format `table`."
            )
        tables.setdefault(name, []).append(file)
    groups = []
    for name in (name for name in EVENT_TABLES if name in tables):
        sides = EVENT_TABLES[name].sides
        lacking = [side for side, how in sides.items() if how.needed and side not in tables]
        if lacking:
            raise SourceError(
                f"{tables[name][0].path} says nothing without {listed(lacking)}: let `files` name "
                f"those tables, too, for example with `deal*`."
            )
        beside = [file for side in sides for file in tables.get(side, [])]
        groups += [[*group, *beside] for group in alike(tables[name])]
    if not groups:
        raise SourceError(
            f"None of {listed([file.path.name for file in files])} holds events: those are in "
            f"{listed(EVENT_TABLES)}. Let `files` name one of them."
        )
    return groups


def _all_tables() -> list[str]:
    return [name for table, how in EVENT_TABLES.items() for name in (table, *how.sides)]


@contextmanager
def read_hubspot(
    files: Sequence[InputFile], source: SourceSettings, connection: Any
) -> Iterator[Rows]:
    """Read a table of events with the tables beside it.

    - `email_event`: called as HubSpot does, in lower case (`open`, `click`);
      a change of subscription to none is `unsubscribed`. What the portal
      filters out is left out.
    - `contact_form_submission`: `form_submission`, its title as category.
    - `deal_contact`: `closed_won` or `closed_lost`, with the deal's amount, at
      its day of closing, for every contact of it. Open deals are left out.
    """
    name = table_of(files[0].path)
    events = EVENT_TABLES[str(name)]
    ours = [file for file in files if table_of(file.path) == name]
    there = columns_of(ours[0].path)
    fields = {f: c for f, c in events.optional.items() if c in there}
    fields |= dict(events.fields) | mapped_fields(source)
    sides = {
        side: _looked_up([f for f in files if table_of(f.path) == side], how, source, connection)
        for side, how in events.sides.items()
    }
    with open_table(ours, fields, source, connection) as rows:
        table = rows.table
        for side, how in events.sides.items():
            table = _beside(table, how, sides[side], set(source.columns))
        said = _named(table)
        mapped = [name for name in said if name in source.columns and name != "event"]
        table = table.mutate(**{name: value for name, value in said.items() if name not in mapped})
        helpers = [helper for helper in HELPERS if helper in table.columns]
        yield replace(rows, table=table.drop(*helpers), clocks={"time": UTC, "known_at": UTC})


def _looked_up(
    files: list[InputFile], how: Side, source: SourceSettings, connection: Any
) -> Any | None:
    """Read a side table into the engine, one row per key; None if there is no such file."""
    if not files:
        return None
    parts = []
    for group in alike(files):
        with open_table(group, {"key": how.key, **how.brings}, source, connection) as rows:
            texts = {field: as_text(rows.table[field]) for field in ("key", *how.brings)}
            part = rows.table.filter(rows.table.reason.isnull()).select(**texts)
            parts.append(_kept(part, connection))
    table = ibis.union(*parts) if len(parts) > 1 else parts[0]
    return _kept(
        table.group_by("key").agg(**{field: table[field].max() for field in how.brings}), connection
    )


def _kept(table: Any, connection: Any) -> Any:
    """Put a table aside in the engine, until its connection is closed."""
    return connection.create_table(ibis.util.gen_name("hubspot"), table, temp=True)


def _beside(table: Any, how: Side, side: Any | None, mapped: set[str]) -> Any:
    """Give every row what the side table says of it; what the source maps itself stays."""
    brings = [field for field in how.brings if field not in mapped]
    if side is None:
        return table.mutate(**dict.fromkeys(brings, NOTHING))
    side = side.rename(**{f"side_{name}": name for name in side.columns})
    joined = table.mutate(wanted=as_text(table[how.of])).left_join(
        side, ibis._.wanted == side.side_key
    )
    joined = joined.mutate(**{field: joined[f"side_{field}"] for field in brings})
    return joined.drop("wanted", *side.columns)


def _named(table: Any) -> dict[str, Any]:
    """Say what each row is, and which is no event by HubSpot's own account."""
    if "subscription" in table.columns:
        gone = table.subscription.upper() == "UNSUBSCRIBED"
        changed = (table.event.upper() == "STATUSCHANGE") & gone
        left_out = _yes(table.filtered) if "filtered" in table.columns else ibis.literal(False)
        return {
            "event": changed.fill_null(False).ifelse("unsubscribed", table.event.lower()),
            "ignored": left_out.ifelse("filtered", NOTHING),
            "client": ibis.coalesce(table.clicker, table.opener),
            "channel": ibis.literal("email"),
        }
    if "deal" in table.columns:
        won, closed = _yes(table.won), _yes(table.closed)
        is_open = (table.won.notnull() | table.closed.notnull()) & ~won & ~closed
        return {
            "event": ibis.cases((won, "closed_won"), (closed, "closed_lost")),
            "ignored": (is_open | _yes(table.deleted)).ifelse("filtered", NOTHING),
            "event_id": as_text(table.deal) + "-" + as_text(table.prospect_id),
        }
    return {"event": ibis.literal(SUBMITTED), "channel": ibis.literal("web")}


def _yes(value: Any) -> Any:
    """Read a flag of whatever type; what says nothing says no."""
    return (value.cast("string").lower() == "true").fill_null(False)
