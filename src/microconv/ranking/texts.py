"""Feature columns in plain words: the table `texts.csv`, which anybody may edit.

One row of the table says how the columns that match `pattern` read. The first
row whose `when` holds gives the text.

`pattern`
    A column's name. ``{step}`` stands for any step of the journey, ``{stage}``
    and ``{kind}`` likewise, ``{window}`` and ``{longer}`` for a number of days
    (``30d``), ``{sequence}`` for ``a>b``; any other word in braces for anything.
`subject`
    What the column is about. Columns of one subject make one reason together.
`when`
    Empty for always, or conditions joined by "and": ``missing``, ``= 0``,
    ``> 2`` about the column's value, ``[counts.{step}.ever] > 0`` about another's.
`weak`
    A text that says little (``source is not webinar``) is only used where no
    other column of the subject has a better one.
`text`
    Braces put in what the pattern found or the value: ``{ago}``, ``{times}``,
    ``{says step}``; brackets do the same with another column: ``[ago
    recency.{step}.last]``. The words before are the formats of :data:`FORMATS`.

What comes from data (a category, an attribute's name) is cut to a line and put
in last, so that braces and brackets in it mean nothing.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

LONGEST = 60
"""Words from data are cut to so many characters."""

_CONDITION = re.compile(r"(?:\[([^\]]+)\] )?(?:(missing)|(<=|>=|=|<|>) (-?[\d.]+))")
Condition = tuple[str | None, str, float]
"""Of another column or None for its own, how it compares, and with what."""


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


@dataclass(frozen=True)
class Text:
    """One row of the table."""

    pattern: str
    subject: str
    conditions: tuple[Condition, ...]
    weak: bool
    text: str


@cache
def read_texts() -> tuple[Text, ...]:
    """Read the table that comes with the package."""
    content = files("microconv.ranking").joinpath("texts.csv").read_text(encoding="utf-8")
    return tuple(
        Text(
            row["pattern"], row["subject"], _conditions(row["when"]), bool(row["weak"]), row["text"]
        )
        for row in csv.DictReader(content.splitlines())
    )


def _conditions(when: str) -> tuple[Condition, ...]:
    conditions = []
    for part in when.split(" and ") if when else []:
        match = _CONDITION.fullmatch(part)
        if match is None:
            raise ValueError(f"texts.csv: the condition {part!r} is not understood")
        column, missing, comparison, bound = match.groups()
        conditions.append((column, missing or comparison, float(bound or 0)))
    return tuple(conditions)


def clean(word: str) -> str:
    r"""Make one short line of a word from data, without anything invisible.

    Examples
    --------
    >>> clean("two\nlines"), clean("x" * 100) == "x" * 59 + "…"
    ('two lines', True)
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in word).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
