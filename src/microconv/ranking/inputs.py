"""Events from wherever a caller has them: a log, a file, a table in memory, raw exports."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from microconv.errors import EventLogError, MissingInputError, TimeError, listed
from microconv.events.canonical import as_arrow, canonical_events
from microconv.events.log import EventLog, Log, MemoryLog
from microconv.events.schema import INSTANT
from microconv.settings import IngestSettings


@dataclass(frozen=True)
class RawExports:
    """Exports that are yet to be ingested.

    Attributes
    ----------
    folder : Path
        Takes the place of `ingest.input_dir`.
    ingest : IngestSettings
        Describes the sources.
    """

    folder: Path
    ingest: IngestSettings


@contextmanager
def open_events(events: Any, *, prospects: Any = None) -> Iterator[Log]:
    """Make a log of whatever holds events; what had to be ingested is gone afterwards.

    Parameters
    ----------
    events : path, DataFrame, Table, Ibis table, Log or RawExports
        As for :func:`microconv.score`.
    prospects : DataFrame or Table, optional
        Belongs to events in memory or to a Parquet file; a log brings its own.

    Raises
    ------
    MissingInputError
        If there is no such file.
    EventLogError
        If it is no table of events.
    """
    if isinstance(events, RawExports):
        with tempfile.TemporaryDirectory(prefix="microconv-") as folder:
            yield _ingested(events, Path(folder))
    elif isinstance(events, str | Path) and Path(events).is_dir():
        yield EventLog.open(events)
    elif hasattr(events, "read_events"):  # a log already
        yield events
    else:
        known = None if prospects is None else _canonical_prospects(as_table(prospects))
        yield MemoryLog(canonical_events(as_table(events)), known)


def as_table(rows: Any) -> pa.Table:
    """Read a table of any of the kinds that are accepted, or a Parquet file, as an Arrow table."""
    return _read_parquet(Path(rows)) if isinstance(rows, str | Path) else as_arrow(rows)


def _ingested(exports: RawExports, folder: Path) -> EventLog:
    from microconv.events.ingest import Outputs, ingest  # brings the database with it

    outputs = Outputs(folder / "log", folder / "quarantine.parquet", folder / "ingest.json")
    ingest(exports.ingest, outputs=outputs, input_dir=exports.folder)
    return EventLog.open(outputs.log)


def _read_parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except FileNotFoundError:
        raise MissingInputError(
            f"There is no event log and no Parquet file of events at {path}."
        ) from None
    except (OSError, pa.ArrowInvalid) as error:
        raise EventLogError(
            f"{path} is not a readable Parquet file of events ({error}). Raw exports have to be "
            "ingested: name their folder, and how they are read (`--params params.yaml`, or in "
            "Python RawExports(folder, settings.ingest))."
        ) from None


def _canonical_prospects(rows: pa.Table) -> pa.Table:
    """Check and sort what is known of prospects."""
    missing = [name for name in ("prospect_id", "known_at") if name not in rows.column_names]
    if missing:
        raise EventLogError(
            f"The prospects table has no column {listed(missing)}; it has "
            f"{listed(rows.column_names)}. `known_at` says since when a row was known."
        )
    known_at = rows.schema.field("known_at").type
    if not pa.types.is_timestamp(known_at) or known_at.tz is None:
        raise TimeError(
            f"`known_at` of the prospects table is {known_at}, without a time zone. Localise it, "
            "like `frame['known_at'].dt.tz_localize('UTC')`."
        )
    fields = [
        (field.name, _plain(field))  # what pandas calls large strings are strings here
        for field in rows.schema
    ]
    table = rows.cast(pa.schema(fields))
    first = ["prospect_id", "known_at"]
    others = [name for name in table.column_names if name not in first]
    return table.sort_by([(name, "ascending") for name in [*first, *others]])


def _plain(field: pa.Field) -> pa.DataType:
    if field.name == "known_at":
        return INSTANT
    text = pa.types.is_large_string(field.type) or pa.types.is_dictionary(field.type)
    return pa.string() if text or field.name == "prospect_id" else field.type
