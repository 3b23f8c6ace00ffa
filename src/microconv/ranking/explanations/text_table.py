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
    ``{label step}``; brackets do the same with another column: ``[ago
    recency.{step}.last]``. The words before are the formats of
    :data:`~microconv.ranking.explanations.formatting.FORMATS`.

A table of one's own (`score.reason_texts`) is read before the one that comes with the
package, so it needs only the rows that shall read differently. What comes from data
(a category, an attribute's name) is cut to a line and put in last, so that braces and
brackets in it mean nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from microconv.errors import MissingInputError, SettingsError, listed
from microconv.ranking.explanations.text_rules import Condition, conditions_of, fault_of

HEADER = ("pattern", "subject", "when", "weak", "text")


@dataclass(frozen=True)
class ReasonText:
    """One row of the table."""

    pattern: str
    subject: str
    conditions: tuple[Condition, ...]
    weak: bool
    text: str


def read_texts(own: str | Path | None = None) -> tuple[ReasonText, ...]:
    """Read the table: the rows of one's own, if there are any, and then the package's.

    Parameters
    ----------
    own : path, optional
        A CSV file in UTF-8, separated by commas or semicolons.

    Raises
    ------
    MissingInputError
        If there is no such file.
    SettingsError
        If it is no such table, naming the line and what is wrong there.
    """
    return (
        built_in_texts()
        if own is None
        else (*parse_texts(_content_of(own), str(own)), *built_in_texts())
    )


@cache
def built_in_texts() -> tuple[ReasonText, ...]:
    """Read the table that comes with the package."""
    content = files("microconv.ranking.explanations").joinpath("texts.csv").read_bytes()
    return parse_texts(content, "texts.csv")


def parse_texts(content: bytes, origin: str) -> tuple[ReasonText, ...]:
    """Check the bytes of a table and read its rows.

    Raises
    ------
    SettingsError
        Naming the line of `origin` and what is wrong there.
    """
    texts: list[ReasonText] = []
    seen: dict[tuple[str, str], int] = {}
    subjects: dict[str, str] = {}
    for line, row in _rows(content, origin):
        place = f"{origin}, line {line}"
        fault = fault_of(row)
        if fault:
            raise SettingsError(f"{place}: {fault}")
        key = row["pattern"], row["when"]
        if key in seen:
            raise SettingsError(
                f"{place}: line {seen[key]} already has the pattern `{key[0]}` with the same "
                f"`when` ({key[1] or 'always'}), so this text would never be used. Remove one."
            )
        seen[key] = line
        if subjects.setdefault(row["pattern"], row["subject"]) != row["subject"]:
            raise SettingsError(
                f"{place}: the pattern `{row['pattern']}` has the subject `{row['subject']}` here "
                f"and `{subjects[row['pattern']]}` further up; a column is about one thing."
            )
        conditions = conditions_of(row["when"])
        texts.append(
            ReasonText(row["pattern"], row["subject"], conditions, bool(row["weak"]), row["text"])
        )
    return tuple(texts)


def _content_of(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise MissingInputError(
            f"There is no table of texts at {path}, which `score.reason_texts` names. Remove the "
            "setting to use the built-in table."
        ) from None
    except OSError as error:
        raise SettingsError(
            f"The table of texts at {path}, which `score.reason_texts` names, cannot be read: "
            f"{error.strerror}."
        ) from None


def _rows(content: bytes, origin: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Read the cells, stripped, with the line that each row ends on; empty rows are nothing."""
    try:
        text = content.decode("utf-8-sig")  # Excel begins its UTF-8 with a byte order mark
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError(
            f'{origin}, line {line}: this is not UTF-8. Save it as UTF-8 (in Excel: "CSV UTF-8").'
        ) from None
    begins = text.partition("\n")[0]
    semicolons = begins.count(";") > begins.count(",")
    cells = csv.reader(io.StringIO(text, newline=""), delimiter=";" if semicolons else ",")
    try:
        header = [name.strip() for name in next(cells, [])]
        _check_header(header, origin)
        for row in cells:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                raise SettingsError(
                    f"{origin}, line {cells.line_num}: there are {len(row)} cells under "
                    f"{len(header)} columns. A text that holds the separator stands in quotation "
                    'marks: "once, then no more".'
                )
            yield cells.line_num, dict(zip(header, (cell.strip() for cell in row), strict=True))
    except csv.Error as error:
        raise SettingsError(f"{origin}, line {cells.line_num}: this is no CSV ({error}).") from None


def _check_header(header: list[str], origin: str) -> None:
    missing = [name for name in HEADER if name not in header]
    unknown = [name for name in header if name not in HEADER]
    if missing or unknown or len(header) != len(HEADER):
        has = listed(header) if any(header) else "no header"
        wrong = f"lacks {listed(missing)}" if missing else f"has too much ({listed(header)})"
        raise SettingsError(
            f"{origin}: the table {wrong}. Its columns are {listed(HEADER)}; this one has {has}."
        )
