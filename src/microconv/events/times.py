"""Reading instants: what a vendor wrote → microseconds since 1970 in UTC, or why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import ibis

from microconv.events.relational import at_zone, epoch_us, match_instant, trimmed

MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = (
    r"^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,6})\d*)?"
    r" ?(Z|z|UTC|[+-]\d{2}(?::?\d{2})?)?)?$"
)
_HELPERS = ("text", "parts", "number", "local", "fraction", "offset", "counted")
_NUMBER = r"^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$"


def micros_of(instant: datetime) -> int:
    """Count the microseconds from 1970 to an aware instant.

    Examples
    --------
    >>> micros_of(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    return (instant - _EPOCH) // MICROSECOND


def read_instants(table: Any, names: tuple[str, ...], zone: str | None) -> Any:
    """Read columns of instants of whatever type.

    - Text is ISO 8601: a day, or a day and a clock time, with an offset (`Z`,
      `UTC`, `+02:00`) or without. More than six digits of a second are cut off.
    - Numbers count from 1970 in UTC: seconds below 1e11 (the year 5138),
      milliseconds below 1e14, microseconds below 1e17, else nanoseconds.
    - What names no offset is local time in `zone`: where the clocks go back, an
      hour that exists twice is the second; where they go forward, a time that
      was skipped is read as if they had not.

    Parameters
    ----------
    table : Ibis table
        Columns of text, numbers, dates or timestamps; one that is absent reads
        as nothing.
    zone : str or None
        The source's `timezone`.

    Returns
    -------
    Ibis table
        With, for each name, `<name>_us` (null where nothing could be read) and
        `<name>_fault` (`bad_time` or `naive_time`, else null). Each step is a
        column of its own, so that the engine takes it once.
    """
    written = [n for n in names if n in table.columns and _is_text(table[n].type())]
    for name in [name for name in names if name not in written]:
        value = table[name] if name in table.columns else ibis.null("timestamp('UTC')")
        table = _read_typed(table, name, value, zone)
    texts = {f"{n}_text": trimmed(table[n].cast("string")).nullif("") for n in written}
    if not texts:
        return table
    table = table.mutate(**texts)
    groups = ibis.array(["day", "clock", "fraction", "zone"])
    table = table.mutate(
        **{f"{n}_parts": match_instant(table[f"{n}_text"], _ISO, groups) for n in written},
        **{f"{n}_number": _as_number(table[f"{n}_text"]) for n in written},
    )
    table = table.mutate(
        **{f"{n}_local": _local(table[f"{n}_parts"]) for n in written},
        **{f"{n}_fraction": _fraction(table[f"{n}_parts"]) for n in written},
        **{f"{n}_offset": table[f"{n}_parts"].zone.nullif("") for n in written},
        **{f"{n}_counted": _counted(table[f"{n}_number"]) for n in written},
    )
    for name in written:
        table = _read_written(table, name, zone)
    return table.drop(*(f"{n}_{part}" for n in written for part in _HELPERS))


def _is_text(kind: Any) -> bool:
    return not (kind.is_timestamp() or kind.is_date() or kind.is_numeric())


def _read_typed(table: Any, name: str, value: Any, zone: str | None) -> Any:
    kind, nothing = value.type(), ibis.null("string")
    if kind.is_timestamp() and kind.timezone is not None:
        micros, fault = epoch_us(value.cast("timestamp('UTC')")), nothing
    elif kind.is_numeric():
        micros = _counted(value.cast("float64"))
        number = value.cast("float64")
        fault = (micros.isnull() & number.notnull() & ~number.isnan()).ifelse("bad_time", nothing)
    else:
        micros, fault = _in_zone(value.cast("timestamp"), zone)
    return table.mutate(**{f"{name}_us": micros, f"{name}_fault": fault})


def _read_written(table: Any, name: str, zone: str | None) -> Any:
    text, local, offset = (table[f"{name}_{part}"] for part in ("text", "local", "offset"))
    counted, fraction = table[f"{name}_counted"], table[f"{name}_fraction"]
    seen_in_zone, naive = _in_zone(local, zone)
    micros = ibis.cases(
        (counted.notnull(), counted),
        (offset.isnull(), seen_in_zone + fraction),
        else_=epoch_us(local.cast("timestamp('UTC')")) - _minutes(offset) * 60_000_000 + fraction,
    )
    fault = ibis.cases(
        (text.isnull() | counted.notnull(), ibis.null("string")),
        (local.isnull(), "bad_time"),
        (offset.isnull(), naive),
        else_=ibis.null("string"),
    )
    return table.mutate(**{f"{name}_us": micros, f"{name}_fault": fault})


def _in_zone(local: Any, zone: str | None) -> tuple[Any, Any]:
    if zone is None:
        return ibis.null("int64"), local.notnull().ifelse("naive_time", ibis.null("string"))
    return epoch_us(at_zone(zone, local)), ibis.null("string")


def _as_number(text: Any) -> Any:
    return text.re_search(_NUMBER).ifelse(text, ibis.null("string")).try_cast("float64")


def _counted(number: Any) -> Any:
    """Turn a count since 1970 into microseconds, by its size; null if it is too large."""
    size = number.abs()
    micros = ibis.cases(
        (number.isnan(), ibis.null("float64")),
        (size < 1e11, number * 1e6),
        (size < 1e14, number * 1e3),
        (size < 1e17, number),
        (size < 1e20, number / 1e3),
        else_=ibis.null("float64"),
    )
    return micros.round().cast("int64")


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
