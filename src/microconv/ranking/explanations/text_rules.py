"""What one row of the table of texts may say, and the sentence that tells a person it does not."""

from __future__ import annotations

import re
from collections.abc import Mapping

from microconv.errors import did_you_mean, listed
from microconv.ranking.explanations.formatting import FORMATS

Condition = tuple[str | None, str, float]
"""Of another column or None for its own, how it compares, and with what."""

WORD_FORMATS = ("label", "name", "chain")
"""How a word that the pattern found may be written."""

VALUE_FORMATS = (*FORMATS, "stage")
"""How a number may be written; ``stage`` needs the journey."""

WORD = re.compile(r"\{(\w+)\}")
SLOT = re.compile(r"\{(?:(\w+) )?(\w+)\}|\[(\w+) ([^\]]+)\]")
_CONDITION = re.compile(r"(?:\[([^\]]+)\] )?(?:(missing)|(<=|>=|=|<|>) (-?\d+(?:\.\d+)?))")


def conditions_of(when: str) -> tuple[Condition, ...]:
    """Parse the conditions of one row.

    Raises
    ------
    ValueError
        Holding the part that is no condition.
    """
    conditions = []
    for part in when.split(" and ") if when else []:
        match = _CONDITION.fullmatch(part)
        if match is None:
            raise ValueError(part)
        column, missing, comparison, bound = match.groups()
        conditions.append((column, missing or comparison, float(bound or 0)))
    return tuple(conditions)


def fault_of(row: Mapping[str, str]) -> str:
    """Say what is wrong with a row, or nothing.

    Examples
    --------
    >>> row = {"pattern": "counts.{step}.ever", "subject": "{step}", "when": "", "weak": ""}
    >>> fault_of({**row, "text": "{label step} {times}"})
    ''
    >>> fault_of({**row, "text": "{label step} {time}"})
    '`{time}` in `text` is neither a format nor in the pattern. Did you mean `{times}`?'
    """
    empty = [name for name in ("pattern", "subject", "text") if not row[name]]
    if empty:
        return f"{listed(empty)} is empty."
    if not all(cell.isprintable() for cell in row.values()):
        return "a cell holds a line break or another invisible character."
    if row["weak"] not in ("", "weak"):
        return f"`weak` is `{row['weak']}`; it is empty, or the word weak."
    words = WORD.findall(row["pattern"])
    if len(words) != len(set(words)) or not all(word.isidentifier() for word in words):
        return (
            f"each word in braces of the pattern `{row['pattern']}` stands there once, and begins "
            "with a letter."
        )
    try:
        conditions = conditions_of(row["when"])
    except ValueError as error:
        return (
            f"the condition `{error}` is not understood. Write it like `= 0`, `missing` or "
            "`[counts.{step}.ever] > 2`, several joined by ` and `. (A spreadsheet takes a cell "
            "that begins with = for a formula: format the column as text first.)"
        )
    columns = [column for column, _, _ in conditions if column is not None]
    return (
        _unknown_word(row["subject"], words, "subject")
        or next(filter(None, (_unknown_word(c, words, "when") for c in columns)), "")
        or _fault_of_text(row["text"], words)
    )


def _fault_of_text(text: str, words: list[str]) -> str:
    for slot in SLOT.finditer(text):
        fault = _fault_of_slot(slot, words)
        if fault:
            return fault
    rest = SLOT.sub("", text)
    if set("{}[]") & set(rest):
        return f"a brace or bracket of `{text}` is not closed, or holds more than it may."
    return ""


def _fault_of_slot(slot: re.Match[str], words: list[str]) -> str:
    how, what, other_how, other = slot.groups()
    if other is not None:
        if other_how not in VALUE_FORMATS:
            return f"`{other_how}` in `{slot[0]}` is no format." + _near(other_how, VALUE_FORMATS)
        return _unknown_word(other, words, "text")
    if how is None:
        if what in words or what in VALUE_FORMATS:
            return ""
        near = did_you_mean(f"{{{what}}}", [f"{{{name}}}" for name in (*words, *VALUE_FORMATS)])
        return f"`{slot[0]}` in `text` is neither a format nor in the pattern.{near}"
    if how not in WORD_FORMATS:
        return f"`{how}` in `{slot[0]}` is no format of words." + _near(how, WORD_FORMATS)
    if how == "label" and what != "step":
        return f"`{slot[0]}`: only a {{step}} has words of its own."
    return _unknown_word(f"{{{what}}}", words, "text")


def _unknown_word(template: str, words: list[str], where: str) -> str:
    for word in WORD.findall(template):
        if word not in words:
            near = did_you_mean(f"{{{word}}}", [f"{{{name}}}" for name in words])
            return f"`{{{word}}}` in `{where}` is not in the pattern.{near}"
    return ""


def _near(word: str, known: tuple[str, ...]) -> str:
    return did_you_mean(word, known) or f" There are {listed(known, most=20)}."
