"""Reading instants: what a vendor wrote → microseconds since 1970 in UTC, or why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis

from microconv.ingest.duckdb_engine import (
    at_zone,
    epoch_us,
    match_instant,
    parse_instant,
    parse_local,
    trimmed,
)

MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = (
    r"^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{1,2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,6})\d*)?"
    r" ?(Z|z|UTC|[+-]\d{2}(?::?\d{2})?)?)?$"
)
_HELPERS = ("text", "parts", "number", "local", "fraction", "offset", "counted")
_MICROS = {"seconds": 1e6, "milliseconds": 1e3, "microseconds": 1.0, "nanoseconds": 1e-3}
_MOST = 9.2e18
"""Microseconds beyond which no integer reaches, some 290,000 years from 1970."""
_NUMBER = r"^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$"


@dataclass(frozen=True)
class Clock:
    """How a column writes instants.

    Attributes
    ----------
    zone : str or None
        Zone of what names no offset.
    unit : str or None
        What its numbers count since 1970; None takes it from their size.
    format : str or None
        How its text is written, where that is not ISO 8601.
    """

    zone: str | None = None
    unit: str | None = None
    format: str | None = None


def micros_of(instant: datetime) -> int:
    """Count the microseconds from 1970 to an aware instant.

    Examples
    --------
    >>> micros_of(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    return (instant - _EPOCH) // MICROSECOND


def read_instants(table: Any, clocks: Mapping[str, Clock]) -> Any:
    """Read columns of instants of whatever type.

    - Text is ISO 8601: a day, or a day and a clock time, with an offset (`Z`,
      `UTC`, `+02:00`) or without. More than six digits of a second are cut off.
      Where its clock has a format, text is that or ISO 8601, and never a number.
    - Numbers count from 1970 in UTC, in the unit of the clock. Where it names
      none: seconds below 1e11 (the year 5138), milliseconds below 1e14,
      microseconds below 1e17, else nanoseconds.
    - What names no offset is local time in `zone`: where the clocks go back, an
      hour that exists twice is the second; where they go forward, a time that
      was skipped is read as if they had not.

    Parameters
    ----------
    table : Ibis table
        Columns of text, numbers, dates or timestamps; one that is absent reads
        as nothing.
    clocks : mapping of str to Clock
        Column → how it is written.

    Returns
    -------
    Ibis table
        With, for each name, `<name>_us` (null where nothing could be read) and
        `<name>_fault` (`bad_time` or `naive_time`, else null). Each step is a
        column of its own, so that the engine takes it once.
    """
    written = [n for n in clocks if n in table.columns and _is_text(table[n].type())]
    for name in [name for name in clocks if name not in written]:
        value = table[name] if name in table.columns else ibis.null("timestamp('UTC')")
        table = _read_typed(table, name, value, clocks[name])
    texts = {f"{n}_text": trimmed(table[n].cast("string")).nullif("") for n in written}
    if not texts:
        return table
    table = table.mutate(**texts)
    groups = ibis.array(["day", "clock", "fraction", "zone"])
    table = table.mutate(
        **{f"{n}_parts": match_instant(table[f"{n}_text"], _ISO, groups) for n in written},
        **{f"{n}_number": _as_number(table[f"{n}_text"], clocks[n]) for n in written},
    )
    table = table.mutate(
        **{f"{n}_local": _local(table[f"{n}_parts"]) for n in written},
        **{f"{n}_fraction": _fraction(table[f"{n}_parts"]) for n in written},
        **{f"{n}_offset": table[f"{n}_parts"].zone.nullif("") for n in written},
        **{f"{n}_counted": _counted(table[f"{n}_number"], clocks[n]) for n in written},
    )
    for name in written:
        table = _read_written(table, name, clocks[name])
    return table.drop(*(f"{n}_{part}" for n in written for part in _HELPERS))


def _is_text(kind: Any) -> bool:
    return not (kind.is_timestamp() or kind.is_date() or kind.is_numeric())


def _read_typed(table: Any, name: str, value: Any, clock: Clock) -> Any:
    kind, nothing = value.type(), ibis.null("string")
    if kind.is_timestamp() and kind.timezone is not None:
        micros, fault = epoch_us(value.cast("timestamp('UTC')")), nothing
    elif kind.is_numeric():
        micros = _counted(value.cast("float64"), clock)
        number = value.cast("float64")
        fault = (micros.isnull() & number.notnull() & ~number.isnan()).ifelse("bad_time", nothing)
    else:
        micros, fault = _in_zone(value.cast("timestamp"), clock.zone)
    return table.mutate(**{f"{name}_us": micros, f"{name}_fault": fault})


def _read_written(table: Any, name: str, clock: Clock) -> Any:
    text, local, offset = (table[f"{name}_{part}"] for part in ("text", "local", "offset"))
    counted, fraction = table[f"{name}_counted"], table[f"{name}_fraction"]
    seen_in_zone, naive = _in_zone(local, clock.zone)
    nothing = ibis.null("string")
    formatted, fault = _in_format(text, clock)
    micros = ibis.cases(
        (formatted.notnull(), formatted),
        (counted.notnull(), counted),
        (offset.isnull(), seen_in_zone + fraction),
        else_=epoch_us(local.cast("timestamp('UTC')")) - _minutes(offset) * 60_000_000 + fraction,
    )
    fault = ibis.cases(
        (fault.notnull(), fault),
        (text.isnull() | counted.notnull() | formatted.notnull(), nothing),
        (local.isnull(), "bad_time"),
        (offset.isnull(), naive),
        else_=nothing,
    )
    return table.mutate(**{f"{name}_us": micros, f"{name}_fault": fault})


def _in_format(text: Any, clock: Clock) -> tuple[Any, Any]:
    """Read text in the clock's own format; nothing where it is not written so."""
    if clock.format is None:
        return ibis.null("int64"), ibis.null("string")
    if "%z" in clock.format:
        return epoch_us(parse_instant(text, clock.format)), ibis.null("string")
    return _in_zone(parse_local(text, clock.format), clock.zone)


def _in_zone(local: Any, zone: str | None) -> tuple[Any, Any]:
    if zone is None:
        return ibis.null("int64"), local.notnull().ifelse("naive_time", ibis.null("string"))
    return epoch_us(at_zone(zone, local)), ibis.null("string")


def _as_number(text: Any, clock: Clock) -> Any:
    if clock.format is not None:
        return ibis.null("float64")
    return text.re_search(_NUMBER).ifelse(text, ibis.null("string")).try_cast("float64")


def _counted(number: Any, clock: Clock) -> Any:
    """Turn a count since 1970 into microseconds; null if no instant is that far away."""
    size = number.abs()
    if clock.unit is None:
        micros = ibis.cases(
            (size < 1e11, number * 1e6),
            (size < 1e14, number * 1e3),
            (size < 1e17, number),
            (size < 1e20, number / 1e3),
            else_=ibis.null("float64"),
        )
    else:
        micros = number * _MICROS[clock.unit]
    held = number.isnan() | (micros.abs() >= _MOST)
    return held.ifelse(ibis.null("float64"), micros).round().cast("int64")


def _local(parts: Any) -> Any:
    clock = parts.clock.nullif("").fill_null("00:00")
    return (parts.day.nullif("") + " " + clock).try_cast("timestamp")


def _fraction(parts: Any) -> Any:
    return (parts.fraction + "000000").substr(0, 6).cast("int64")


def _minutes(offset: Any) -> Any:
    """Turn `Z` or `UTC` into 0, `+02:00`, `+0200` or `+02` into 120."""
    digits = offset.substr(1).replace(":", "") + "0000"
    minutes = digits.substr(0, 2).try_cast("int64") * 60 + digits.substr(2, 2).try_cast("int64")
    return ibis.cases(
        (offset.startswith("+"), minutes), (offset.startswith("-"), -minutes), else_=0
    )
