"""Whom a row is about: what the prospects table said of them at the instant of the question."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from microconv.errors import SettingsError, listed

CONTACT = ("account_id", "owner", "name", "email")
"""Columns of the prospects table that go to the list where there is one."""


def contacts(
    prospects: pa.Table,
    ids: pd.Series,
    *,
    before: datetime,
    columns: Sequence[str] = CONTACT,
) -> pd.DataFrame:
    """Look up the owner, account, name and email that were known of some prospects.

    Parameters
    ----------
    prospects : Table
        Sorted by prospect and `known_at`.
    ids : Series of str, shape (n_rows,)
    before : datetime
        Rows known later are not used.
    columns : sequence of str

    Returns
    -------
    DataFrame of shape (n_rows, …)
        Those of the columns that the table has, each the last value that was known: of
        two owners over time, the later one.
    """
    names = [name for name in columns if name in prospects.column_names]
    known = pc.less(
        prospects.column("known_at"), pa.scalar(before, prospects.field("known_at").type)
    )
    wanted = pc.is_in(prospects.column("prospect_id").cast(pa.string()), pa.array(ids, pa.string()))
    rows = prospects.select(["prospect_id", *names]).filter(pc.and_(known, wanted)).to_pandas()
    last: pd.DataFrame = rows.astype("str").groupby("prospect_id")[names].last()
    return last.reindex(ids).reset_index(drop=True)


def require_capacity_columns(prospects: pa.Table | None, columns: Sequence[str]) -> None:
    """Refuse to share out places by a column that the prospects table lacks.

    Raises
    ------
    SettingsError
    """
    there = [] if prospects is None else prospects.column_names
    missing = [name for name in columns if name not in there]
    if missing:
        raise SettingsError(
            f"The section `score` shares places out by {listed(missing)}, and the prospects table "
            + (f"has only {listed(there, most=12)}." if there else "is not there.")
            + " Map the column in the source of the prospects, or take it out of the section."
        )
