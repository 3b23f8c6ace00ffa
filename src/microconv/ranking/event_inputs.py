"""Opening events of any kind as a log: a folder, a file, a table in memory, raw exports."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from microconv.errors import EventLogError, MissingInputError
from microconv.ingest.dataframes import as_arrow
from microconv.ranking.requests import memory_log
from microconv.settings import IngestSettings
from microconv.storage.log import EventLog, Log

KEPT_PREFIX = ".ingested-"
"""Prefix of the folder of a kept log; the rest is the fingerprint of its exports."""


@dataclass(frozen=True)
class RawExports:
    """Exports to be ingested.

    Attributes
    ----------
    folder : Path
        Replaces `ingest.input_dir`.
    ingest : IngestSettings
        Describes the sources.
    keep_log_in : Path or None
        Where their log is kept until :meth:`forget`, so that a run that was killed after
        ingest need not do it again; None keeps nothing.
    """

    folder: Path
    ingest: IngestSettings
    keep_log_in: Path | None = None

    def delete_kept_logs(self) -> None:
        """Delete every kept log."""
        if self.keep_log_in is not None:
            for kept in self.keep_log_in.glob(f"{KEPT_PREFIX}*"):
                shutil.rmtree(kept, ignore_errors=True)


@contextmanager
def open_events(
    events: Any, *, prospects: Any = None, attributes: Sequence[str] = ()
) -> Iterator[Log]:
    """Open events of any kind as a log; a temporary one is deleted afterwards.

    Parameters
    ----------
    events : path, DataFrame, Table, Ibis table, Log or RawExports
        As for :func:`microconv.score`.
    prospects : DataFrame or Table, optional
        For events in memory or in a Parquet file; a log has its own.
    attributes : sequence of str
        Names of the attributes that such tables may have.

    Raises
    ------
    MissingInputError
        If there is no such file.
    EventLogError
        If it is not a table of events.
    """
    on_disk = isinstance(events, str | Path) and Path(events).is_dir()
    has_own = on_disk or isinstance(events, RawExports) or hasattr(events, "read_events")
    if has_own and prospects is not None:
        raise EventLogError(
            "`prospects` is for a table of events: a log and raw exports have a prospects table of "
            "their own. Omit it."
        )
    if isinstance(events, RawExports) and events.keep_log_in is not None:
        yield _kept(events, events.keep_log_in)
    elif isinstance(events, RawExports):
        with tempfile.TemporaryDirectory(prefix="microconv-") as folder:
            yield _ingested(events, Path(folder), reports=Path(folder))
    elif on_disk:
        yield EventLog.open(events)
    elif hasattr(events, "read_events"):  # a log already
        yield events
    else:
        known = None if prospects is None else as_table(prospects)
        yield memory_log(as_table(events), known, attributes=attributes)


def as_table(rows: Any) -> pa.Table:
    """Return a table of any accepted kind, or a Parquet file, as an Arrow table."""
    return _read_parquet(Path(rows)) if isinstance(rows, str | Path) else as_arrow(rows)


def _kept(exports: RawExports, folder: Path) -> EventLog:
    """Open the kept log of the same exports and settings, or ingest; delete other kept logs."""
    mine = folder / f"{KEPT_PREFIX}{_fingerprint(exports)}"
    for other in folder.glob(f"{KEPT_PREFIX}*"):
        if other != mine:
            shutil.rmtree(other, ignore_errors=True)
    if (mine / "log" / "log.json").exists():  # written whole or not at all
        return EventLog.open(mine / "log")
    return _ingested(exports, mine, reports=folder)


def _fingerprint(exports: RawExports) -> str:
    """Hash name, size and time of each file: reading the exports takes too long."""
    files = sorted(file for file in exports.folder.rglob("*") if file.is_file())
    stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    facts = f"{version('microconv')} {exports.ingest.model_dump_json()} {stats}"
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _ingested(exports: RawExports, folder: Path, *, reports: Path) -> EventLog:
    from microconv.ingest.ingest import Outputs, ingest  # imports the database

    outputs = Outputs(folder / "log", reports / "quarantine.parquet", reports / "ingest.json")
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
            "ingested: name their folder and their settings (`--params params.yaml`, or in "
            "Python RawExports(folder, settings.ingest))."
        ) from None
