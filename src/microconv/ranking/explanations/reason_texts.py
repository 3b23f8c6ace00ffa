"""The texts of reasons: the table `reason_texts.csv`, which says how a feature column reads.

One row of the table is for the columns that match `pattern`. The first row whose `when`
holds gives the text.

`pattern`
    A column's name. ``{step}`` stands for any step of the journey, ``{stage}`` and ``{kind}``
    likewise, ``{window}`` and ``{longer}`` for a number of days (``30d``), ``{sequence}`` for
    ``a>b``; any other name in braces for anything.
`subject`
    What the column is about. Columns of one subject are added up to one reason.
`when`
    Empty for always, or conditions joined by "and": ``missing``, ``= 0``,
    ``> 2`` for the column's value, ``[counts.{step}.ever] > 0`` for another column's.
`weak`
    A text that says little (``source is not webinar``) is only used where no
    other column of the subject has a better one.
`text`
    Braces insert what the pattern matched or the value: ``{ago}``, ``{times}``,
    ``{label step}``; brackets do the same with another column: ``[ago recency.{step}.last]``.
    The formats are those of :data:`~microconv.ranking.explanations.formatting.FORMATS`.

A table of your own (`score.reason_texts`) is read before the built-in one, so it needs only
the rows that should read differently. What comes from data (a category, an attribute's name)
is shortened to one line and inserted last, so that braces and brackets in it mean nothing.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from microconv.errors import MissingInputError, SettingsError, did_you_mean, listed
from microconv.ranking.explanations.formatting import FORMATS

HEADER = ("pattern", "subject", "when", "weak", "text")

NAME_FORMATS = ("label", "name", "chain")
"""How a name that the pattern matched may be written."""

VALUE_FORMATS = (*FORMATS, "stage")
"""How a number may be written; ``stage`` needs the journey."""

NAME = re.compile(r"\{(\w+)\}")
SLOT = re.compile(r"\{(?:(\w+) )?(\w+)\}|\[(\w+) ([^\]]+)\]")
_CONDITION = re.compile(r"(?:\[([^\]]+)\] )?(?:(missing)|(<=|>=|=|<|>) (-?\d+(?:\.\d+)?))")


class Condition(NamedTuple):
    """A comparison of a column's value; `column` is None for the text's own column."""

    column: str | None
    comparison: str
    bound: float


class ReasonText(NamedTuple):
    """One row of the table."""

    pattern: str
    subject: str
    conditions: tuple[Condition, ...]
    weak: bool
    text: str


def read_texts(own: str | Path | None = None) -> tuple[ReasonText, ...]:
    """Read your own table, if there is one, followed by the built-in one.

    Parameters
    ----------
    own : path, optional
        A CSV file in UTF-8, separated by commas or semicolons.

    Raises
    ------
    MissingInputError
        If there is no such file.
    SettingsError
        If it is not such a table, naming the line and what is wrong there.
    """
    if own is None:
        return built_in_texts()
    try:
        content = Path(own).read_bytes()
    except FileNotFoundError:
        raise MissingInputError(
            f"There is no table of texts at {own}, which `score.reason_texts` names. Remove the "
            "setting to use the built-in table."
        ) from None
    except OSError as error:
        raise SettingsError(
            f"The table of texts at {own}, which `score.reason_texts` names, cannot be read: "
            f"{error.strerror}."
        ) from None
    return (*parse_texts(content, str(own)), *built_in_texts())


@cache
def built_in_texts() -> tuple[ReasonText, ...]:
    """Read the table that comes with the package."""
    content = files("microconv.ranking.explanations").joinpath("reason_texts.csv").read_bytes()
    return parse_texts(content, "reason_texts.csv")


def parse_texts(content: bytes, origin: str) -> tuple[ReasonText, ...]:
    """Check a table and return its rows.

    Parameters
    ----------
    content : bytes
    origin : str
        Name of the file, for error messages.

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
        try:
            text = _parse_row(row)
        except ValueError as error:
            raise SettingsError(f"{place}: {error}") from None
        key = text.pattern, row["when"]
        if key in seen:
            raise SettingsError(
                f"{place}: line {seen[key]} already has the pattern `{key[0]}` with the same "
                f"`when` ({key[1] or 'always'}), so this text would never be used. Remove one."
            )
        seen[key] = line
        if subjects.setdefault(text.pattern, text.subject) != text.subject:
            raise SettingsError(
                f"{place}: the pattern `{text.pattern}` has the subject `{text.subject}` here "
                f"and `{subjects[text.pattern]}` further up. Give both the same subject."
            )
        texts.append(text)
    return tuple(texts)


