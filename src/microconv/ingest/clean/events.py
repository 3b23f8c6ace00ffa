"""From the common raw table to clean rows: every row is kept, ignored or refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis

from microconv.ingest.bots.clients import client_family
from microconv.ingest.bots.email_acts import act_of
from microconv.ingest.clean.naming import bears_names, is_wanted, matches_any, name_events
from microconv.ingest.clean.times import Clock, micros_of, read_instants
from microconv.ingest.duckdb_engine import any_of, trimmed
from microconv.ingest.input_files import RAW_LENGTH
from microconv.ingest.sources.raw_rows import ATTRIBUTE, PROPERTY, RawRows
from microconv.settings import IngestSettings, SourceSettings

IDS = ("prospect_id", "anonymous_id", "account_id", "merged_id", "email")
DESCRIPTION = ("message_id", "campaign_id", "variant", "channel", "link")
ID_LENGTH = 20
"""Hexadecimal digits of an id made of content: among 1e9 rows two differ and agree once in 2e6."""

NOTHING = ibis.null("string")

_NESTED = r"""^(\{\s*["}]|\[\s*(["{\[\]]|-?\d))"""
"""How JSON's objects and lists begin; a GUID in braces is an id like any other."""

_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"


def clean_events(
    rows: RawRows, source: SourceSettings, settings: IngestSettings, *, no_identity: str
) -> Any:
    """Judge and normalise the rows of a source of events.

    Parameters
    ----------
    rows : RawRows
        What the source's reader made of a file.
    no_identity : str
        Reason for rejecting a row without any id.

    Returns
    -------
    Ibis table
        One row per row: `reason`, `detail` and `raw` of a refused one, `ignored`
        (why it is left out, or null), ids, `time` and `known_at` in
        microseconds, `event_name`, `event_id` and the other columns of an event.
    """
    table = _normalise(rows, source)
    by_name = matches_any(table.event, source.ignore).ifelse("name", NOTHING)
    unwanted = is_wanted(table, source).ifelse(NOTHING, "filtered")
    table = table.mutate(ignored=ibis.coalesce(table.ignored, unwanted, by_name))
    nameless = table.event.isnull() if bears_names(source) else ibis.literal(False)
    is_event = table.ignored.isnull()
    accounts = settings.unit == "account" or (source.format, settings.credit) == ("deals", "all")
    who = ["prospect_id", "email", "anonymous_id", *(["account_id"] if accounts else [])]
    anyone = any_of(table[name].notnull() for name in who)
    refusal, detail = first(
        (table.reason.notnull(), table.reason, table.detail),
        (nameless & is_event, "no_event", NOTHING),
        (table.ignored.isin(["name", "filtered"]).fill_null(False), NOTHING, NOTHING),
        *((table[name].re_search(_NESTED), "bad_id", quoted(table, name)) for name in IDS),
        (~anyone & is_event, no_identity, NOTHING),
        *plausibility(table, "time", settings),
        (table.time_us.isnull(), "no_time", NOTHING),
        *plausibility(table, "known_at", settings),
        (table.value_fault, "bad_value", quoted(table, "value")),
    )
    table = name_events(table.mutate(refusal=refusal, detail=detail), source)
    refused = table.refusal.notnull()
    raw = ibis.coalesce(table.raw, rows.text(table)).left(RAW_LENGTH)
    content = rows.content(table).hexdigest("md5").left(ID_LENGTH)
    attributes = [name for name in table.columns if name.startswith(ATTRIBUTE)]
    table = table.mutate(event_id=ibis.coalesce(table.event_id, content))
    return table.select(
        "row", "detail", *IDS, *DESCRIPTION, "address", "client", *attributes,
        "event_name", "event_id",
        act=act_of(table, settings.bots),
        reason=table.refusal,
        raw=refused.ifelse(raw, NOTHING),
        ignored=refused.ifelse(NOTHING, table.ignored),
        time=table.time_us,
        known_at=table.known_at_us.fill_null(table.time_us),
        key=table.event_id.hash(),
        value=table.amount,
    )  # fmt: skip


def clocks_of(rows: RawRows, source: SourceSettings, names: Sequence[str]) -> dict[str, Clock]:
    """Say how columns write instants: as the source says, else as the vendor always does."""
    return {name: _clock_of(name, rows.clocks.get(name, Clock()), source) for name in names}


def _clock_of(name: str, vendors: Clock, source: SourceSettings) -> Clock:
    unit = None if name in source.columns else vendors.unit
    return Clock(
        zone=source.timezone or vendors.zone,
        unit=source.time_unit or unit,
        format=source.time_format or vendors.format,
    )


def _normalise(rows: RawRows, source: SourceSettings) -> Any:
    """Bring every field to its type; fields the file does not have become null."""
    table = read_instants(rows.table, clocks_of(rows, source, ("time", "known_at")))
    value = table["value"] if "value" in table.columns else ibis.null("float64")
    properties = [name for name in table.columns if name.startswith(PROPERTY)]
    names = [*IDS, *DESCRIPTION, *properties, "event", "event_id", "category", "ignored"]
    fields = [*names, "client", "address"]
    there = set(fields).intersection(table.columns)
    texts = {name: as_text(table[name]) if name in there else NOTHING for name in fields}
    table = table.mutate(**texts, amount=as_number(value), value_said=says_something(value))
    finished = {"value_fault": table.amount.isnull() & table.value_said}
    if "client" in there:
        table = table.mutate(agent=table.client.lower())
        finished["client"] = client_family(table.agent)
    if there.intersection(("address", "email")):
        table = table.mutate(email=table.email.lower(), address=table.address.lower())
        finished["address"] = ibis.coalesce(table.address, table.email).hexdigest("sha256").left(16)
    return table.mutate(**finished)


def as_text(value: Any) -> Any:
    """Write a value as text: trimmed, null if empty, whole numbers without a point."""
    kind = value.type()
    if kind.is_floating():
        whole = (value == value.floor()) & (value.abs() < 9e18)
        text = whole.ifelse(value.try_cast("int64").cast("string"), value.cast("string"))
        return value.isnan().ifelse(NOTHING, text)
    if not kind.is_string():
        return value.cast("string")
    return trimmed(value).nullif("")


def says_something(value: Any) -> Any:
    """Say whether there is a value at all: not null, not nan, not empty."""
    if value.type().is_floating():
        return value.notnull() & ~value.isnan()
    return as_text(value).notnull()


def as_number(value: Any) -> Any:
    """Read a value as a finite number; null if it is none."""
    kind = value.type()
    if kind.is_numeric() and not kind.is_boolean():
        number = value.cast("float64")
    else:
        text = as_text(value)
        number = text.re_search(_NUMBER).ifelse(text, NOTHING).try_cast("float64")
    return (number.isnan() | number.isinf()).ifelse(ibis.null("float64"), number)


def plausibility(table: Any, name: str, settings: IngestSettings) -> list[tuple[Any, Any, Any]]:
    """List the refusals of an instant read into `<name>_us` and `<name>_fault`."""
    micros, fault = table[f"{name}_us"], table[f"{name}_fault"]
    first, end = micros_of(settings.plausible_from), micros_of(settings.plausible_until)
    implausible = (micros < first) | (micros >= end)
    said = quoted(table, name)
    return [(fault.notnull(), fault, said), (implausible, "implausible_time", said)]


def quoted(table: Any, name: str) -> Any:
    """Quote what a field said, for the detail of a refusal."""
    said = table[name].cast("string") if name in table.columns else NOTHING
    return ibis.literal(f"{name}: ") + said.left(80)


def first(*cases: tuple[Any, Any, Any]) -> tuple[Any, Any]:
    """Take reason and detail of the first condition that holds."""
    reasons = ibis.cases(*((when, reason) for when, reason, _ in cases), else_=NOTHING)
    details = ibis.cases(*((when, detail) for when, _, detail in cases), else_=NOTHING)
    return reasons, details
