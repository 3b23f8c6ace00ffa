"""Scoring requests: events and prospects as callers hand them over, checked and made one log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from microconv.errors import EventLogError, TimeError, did_you_mean, listed
from microconv.histories.load import load_histories
from microconv.histories.snapshots import IN_COHORT, STATUSES, cohort_status
from microconv.ingest.dataframes import as_arrow, canonical_events
from microconv.model.prospect_model import ProspectModel
from microconv.storage.log import Log, MemoryLog
from microconv.storage.schema import EVENTS, INSTANT, PROSPECT_COLUMNS

CONTACT_COLUMNS = PROSPECT_COLUMNS[2:]
"""Columns of a prospects table that are neither its key nor attributes."""

ZONED = r"\d{4}-\d\d-\d\d[T ][\d:.]+(Z|[+-]\d\d:?\d\d)"
"""An instant written out with its time zone."""


def memory_log(events: Any, prospects: Any = None, *, attributes: Sequence[str] = ()) -> MemoryLog:
    """Return a log in memory of a table of events and what is known of the prospects.

    Parameters
    ----------
    events : DataFrame, Arrow or Ibis table
        Columns of :data:`~microconv.storage.schema.EVENTS`. It may also hold the contact
        columns and `attributes`: then each row says what was known of its prospect when the
        event became known.
    prospects : DataFrame, Arrow or Ibis table, optional
        One row per `prospect_id` and `known_at`, with contact columns and `attributes`.
    attributes : sequence of str
        Names of the attributes that may be given.

    Raises
    ------
    EventLogError
        If a column is unknown or missing, or attributes are given in both tables.
    TimeError
        If an instant has no time zone.
    """
    table = as_arrow(events)
    known = [*CONTACT_COLUMNS, *attributes]
    _require_known_columns(table.column_names, [*EVENTS.names, *known], "table of events")
    inline = [name for name in table.column_names if name in known]
    if inline and prospects is not None:
        raise EventLogError(
            f"The table of events has the column {listed(inline)}, and there is a prospects table, "
            "too. Give what is known of prospects in one of them."
        )
    log = canonical_events(table.drop_columns(inline))
    if inline:
        return MemoryLog(log, canonical_prospects(_known_at_events(table, inline)))
    if prospects is None:
        return MemoryLog(log)
    people = as_arrow(prospects)
    _require_known_columns(people.column_names, [*PROSPECT_COLUMNS, *known], "prospects table")
    return MemoryLog(log, canonical_prospects(people))


def canonical_prospects(rows: pa.Table) -> pa.Table:
    """Return a prospects table with checked columns, sorted by prospect and `known_at`.

    Raises
    ------
    EventLogError
        If it has no `prospect_id` or no `known_at`, or a row has none.
    TimeError
        If `known_at` has no time zone.
    """
    missing = [name for name in ("prospect_id", "known_at") if name not in rows.column_names]
    if missing:
        raise EventLogError(
            f"The prospects table has no column {listed(missing)}; it has "
            f"{listed(rows.column_names)}. `known_at` is when a row became known."
        )
    known_at = rows.schema.field("known_at").type
    if not pa.types.is_timestamp(known_at) or known_at.tz is None:
        raise TimeError(
            f"`known_at` of the prospects table is {known_at}, without a time zone. Localise it, "
            "like `frame['known_at'].dt.tz_localize('UTC')`."
        )
    fields = [(field.name, _plain(field)) for field in rows.schema]
    table = rows.cast(pa.schema(fields))
    for name in ("prospect_id", "known_at"):
        empty = table.column(name).null_count
        if empty:
            raise EventLogError(
                f"{empty:,} of {table.num_rows:,} rows of the prospects table have no `{name}`. "
                "Fill it in, or leave those rows out."
            )
    first = ["prospect_id", "known_at"]
    others = [name for name in table.column_names if name not in first]
    return table.sort_by([(name, "ascending") for name in [*first, *others]])


def parse_instants(table: pd.DataFrame, *, called: str) -> pd.DataFrame:
    """Return a table with instants that were text, as in a JSON request, read.

    Parameters
    ----------
    table : DataFrame
    called : str
        What the table is called in messages.

    Raises
    ------
    TimeError
        If one of them has no time zone or is no date.

    Examples
    --------
    >>> rows = pd.DataFrame({"time": ["2024-06-03T02:00:00+02:00"]})
    >>> parse_instants(rows, called="events")["time"][0]
    Timestamp('2024-06-03 00:00:00+0000', tz='UTC')
    """
    found = {}
    for name in ("time", "known_at", "visible_at", "visible_until"):
        if name not in table or not pd.api.types.is_string_dtype(table[name].dropna().dtype):
            continue
        text = table[name]
        instants = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
        zoned = text.str.fullmatch(ZONED).fillna(True).astype(bool)
        wrong = text[(instants.isna() & text.notna()) | ~zoned]
        if len(wrong):
            raise TimeError(
                f"{len(wrong)} of {len(table)} values of `{name}` in the {called} are not instants "
                f"with a time zone: {listed(wrong, most=3)}. Write them like 2024-06-03T00:00:00Z."
            )
        found[name] = instants
    return table.assign(**found)


def unscored_prospects(log: Log, model: ProspectModel, as_of: datetime) -> pd.DataFrame:
    """Return the prospects outside the cohort, each with why.

    Parameters
    ----------
    log : Log
    model : ProspectModel
        Its journey and cohort rule are used.
    as_of : datetime

    Returns
    -------
    DataFrame of shape (n_prospects, 2)
        Columns `prospect_id` and `status`, by prospect.
    """
    found: dict[str, str] = {}
    for bucket in range(log.buckets):
        events, prospects = log.read_events(bucket).unify_dictionaries(), log.read_prospects(bucket)
        histories = load_histories(events, model.journey, prospects)
        status = cohort_status(histories, model.journey, model.snapshot_settings, [as_of])[:, 0]
        for table, without in ((prospects, "unknown"), (events, "no_step")):
            if table is not None:
                ids = table.column("prospect_id").cast(pa.string()).unique().to_pylist()
                found |= dict.fromkeys(ids, without)
        ids = histories.prospect_ids.cast(pa.string()).to_pylist()
        found |= dict(zip(ids, (STATUSES[code] for code in status), strict=True))
    rows = sorted((name, why) for name, why in found.items() if why != STATUSES[IN_COHORT])
    return pd.DataFrame(rows, columns=["prospect_id", "status"], dtype="str")


def _require_known_columns(given: Sequence[str], known: Sequence[str], called: str) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        raise EventLogError(
            f"The {called} has the unknown column {listed(unknown)}."
            f"{did_you_mean(unknown[0], known)} Columns can be {listed(known, most=40)}. Leave "
            "the others out."
        )


def _known_at_events(table: pa.Table, inline: Sequence[str]) -> pa.Table:
    """Return what the rows of a table of events say about their prospects."""
    present = [name for name in ("time", "known_at", "visible_at") if name in table.column_names]
    instants = [table.column(name) for name in present]
    instants = [column for column in instants if column.null_count < len(column)]
    micros = [column.cast(INSTANT, safe=False).cast(pa.int64()) for column in instants]
    latest = pc.max_element_wise(*micros, skip_nulls=True).cast(INSTANT)
    rows = table.select(["prospect_id", *inline]).append_column("known_at", latest)
    given = [pc.is_valid(rows.column(name)) for name in inline]
    mask = given[0]
    for other in given[1:]:
        mask = pc.or_(mask, other)
    return rows.filter(mask)


def _plain(field: pa.Field) -> pa.DataType:
    if field.name == "known_at":
        return INSTANT
    text = pa.types.is_large_string(field.type) or pa.types.is_dictionary(field.type)
    return pa.string() if text or field.name == "prospect_id" else field.type
