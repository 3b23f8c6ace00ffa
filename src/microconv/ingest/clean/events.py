"""Cleaning events: every raw row becomes a valid, ignored or rejected row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis

from microconv.ingest.bots.email_event_kinds import email_event_of
from microconv.ingest.bots.user_agents import client_family
from microconv.ingest.clean.naming import has_event_names, matches_any, name_events, passes_only
from microconv.ingest.clean.times import TimeFormat, parse_times, to_microseconds
from microconv.ingest.duckdb_engine import any_of, trimmed
from microconv.ingest.input_files import RAW_LENGTH
from microconv.ingest.sources.raw_rows import ATTRIBUTE, PROPERTY, RawRows
from microconv.settings import IngestSettings, SourceSettings

IDS = ("prospect_id", "anonymous_id", "account_id", "merged_id", "email")
DESCRIPTION = ("message_id", "campaign_id", "variant", "channel", "link")
ID_LENGTH = 20
"""Hexadecimal digits of an id that is a hash of the row: of 1e9 rows, two collide once in 2e6."""

NOTHING = ibis.null("string")

_NESTED = r"""^(\{\s*["}]|\[\s*(["{\[\]]|-?\d))"""
"""How JSON's objects and lists begin; a GUID in braces is an id like any other."""

_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"


def clean_events(
    rows: RawRows, source: SourceSettings, settings: IngestSettings, *, no_identity: str
) -> Any:
    """Check and normalise the rows of a source of events.

    Parameters
    ----------
    rows : RawRows, what the source's reader returned
    source : SourceSettings, how the source is mapped and named
    settings : IngestSettings, the section `ingest` of params.yaml
    no_identity : str, reason code of a row that names no prospect

    Returns
    -------
    Ibis table
        One row per input row: `reason`, `detail` and `raw` of a rejected one, `ignored`
        (why it is left out, or null), ids, `time` and `known_at` in
        microseconds, `event_name`, `event_id` and the other columns of an event.
    """
    table = _normalise(rows, source)
    by_name = matches_any(table.event, source.ignore).ifelse("name", NOTHING)
    filtered = passes_only(table, source).ifelse(NOTHING, "filtered")
    table = table.mutate(ignored=ibis.coalesce(table.ignored, filtered, by_name))
    nameless = table.event.isnull() if has_event_names(source) else ibis.literal(False)
    is_event = table.ignored.isnull()
    accounts = settings.unit == "account" or (source.format, settings.credit) == ("deals", "all")
    ids = ["prospect_id", "email", "anonymous_id", *(["account_id"] if accounts else [])]
    named = any_of(table[name].notnull() for name in ids)
    rejection, detail = first_reason(
        (table.reason.notnull(), table.reason, table.detail),
        (nameless & is_event, "no_event", NOTHING),
        (table.ignored.isin(["name", "filtered"]).fill_null(False), NOTHING, NOTHING),
        *((table[name].re_search(_NESTED), "bad_id", quoted(table, name)) for name in IDS),
        (~named & is_event, no_identity, NOTHING),
        *time_checks(table, "time", settings),
        (table.time_us.isnull(), "no_time", NOTHING),
        *time_checks(table, "known_at", settings),
        (table.value_fault, "bad_value", quoted(table, "value")),
    )
    table = name_events(table.mutate(rejection=rejection, detail=detail), source)
    rejected = table.rejection.notnull()
    raw = ibis.coalesce(table.raw, rows.text(table)).left(RAW_LENGTH)
    content = rows.content(table).hexdigest("md5").left(ID_LENGTH)
    attributes = [name for name in table.columns if name.startswith(ATTRIBUTE)]
    table = table.mutate(event_id=ibis.coalesce(table.event_id, content))
    return table.select(
        "row", "detail", *IDS, *DESCRIPTION, "address", "client", *attributes,
        "event_name", "event_id",
        email_event=email_event_of(table, settings.bots),
        reason=table.rejection,
        raw=rejected.ifelse(raw, NOTHING),
        ignored=rejected.ifelse(NOTHING, table.ignored),
        time=table.time_us,
        known_at=table.known_at_us.fill_null(table.time_us),
        key=table.event_id.hash(),
        value=table.amount,
    )  # fmt: skip


def time_formats_of(
    rows: RawRows, source: SourceSettings, names: Sequence[str]
) -> dict[str, TimeFormat]:
    """Return how the times of columns are written: by the settings, else as the vendor does.

    Parameters
    ----------
    rows : RawRows, with the vendor's time formats
    source : SourceSettings, with its own, which take precedence
    names : sequence of str, the columns
    """
    return {
        name: _time_format_of(name, rows.time_formats.get(name, TimeFormat()), source)
        for name in names
    }


def _time_format_of(name: str, vendor: TimeFormat, source: SourceSettings) -> TimeFormat:
    unit = None if name in source.columns else vendor.unit
    return TimeFormat(
        zone=source.timezone or vendor.zone,
        unit=source.time_unit or unit,
        pattern=source.time_format or vendor.pattern,
    )


def _normalise(rows: RawRows, source: SourceSettings) -> Any:
    """Convert every field to its type; fields the file does not have become null."""
    table = parse_times(rows.table, time_formats_of(rows, source, ("time", "known_at")))
    value = table["value"] if "value" in table.columns else ibis.null("float64")
    properties = [name for name in table.columns if name.startswith(PROPERTY)]
    names = [*IDS, *DESCRIPTION, *properties, "event", "event_id", "category", "ignored"]
    fields = [*names, "client", "address"]
    present = set(fields).intersection(table.columns)
    texts = {name: as_text(table[name]) if name in present else NOTHING for name in fields}
    table = table.mutate(**texts, amount=as_number(value), has_value=_has_value(value))
    finished = {"value_fault": table.amount.isnull() & table.has_value}
    if "client" in present:
        table = table.mutate(agent=table.client.lower())
        finished["client"] = client_family(table.agent)
    if present.intersection(("address", "email")):
        table = table.mutate(email=table.email.lower(), address=table.address.lower())
        finished["address"] = ibis.coalesce(table.address, table.email).hexdigest("sha256").left(16)
    return table.mutate(**finished)


def as_text(value: Any) -> Any:
    """Convert a value to text: trimmed, null if empty, whole numbers without a decimal point."""
    kind = value.type()
    if kind.is_floating():
        whole = (value == value.floor()) & (value.abs() < 9e18)
        text = whole.ifelse(value.try_cast("int64").cast("string"), value.cast("string"))
        return value.isnan().ifelse(NOTHING, text)
    if not kind.is_string():
        return value.cast("string")
    return trimmed(value).nullif("")


def _has_value(value: Any) -> Any:
    """Return whether there is a value at all: not null, not nan, not empty."""
    if value.type().is_floating():
        return value.notnull() & ~value.isnan()
    return as_text(value).notnull()


def as_number(value: Any) -> Any:
    """Convert a value to a finite number; null if it is none."""
    kind = value.type()
    if kind.is_numeric() and not kind.is_boolean():
        number = value.cast("float64")
    else:
        text = as_text(value)
        number = text.re_search(_NUMBER).ifelse(text, NOTHING).try_cast("float64")
    return (number.isnan() | number.isinf()).ifelse(ibis.null("float64"), number)


def time_checks(table: Any, name: str, settings: IngestSettings) -> list[tuple[Any, Any, Any]]:
    """Return the checks of a time parsed into `<name>_us` and `<name>_fault`.

    Parameters
    ----------
    table : Ibis table
    name : str
    settings : IngestSettings, holds the range of plausible times

    Returns
    -------
    list of tuple
        Condition, reason and detail, for :func:`first_reason`.
    """
    micros, fault = table[f"{name}_us"], table[f"{name}_fault"]
    first, end = to_microseconds(settings.plausible_from), to_microseconds(settings.plausible_until)
    implausible = (micros < first) | (micros >= end)
    content = quoted(table, name)
    return [(fault.notnull(), fault, content), (implausible, "implausible_time", content)]


def quoted(table: Any, name: str) -> Any:
    """Return the content of a field, for the detail of a rejected row.

    Parameters
    ----------
    table : Ibis table
    name : str
    """
    text = table[name].cast("string") if name in table.columns else NOTHING
    return ibis.literal(f"{name}: ") + text.left(80)


def first_reason(*cases: tuple[Any, Any, Any]) -> tuple[Any, Any]:
    """Return reason and detail of the first condition that holds."""
    reasons = ibis.cases(*((when, reason) for when, reason, _ in cases), else_=NOTHING)
    details = ibis.cases(*((when, detail) for when, _, detail in cases), else_=NOTHING)
    return reasons, details
