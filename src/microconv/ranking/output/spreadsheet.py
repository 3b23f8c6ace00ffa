"""Lists for people: what a spreadsheet shows, and never runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the beginning of a formula, in either width."""

DECIMALS = {"probability": 6, "percentile": 2, "amount": 2, "expected_value": 2}
"""How far the CSV is written out; the Parquet file keeps every bit."""


def as_csv(frame: pd.DataFrame) -> str:
    r"""Write a list as CSV text that a spreadsheet shows and never runs.

    A cell that could begin a formula gets a leading apostrophe, reasons
    included. Lines end as RFC 4180 has it, so that a lone carriage return in a
    name is quoted like any line break.

    Examples
    --------
    >>> as_csv(pd.DataFrame({"rank": [1], "name": ["=HYPERLINK(1)"]}))
    "rank,name\r\n1,'=HYPERLINK(1)\r\n"
    """
    safe = frame.copy()
    for name in safe.columns:
        column = safe[name]
        places = DECIMALS["probability"] if name.startswith("probability") else DECIMALS.get(name)
        if places is not None:
            safe[name] = column.round(places)
        elif isinstance(column.dtype, pd.DatetimeTZDtype):
            safe[name] = column.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        elif not pd.api.types.is_numeric_dtype(column.dtype):
            safe[name] = column.map(inert, na_action="ignore")
    return str(safe.to_csv(index=False, lineterminator="\r\n"))


def as_json_lines(frame: pd.DataFrame, details: pa.Table | None = None) -> str:
    r"""Write a list as JSON lines: every bit of every number, null where there is nothing.

    Parameters
    ----------
    frame : DataFrame
        The table `ranked`.
    details : Table, optional
        Further columns, row for row.

    Examples
    --------
    >>> as_json_lines(pd.DataFrame({"rank": [1], "grade": [None]}))
    '{"rank": 1, "grade": null}\n'
    """
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    if details is not None:
        rows = [row | more for row, more in zip(rows, details.to_pylist(), strict=True)]
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False, default=_iso) for row in rows]
    return "".join(f"{line}\n" for line in lines)


def _iso(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def inert(cell: object) -> object:
    """Put an apostrophe before text that a spreadsheet might run.

    Examples
    --------
    >>> inert("-2+3"), inert("Ada"), inert(-2.0)
    ("'-2+3", 'Ada', -2.0)
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
