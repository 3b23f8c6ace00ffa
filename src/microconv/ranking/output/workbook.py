"""Lists as an Excel workbook: typed cells, and nothing in them that runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd

SHARES = ("probability", "selection_probability")
"""Columns, and those that begin with the first and `_`, that are shown in percent."""

WIDEST = 60
"""Characters of the widest column."""


def write_workbook(frame: pd.DataFrame, path: Path, *, as_of: datetime) -> None:
    """Write a list as one sheet, with a frozen header and filters.

    Text stays text: what looks like a formula, a number or an address is none. The same
    list gives the same bytes.

    Parameters
    ----------
    frame : DataFrame
        The table `ranked`.
    path : Path
    as_of : datetime
        Of the list; stands as the date of the workbook, too.
    """
    import xlsxwriter

    plain = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(path, {**plain, "nan_inf_to_errors": False}) as book:
        book.set_properties({"created": as_of.replace(tzinfo=None)})
        sheet = book.add_worksheet("prospects")
        head = book.add_format({"bold": True, "bottom": 1})
        formats = {
            "share": book.add_format({"num_format": "0.0%"}),
            "money": book.add_format({"num_format": "#,##0"}),
            "instant": book.add_format({"num_format": "yyyy-mm-dd hh:mm"}),
        }
        for place, name in enumerate(frame.columns):
            sheet.write_string(0, place, name, head)
            kind = formats.get(_kind(name, frame[name]))
            values = [_cell(value) for value in frame[name].astype(object)]
            for row, value in enumerate(values, start=1):
                if value is not None:
                    sheet.write(row, place, value, kind)
            lengths = [len(value) for value in values if isinstance(value, str)]
            longest = max([len(name), 8, *lengths])
            sheet.set_column(place, place, min(longest + 2, WIDEST))
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, len(frame), max(len(frame.columns) - 1, 0))


def _kind(name: str, column: pd.Series) -> str:
    if name in SHARES or name.startswith(f"{SHARES[0]}_"):
        return "share"
    if name in ("amount", "expected_value"):
        return "money"
    return "instant" if isinstance(column.dtype, pd.DatetimeTZDtype) else ""


def _cell(value: object) -> object:
    """Turn a value into what a cell holds; None where there is none."""
    if pd.isna(value):  # type: ignore[call-overload]
        return None
    if isinstance(value, pd.Timestamp):
        return value.tz_convert("UTC").tz_localize(None).to_pydatetime()
    return value
