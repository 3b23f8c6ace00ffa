"""Formats of written instants: what may stand in `time_format`."""

from __future__ import annotations

import re

from microconv.errors import listed

PARTS = {
    "%Y": "year", "%y": "year", "%m": "month", "%b": "month", "%B": "month", "%d": "day",
    "%j": "month and day", "%H": "hour", "%I": "hour", "%p": "am or pm", "%M": "minute",
    "%S": "second", "%f": "fraction", "%z": "offset", "%a": "weekday", "%A": "weekday",
}  # fmt: skip
"""Directive → what it stands for. Numbers may have a leading zero or none."""

_DIRECTIVE = re.compile(r"%.|%$", re.DOTALL)


def require_day(written: str) -> str:
    """Refuse a format that does not say the day, or says it in a way nobody can read.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> require_day("%d/%m/%Y %H:%M")
    '%d/%m/%Y %H:%M'
    """
    codes = set(_DIRECTIVE.findall(written.replace("%%", "")))
    if "%Z" in codes:
        raise ValueError(
            f"`{written}` asks for the name of a zone (`%Z`), and such names are ambiguous; write "
            "the source's `timezone`, or `%z` for an offset"
        )
    unknown = sorted(codes - set(PARTS))
    if unknown:
        raise ValueError(
            f"`{written}` holds {listed(unknown)}; there is {listed([*PARTS], most=20)}"
        )
    said = " ".join(PARTS[code] for code in codes)
    missing = [part for part in ("year", "month", "day") if part not in said.split()]
    if missing:
        raise ValueError(f"`{written}` does not say the {listed(missing)}, so it names no day")
    if ("%I" in codes) != ("%p" in codes):
        raise ValueError(f"`{written}`: `%I` and `%p` need each other")
    return written
