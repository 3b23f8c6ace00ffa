"""One section of the journey report: summary sentences, what is missing, tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

MAX_NAMED = 20
"""Maximum number of names that a sentence lists; it counts the others."""


@dataclass(frozen=True)
class Section:
    """One section of the journey report.

    Attributes
    ----------
    summary : tuple of str
        Findings as sentences, the most important first.
    missing : tuple of str
        What could not be measured, why, and which data it needs.
    tables : mapping of str to DataFrame
        Tidy tables of the figures; intervals as columns `…_low` and `…_high`.
    """

    summary: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """Return the section as JSON values: tables as lists of rows, nan as null."""
        tables = {name: as_rows(table) for name, table in self.tables.items()}
        return {"summary": list(self.summary), "missing": list(self.missing), "tables": tables}


def as_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as plain Python values.

    Examples
    --------
    >>> as_rows(pd.DataFrame({"step": ["blog"], "rate": [float("nan")]}))
    [{'step': 'blog', 'rate': None}]
    """
    columns = {str(name): [_plain(value) for value in table[name]] for name in table.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (tuple, list, np.ndarray)):
        return [_plain(each) for each in value]
    return value
