"""How values and words from data are written: the formats that the table of texts may use."""

from __future__ import annotations

import math
from collections.abc import Callable

LONGEST = 60
"""Words from data are cut to so many characters."""


def number(value: float) -> str:
    """Write a number as short as it can be.

    Examples
    --------
    >>> number(4.0), number(0.254), number(1250000.0)
    ('4', '0.25', '1,250,000')
    """
    if abs(value) >= 1e12:
        return f"{value:.3g}"
    if value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2g}"


def times(value: float) -> str:
    """Write how often; robots make halves of events.

    Examples
    --------
    >>> times(1.0), times(2.2), times(3.0), times(0.3)
    ('once', 'twice', '3 times', 'perhaps once')
    """
    whole = round(value)
    return {0: "perhaps once", 1: "once", 2: "twice"}.get(whole, f"{whole:,} times")


def days(value: float) -> str:
    """Write a duration given in days.

    Examples
    --------
    >>> days(0.4), days(1.0), days(21.9)
    ('less than a day', '1 day', '21 days')
    """
    whole = math.floor(round(value, 3))
    if whole < 1:
        return "less than a day"
    return f"{whole:,} day" if whole == 1 else f"{whole:,} days"


FORMATS: dict[str, Callable[[float], str]] = {
    "number": number,
    "times": times,
    "days": days,
    "ago": lambda value: f"{days(value)} ago",
    "within": lambda value: f"within {'a day' if value <= 1 else f'{math.ceil(value):,} days'}",
    "percent": lambda value: f"{100 * value:.0f} %",
    "s": lambda value: "" if value == 1 else "s",
    "es": lambda value: "" if value == 1 else "es",
}
"""How a value is written; ``stage``, which needs the journey, comes besides."""


def clean(word: str) -> str:
    r"""Make one short line of a word from data, without anything invisible.

    Examples
    --------
    >>> clean("two\nlines"), clean("x" * 100) == "x" * 59 + "…"
    ('two lines', True)
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in word).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
