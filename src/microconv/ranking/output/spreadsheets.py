"""A list as CSV, JSON lines and an Excel workbook; spreadsheets never run its content."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa

from microconv.ranking.list_columns import kind_of

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the beginning of a formula, in either width."""

CSV_DECIMALS = {"probability": 6, "percent": 2, "money": 2}
"""Kind of column → decimals in the CSV; the Parquet file is not rounded."""

EXCEL_FORMATS = {
    "probability": "0.0%",
    "share": "0.0%",
    "money": "#,##0",
    "time": "yyyy-mm-dd hh:mm",
}
"""Kind of column → number format of its cells."""

MAX_WIDTH = 60
"""Characters of the widest column of the workbook."""


def as_csv(frame: pd.DataFrame) -> str:
    r"""Return a list as CSV text that a spreadsheet shows and never runs.

    A cell that could begin a formula gets a leading apostrophe, reasons included. Lines end
    as in RFC 4180, so that a lone carriage return in a name is quoted like any line break.

    Examples
    --------
    >>> as_csv(pd.DataFrame({"rank": [1], "name": ["=HYPERLINK(1)"]}))
    "rank,name\r\n1,'=HYPERLINK(1)\r\n"
    """
    safe = frame.copy()
    for name in safe.columns:
        column = safe[name]
        decimals = CSV_DECIMALS.get(kind_of(name))
        if decimals is not None:
            safe[name] = column.round(decimals)
        elif isinstance(column.dtype, pd.DatetimeTZDtype):
            safe[name] = column.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        elif not pd.api.types.is_numeric_dtype(column.dtype):
            safe[name] = column.map(escape_formula, na_action="ignore")
    return str(safe.to_csv(index=False, lineterminator="\r\n"))


def as_json_lines(frame: pd.DataFrame, details: pa.Table | None = None) -> str:
    r"""Return a list as JSON lines: numbers are not rounded, missing values are null.

    Parameters
    ----------
    frame : DataFrame
        The table of the list.
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


def write_workbook(frame: pd.DataFrame, path: Path, *, as_of: datetime) -> None:
    """Write a list as an Excel sheet with a frozen header and filters.

    Text stays text, also where it looks like a formula, a number or an address. The same
    list gives identical bytes.

    Parameters
    ----------
    frame : DataFrame
        The table of the list.
    path : Path
    as_of : datetime
        Of the list; also the creation date of the workbook.
    """
    import xlsxwriter

    plain = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(path, {**plain, "nan_inf_to_errors": False}) as book:
        book.set_properties({"created": as_of.replace(tzinfo=None)})
        sheet = book.add_worksheet("prospects")
        head = book.add_format({"bold": True, "bottom": 1})
        formats = {
            kind: book.add_format({"num_format": text}) for kind, text in EXCEL_FORMATS.items()
        }
        for place, name in enumerate(frame.columns):
            sheet.write_string(0, place, name, head)
            values = [_cell(value) for value in frame[name].astype(object)]
            for row, value in enumerate(values, start=1):
                if value is not None:
                    sheet.write(row, place, value, formats.get(kind_of(name)))
            lengths = [len(value) for value in values if isinstance(value, str)]
            longest = max([len(name), 8, *lengths])
            sheet.set_column(place, place, min(longest + 2, MAX_WIDTH))
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, len(frame), max(len(frame.columns) - 1, 0))


def escape_formula(cell: object) -> object:
    """Return a cell with an apostrophe before text that a spreadsheet might run.

    Examples
    --------
    >>> escape_formula("-2+3"), escape_formula("Ada"), escape_formula(-2.0)
    ("'-2+3", 'Ada', -2.0)
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _iso(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _cell(value: object) -> object:
    """Return a value as a cell holds it; None where there is none."""
    if pd.isna(value):  # type: ignore[call-overload]
        return None
    if isinstance(value, pd.Timestamp):
        return value.tz_convert("UTC").tz_localize(None).to_pydatetime()
    return value
