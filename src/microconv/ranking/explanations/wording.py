"""What a column's value means in words: the reason texts applied to a model's columns."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from microconv.features.rare_steps import OTHER
from microconv.journey import KINDS, JourneyMap
from microconv.ranking.explanations.formatting import FORMATS, number, one_line
from microconv.ranking.explanations.reason_texts import (
    NAME,
    SLOT,
    Condition,
    ReasonText,
    built_in_texts,
)

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class ReasonWriter:
    """Reason texts for the columns of a model.

    Attributes
    ----------
    columns : tuple of str
    journey : JourneyMap
    texts : tuple of ReasonText
        The built-in texts by default.
    """

    columns: tuple[str, ...]
    journey: JourneyMap
    texts: tuple[ReasonText, ...] = field(default_factory=built_in_texts, repr=False)

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """Subject of each column."""
        return tuple(_insert(texts[0][0].subject, texts[0][1]) for texts in self._texts)

    def describe(self, column: int, row: npt.NDArray[np.float32]) -> tuple[str, bool]:
        """Describe one column's value.

        Parameters
        ----------
        column : int
            Position of the column.
        row : ndarray of float32, shape (n_columns,)
            All columns of its row.

        Returns
        -------
        text : str
        weak : bool
            Whether the text says little.
        """
        for text, found in self._texts[column]:
            if all(self._holds(condition, column, row, found) for condition in text.conditions):
                try:
                    return SLOT.sub(partial(self._slot, column, row, found), text.text), text.weak
                except LookupError:  # it needs a column that is missing
                    continue
        return one_line(self.columns[column]), True

    @cached_property
    def _texts(self) -> list[list[tuple[ReasonText, dict[str, str]]]]:
        steps = _steps_in(self.columns, self.journey)
        patterns = [(_regex(text.pattern, self.journey, steps), text) for text in self.texts]
        return [
            [
                (text, found.groupdict())
                for regex, text in patterns
                if (found := regex.fullmatch(name))
            ]
            for name in self.columns
        ]

    @cached_property
    def _position(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.columns)}

    def _holds(
        self,
        condition: Condition,
        column: int,
        row: npt.NDArray[np.float32],
        found: Mapping[str, str],
    ) -> bool:
        other, comparison, bound = condition
        if other is not None:
            position = self._position.get(_insert(other, found))
            if position is None:
                return False
            column = position
        there = math.isfinite(row[column])
        if comparison == "missing":
            return not there
        return there and _COMPARE[comparison](float(row[column]), bound)

    def _slot(
        self,
        column: int,
        row: npt.NDArray[np.float32],
        found: Mapping[str, str],
        slot: re.Match[str],
    ) -> str:
        """Return what replaces one pair of braces or brackets."""
        how, what, other_how, other = slot.groups()
        if how is not None:
            return self._name(how, found[what])
        if what is not None and what in found:
            return self._name(what, found[what])
        if what is None:
            how, column = other_how, self._position[_insert(other, found)]
        value = float(row[column])
        if not math.isfinite(value):
            raise LookupError
        if (how or what) == "stage":
            return self.journey.stages[int(value) - 1].replace("_", " ")
        return FORMATS[how or what](value)

    def _name(self, how: str, name: str) -> str:
        """Format a name that the pattern matched."""
        if how == "label":
            if name == OTHER:
                return "did another step"
            return self.journey.steps[self.journey.code_of(name)].label
        if how == "chain":
            return ", then ".join(step.replace("_", " ") for step in name.split(">"))
        if how in ("window", "longer"):
            length = float(name.removesuffix("d"))
            return "24 hours" if length == 1 else f"{number(length)} days"
        if how == "name":
            name = re.sub(r"[._=]+", " ", name)
        return one_line(name)


def unused_patterns(
    columns: Iterable[str], journey: JourneyMap, texts: Iterable[ReasonText]
) -> list[str]:
    """Return the patterns that match none of the columns: their texts are never used.

    Parameters
    ----------
    columns : iterable of str
    journey : JourneyMap
    texts : iterable of ReasonText
    """
    names = list(columns)
    steps = _steps_in(names, journey)
    patterns = dict.fromkeys(text.pattern for text in texts)
    return [p for p in patterns if not any(map(_regex(p, journey, steps).fullmatch, names))]


def _steps_in(columns: Iterable[str], journey: JourneyMap) -> list[str]:
    """Return the steps that are in a column's name: of thousands, most are in none."""
    text = "\n".join(columns)
    return [name for name in (*journey.step_names, OTHER) if name in text]


def _regex(pattern: str, journey: JourneyMap, names: Iterable[str]) -> re.Pattern[str]:
    steps = "|".join(re.escape(name) for name in names) or "(?!)"  # which matches nothing
    known = {
        "step": steps,
        "sequence": f"(?:{steps})(?:>(?:{steps}))+",
        "stage": "|".join(re.escape(name) for name in journey.stages),
        "kind": "|".join(KINDS),
        "window": r"[\d.]+d",
        "longer": r"[\d.]+d",
        "k": r"\d+",
        "attribute": "[^=]+",
        "category": ".*",
        "column": ".*",
    }
    parts = NAME.split(pattern)  # literal, name, literal, name, …, literal
    regex = "".join(
        f"(?P<{part}>{known.get(part, '[^.]+')})" if place % 2 else re.escape(part)
        for place, part in enumerate(parts)
    )
    return re.compile(regex, re.DOTALL)


def _insert(template: str, found: Mapping[str, str]) -> str:
    return NAME.sub(lambda match: found.get(match[1], match[0]), template)
