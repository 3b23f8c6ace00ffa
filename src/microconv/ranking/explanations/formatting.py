"""Formats of values and of text from data, as the table of reason texts may use them."""

from __future__ import annotations

import math
from collections.abc import Callable

MAX_LENGTH = 60
"""Text from data is cut to this many characters."""


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
    """Write a count; bot detection makes it fractional.

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
    "percent": lambda value: f"{100 * value:.0f}%",
    "s": lambda value: "" if value == 1 else "s",
    "es": lambda value: "" if value == 1 else "es",
}
"""How a value is written; ``stage``, which needs the journey, comes besides."""


def one_line(text: str) -> str:
    r"""Return text from data as one short line, without invisible characters.

    Examples
    --------
    >>> one_line("two\nlines"), one_line("x" * 100) == "x" * 59 + "…"
    ('two lines', True)
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= MAX_LENGTH else f"{line[: MAX_LENGTH - 1]}…"