def _parse_row(row: Mapping[str, str]) -> ReasonText:
    """Check one row.

    Examples
    --------
    >>> row = {"pattern": "counts.{step}.ever", "subject": "{step}", "when": "", "weak": ""}
    >>> _parse_row({**row, "text": "{label step} {times}"}).text
    '{label step} {times}'
    >>> _parse_row({**row, "text": "{label step} {time}"})
    Traceback (most recent call last):
    ValueError: `{time}` in `text` is neither a format nor in the pattern. Did you mean `{times}`?
    """
    empty = [name for name in ("pattern", "subject", "text") if not row[name]]
    if empty:
        raise ValueError(f"{listed(empty)} is empty.")
    if not all(cell.isprintable() for cell in row.values()):
        raise ValueError("a cell holds a line break or another invisible character.")
    if row["weak"] not in ("", "weak"):
        raise ValueError(f"`weak` is `{row['weak']}`; it must be empty, or the word weak.")
    names = NAME.findall(row["pattern"])
    if len(names) != len(set(names)) or not all(name.isidentifier() for name in names):
        raise ValueError(
            f"each name in braces of the pattern `{row['pattern']}` must be there only once, and "
            "begin with a letter."
        )
    conditions = _parse_conditions(row["when"])
    _require_known(row["subject"], names, "subject")
    for condition in conditions:
        _require_known(condition.column or "", names, "when")
    for slot in SLOT.finditer(row["text"]):
        _check_slot(slot, names)
    if set("{}[]") & set(SLOT.sub("", row["text"])):
        raise ValueError(
            f"a brace or bracket of `{row['text']}` is not closed, or holds more than it may."
        )
    return ReasonText(row["pattern"], row["subject"], conditions, bool(row["weak"]), row["text"])


def _parse_conditions(when: str) -> tuple[Condition, ...]:
    conditions = []
    for part in when.split(" and ") if when else []:
        match = _CONDITION.fullmatch(part)
        if match is None:
            raise ValueError(
                f"the condition `{part}` is not understood. Write it like `= 0`, `missing` or "
                "`[counts.{step}.ever] > 2`, several joined by ` and `. (A spreadsheet takes a "
                "cell that begins with = for a formula: format the column as text first.)"
            )
        column, missing, comparison, bound = match.groups()
        conditions.append(Condition(column, missing or comparison, float(bound or 0)))
    return tuple(conditions)


def _check_slot(slot: re.Match[str], names: list[str]) -> None:
    name_format, what, value_format, column = slot.groups()
    if column is not None:
        if value_format not in VALUE_FORMATS:
            raise ValueError(
                f"`{value_format}` in `{slot[0]}` is not a format."
                + _suggest(value_format, VALUE_FORMATS)
            )
        _require_known(column, names, "text")
    elif name_format is None:
        if what not in (*names, *VALUE_FORMATS):
            near = did_you_mean(f"{{{what}}}", [f"{{{n}}}" for n in (*names, *VALUE_FORMATS)])
            raise ValueError(f"`{slot[0]}` in `text` is neither a format nor in the pattern.{near}")
    elif name_format not in NAME_FORMATS:
        raise ValueError(
            f"`{name_format}` in `{slot[0]}` is not a format of names."
            + _suggest(name_format, NAME_FORMATS)
        )
    elif name_format == "label" and what != "step":
        raise ValueError(f"`{slot[0]}`: only a {{step}} has a label.")
    else:
        _require_known(f"{{{what}}}", names, "text")


def _require_known(template: str, names: list[str], where: str) -> None:
    for name in NAME.findall(template):
        if name not in names:
            near = did_you_mean(f"{{{name}}}", [f"{{{known}}}" for known in names])
            raise ValueError(f"`{{{name}}}` in `{where}` is not in the pattern.{near}")


def _suggest(name: str, known: tuple[str, ...]) -> str:
    return did_you_mean(name, known) or f" There are {listed(known, most=20)}."


def _rows(content: bytes, origin: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Read the stripped cells of each row that is not empty, with the line that it ends on."""
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
                    f"{len(header)} columns. Put a text that holds the separator in quotation "
                    'marks: "once, then no more".'
                )
            yield cells.line_num, dict(zip(header, (cell.strip() for cell in row), strict=True))
    except csv.Error as error:
        raise SettingsError(
            f"{origin}, line {cells.line_num}: this is not CSV ({error})."
        ) from None


def _check_header(header: list[str], origin: str) -> None:
    missing = [name for name in HEADER if name not in header]
    unknown = [name for name in header if name not in HEADER]
    if missing or unknown or len(header) != len(HEADER):
        has = listed(header) if any(header) else "no header"
        wrong = f"lacks {listed(missing)}" if missing else f"has too much ({listed(header)})"
        raise SettingsError(
            f"{origin}: the table {wrong}. Its columns are {listed(HEADER)}; this one has {has}."
        )
