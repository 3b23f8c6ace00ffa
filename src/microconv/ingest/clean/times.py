"""Parsing times: what an export holds → microseconds since 1970 in UTC, or a reason code."""

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
_MAX_MICROS = 9.2e18
"""Largest number of microseconds that an integer holds, some 290,000 years from 1970."""
_NUMBER = r"^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$"


@dataclass(frozen=True)
class TimeFormat:
    """How the times of a column are written.

    Attributes
    ----------
    zone : str or None, zone of times without an offset
    unit : str or None, unit of numbers that count from 1970; None derives it from their size
    pattern : str or None, how text is written (strptime), where that is not ISO 8601
    """

    zone: str | None = None
    unit: str | None = None
    pattern: str | None = None


def to_microseconds(instant: datetime) -> int:
    """Return the microseconds from 1970 to an aware datetime.

    Examples
    --------
    >>> to_microseconds(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    return (instant - _EPOCH) // MICROSECOND


def parse_times(table: Any, formats: Mapping[str, TimeFormat]) -> Any:
    """Parse columns of times of any type.

    - Text is ISO 8601: a day, or a day and a clock time, with an offset (`Z`,
      `UTC`, `+02:00`) or without. More than six digits of a second are cut off.
      Where there is a pattern, text matches it or ISO 8601, and is never a number.
    - Numbers count from 1970 in UTC, in the given unit. Without one:
      seconds below 1e11 (the year 5138), milliseconds below 1e14,
      microseconds below 1e17, else nanoseconds.
    - What has no offset is local time in `zone`: of an hour that exists twice
      the second is meant; a time that the change to summer time skips is read
      as if there had been no change.

    Parameters
    ----------
    table : Ibis table
        Columns of text, numbers, dates or timestamps; one that is absent is
        read as null.
    formats : mapping of str to TimeFormat, column → how its times are written

    Returns
    -------
    Ibis table
        With, for each name, `<name>_us` (null where it could not be parsed) and
        `<name>_fault` (`bad_time` or `naive_time`, else null). Each step is a
        column of its own, so that DuckDB computes it once.
    """
    written = [n for n in formats if n in table.columns and _is_text(table[n].type())]
    for name in [name for name in formats if name not in written]:
        value = table[name] if name in table.columns else ibis.null("timestamp('UTC')")
        table = _convert_typed(table, name, value, formats[name])
    texts = {f"{n}_text": trimmed(table[n].cast("string")).nullif("") for n in written}
    if not texts:
        return table
    table = table.mutate(**texts)
    groups = ibis.array(["day", "clock", "fraction", "zone"])
    table = table.mutate(
        **{f"{n}_parts": match_instant(table[f"{n}_text"], _ISO, groups) for n in written},
        **{f"{n}_number": _as_number(table[f"{n}_text"], formats[n]) for n in written},
    )
    table = table.mutate(
        **{f"{n}_local": _local(table[f"{n}_parts"]) for n in written},
        **{f"{n}_fraction": _fraction(table[f"{n}_parts"]) for n in written},
        **{f"{n}_offset": table[f"{n}_parts"].zone.nullif("") for n in written},
        **{f"{n}_counted": _counted(table[f"{n}_number"], formats[n]) for n in written},
    )
    for name in written:
        table = _parse_text(table, name, formats[name])
    return table.drop(*(f"{n}_{part}" for n in written for part in _HELPERS))


def _is_text(kind: Any) -> bool:
    return not (kind.is_timestamp() or kind.is_date() or kind.is_numeric())


def _convert_typed(table: Any, name: str, value: Any, how: TimeFormat) -> Any:
    kind, nothing = value.type(), ibis.null("string")
    if kind.is_timestamp() and kind.timezone is not None:
        micros, fault = epoch_us(value.cast("timestamp('UTC')")), nothing
    elif kind.is_numeric():
        micros = _counted(value.cast("float64"), how)
        number = value.cast("float64")
        fault = (micros.isnull() & number.notnull() & ~number.isnan()).ifelse("bad_time", nothing)
    else:
        micros, fault = _in_zone(value.cast("timestamp"), how.zone)
    return table.mutate(**{f"{name}_us": micros, f"{name}_fault": fault})


def _parse_text(table: Any, name: str, how: TimeFormat) -> Any:
    text, local, offset = (table[f"{name}_{part}"] for part in ("text", "local", "offset"))
    counted, fraction = table[f"{name}_counted"], table[f"{name}_fraction"]
    in_zone, naive = _in_zone(local, how.zone)
    nothing = ibis.null("string")
    formatted, fault = _in_format(text, how)
    micros = ibis.cases(
        (formatted.notnull(), formatted),
        (counted.notnull(), counted),
        (offset.isnull(), in_zone + fraction),
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


def _in_format(text: Any, how: TimeFormat) -> tuple[Any, Any]:
    """Parse text by the pattern; null where it does not match."""
    if how.pattern is None:
        return ibis.null("int64"), ibis.null("string")
    if "%z" in how.pattern:
        return epoch_us(parse_instant(text, how.pattern)), ibis.null("string")
    return _in_zone(parse_local(text, how.pattern), how.zone)


def _in_zone(local: Any, zone: str | None) -> tuple[Any, Any]:
    if zone is None:
        return ibis.null("int64"), local.notnull().ifelse("naive_time", ibis.null("string"))
    return epoch_us(at_zone(zone, local)), ibis.null("string")


def _as_number(text: Any, how: TimeFormat) -> Any:
    if how.pattern is not None:
        return ibis.null("float64")
    return text.re_search(_NUMBER).ifelse(text, ibis.null("string")).try_cast("float64")


def _counted(number: Any, how: TimeFormat) -> Any:
    """Convert a count since 1970 to microseconds; null if it is out of range."""
    size = number.abs()
    if how.unit is None:
        micros = ibis.cases(
            (size < 1e11, number * 1e6),
            (size < 1e14, number * 1e3),
            (size < 1e17, number),
            (size < 1e20, number / 1e3),
            else_=ibis.null("float64"),
        )
    else:
        micros = number * _MICROS[how.unit]
    invalid = number.isnan() | (micros.abs() >= _MAX_MICROS)
    return invalid.ifelse(ibis.null("float64"), micros).round().cast("int64")


def _local(parts: Any) -> Any:
    clock = parts.clock.nullif("").fill_null("00:00")
    return (parts.day.nullif("") + " " + clock).try_cast("timestamp")


def _fraction(parts: Any) -> Any:
    return (parts.fraction + "000000").substr(0, 6).cast("int64")


def _minutes(offset: Any) -> Any:
    """Convert `Z` or `UTC` to 0, `+02:00`, `+0200` or `+02` to 120."""
    digits = offset.substr(1).replace(":", "") + "0000"
    minutes = digits.substr(0, 2).try_cast("int64") * 60 + digits.substr(2, 2).try_cast("int64")
    return ibis.cases(
        (offset.startswith("+"), minutes), (offset.startswith("-"), -minutes), else_=0
    )
