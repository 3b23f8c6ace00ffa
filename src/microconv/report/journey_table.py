"""Tables of the journey page: a figure and its interval in one cell, each column sortable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from microconv.report.pages import percent, whole

MAX_ROWS = 200
"""Rows of a table on the page; the page says how many more are in journey.json."""

MAX_OPEN = 8
"""Tables with more rows than this are folded."""

CENTRES = ("_rate", "_ratio", "_difference", "_days", "")
"""What follows the name of an interval in the name of the figure that it is of."""

SHARES = (
    "rate", "share", "removal_effect", "difference", "done_in_time",
    "variance_removed", "simultaneous", "anytime",
)  # fmt: skip
MONEY = ("revenue", "winsorized", "lifetime", "lost_revenue")
PROBABILITIES = ("p", "q", "q_value", "p_value", "p_adjusted")


@dataclass(frozen=True)
class Cell:
    """What one cell shows, and what it is sorted by."""

    text: str
    interval: str = ""
    key: str = ""
    number: bool = False


@dataclass(frozen=True)
class Table:
    """A table as it is shown.

    Attributes
    ----------
    name : str
    heads : tuple of str
    rows : list of list of Cell
    of : int
        How many rows there are in all.
    folded : bool
    """

    name: str
    heads: tuple[str, ...]
    rows: list[list[Cell]]
    of: int
    folded: bool


def table_of(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the rows of a table of `journey.json` as cells.

    Parameters
    ----------
    name : str
    rows : sequence of mapping
        All with the same keys.
    """
    names = list(rows[0])
    intervals = dict(_intervals(names))
    place = {ends[0]: centre for centre, ends in intervals.items() if centre not in names}
    hidden = {end for ends in intervals.values() for end in ends}
    columns = [place.get(c, c) for c in names if c in place or c not in hidden]
    numbers = {c for c in columns if all(_is_number(row.get(c)) for row in rows)}
    shown = [
        [_cell(column, row, intervals.get(column), column in numbers) for column in columns]
        for row in rows[:MAX_ROWS]
    ]
    heads = tuple(column.replace("_", " ") for column in columns)
    return Table(name.replace("_", " "), heads, shown, len(rows), len(rows) > MAX_OPEN)


def _intervals(names: Sequence[str]) -> list[tuple[str, tuple[str, str]]]:
    """Find the figure that each pair `…_low`, `…_high` is the interval of.

    An interval that stands alone is put under the name that its ends share.
    """
    found = []
    for name in names:
        stem = name.removesuffix("low").removesuffix("_")
        if not name.endswith("low") or name[: -len("low")] + "high" not in names:
            continue
        centres = [stem + tail for tail in CENTRES] if stem else ["difference"]
        centre = next((c for c in centres if c in names), stem or "interval")
        found.append((centre, (name, name[: -len("low")] + "high")))
    return found


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _cell(column: str, row: Mapping[str, Any], ends: tuple[str, str] | None, number: bool) -> Cell:
    value = row.get(column)
    text = written(column, value)
    if not number:
        return Cell(text, key=text.casefold())
    interval = ""
    if ends is not None and row[ends[0]] is not None and row[ends[1]] is not None:
        interval = f"{written(column, row[ends[0]])} to {written(column, row[ends[1]])}"
        if column not in row:
            text, value, interval = interval, row[ends[0]], ""
    key = "" if value is None else f"{value:.12g}"
    return Cell(text, interval, key, number=True)


def written(column: str, value: Any) -> str:
    """Return a value in the number format of its column.

    Parameters
    ----------
    column : str
    value : object

    Examples
    --------
    >>> written("completed_rate", 0.314), written("completed", 1463.1), written("order_ratio", 2.9)
    ('31%', '1,463', '2.90')
    >>> written("p_value", 0.00001), written("difference", -0.023), written("step", None)
    ('< 0.001', '-2.3%', '–')
    """
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)):
        return " › ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    if column in PROBABILITIES or column.endswith(("_p", "p_value")):
        return "< 0.001" if value < 0.001 else f"{value:.3f}"
    if column.startswith(MONEY) or isinstance(value, int):
        return whole(value)
    if "ratio" in column or "lift" in column or "cycle" in column:
        return f"{value:.2f}"
    if column.endswith(SHARES):
        return ("-" if value < 0 else "") + percent(abs(value))
    if "days" in column:
        return f"{value:,.1f}"
    return whole(value) if abs(value) >= 10 or value == int(value) else f"{value:.2g}"
