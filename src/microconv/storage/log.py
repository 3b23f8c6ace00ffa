"""The event log: one folder of sorted buckets, or the same thing in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from microconv.errors import EventLogError, MissingInputError, TimeError, listed
from microconv.journey import JourneyMap
from microconv.storage.schema import LOG_FORMAT, MESSAGES

HISTORY_COLUMNS = (
    "prospect_id",
    "time",
    "visible_at",
    "visible_until",
    "event_name",
    "value",
    "human_probability",
)
"""The columns that histories are made of; the only ones featurize reads."""

DICTIONARY_COLUMNS = ["prospect_id", "event_name", "message_id", "campaign_id", "variant", "client"]
"""Text columns whose values repeat, read as dictionaries."""


class Log(Protocol):
    """What readers of events need: buckets, one at a time."""

    @property
    def buckets(self) -> int:
        """Number of buckets."""
        ...

    def read_events(self, bucket: int, columns: Sequence[str] = HISTORY_COLUMNS) -> pa.Table:
        """Read some columns of one bucket, in the order of the log.

        Parameters
        ----------
        bucket : int
        columns : sequence of str
        """
        ...

    def read_prospects(self, bucket: int) -> pa.Table | None:
        """Read the bucket's rows of the prospects table; None where there is none."""
        ...


@dataclass(frozen=True)
class EventLog:
    """A log on disk, as `ingest` writes it.

    Attributes
    ----------
    path : Path, the folder that holds `log.json`, `events/` and perhaps `prospects/`
    facts : dict, the content of `log.json`
    """

    path: Path
    facts: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, path: str | Path) -> EventLog:
        """Open a log for reading.

        Raises
        ------
        MissingInputError
            If the folder holds no log.
        EventLogError
            If the log was written in another format, or is damaged.
        """
        path = Path(path).absolute()  # other machines work in other folders
        try:
            facts = json.loads((path / "log.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise MissingInputError(
                f"There is no event log at {path} (no log.json). Run the stage `ingest` first, "
                "or name the folder it wrote."
            ) from None
        except ValueError as error:
            raise EventLogError(f"{path / 'log.json'} is damaged: {error}.") from None
        if not isinstance(facts, dict):
            raise EventLogError(
                f"{path / 'log.json'} does not describe a log. Ingest the exports again."
            )
        if facts.get("format") != LOG_FORMAT:
            raise EventLogError(
                f"The log at {path} has the format {facts.get('format')!r}; this version reads "
                f"format {LOG_FORMAT}. Ingest the exports again (the stage `ingest`)."
            )
        missing = [name for name in ("buckets", "event_names", "sources") if name not in facts]
        if missing:
            raise EventLogError(
                f"{path / 'log.json'} is damaged: it has no {listed(missing)}. Ingest the exports "
                "again."
            )
        return cls(path, facts)

    @property
    def buckets(self) -> int:
        """Number of buckets."""
        return int(self.facts["buckets"])

    @property
    def event_names(self) -> dict[str, int]:
        """Every event name with its number of events."""
        return dict(self.facts["event_names"])

    @property
    def synthetic_sources(self) -> list[str]:
        """Sources with synthetic times, because their exports have none."""
        return [source["name"] for source in self.facts["sources"] if source.get("synthetic_times")]

    def read_events(self, bucket: int, columns: Sequence[str] = HISTORY_COLUMNS) -> pa.Table:
        """Read some columns of one bucket, those of :data:`DICTIONARY_COLUMNS` as dictionaries.

        Parameters
        ----------
        bucket : int
        columns : sequence of str
        """
        return _read(self.path / "events" / f"{bucket:04d}.parquet", list(columns))

    def read_prospects(self, bucket: int) -> pa.Table | None:
        """Read the bucket's rows of the prospects table; None where the log has none."""
        file = self.path / "prospects" / f"{bucket:04d}.parquet"
        return _read(file, None) if file.exists() else None

    def read_messages(self) -> pa.Table | None:
        """Read the table of messages; None where the log has none."""
        file = self.path / "messages.parquet"
        return _read(file, None).cast(MESSAGES) if file.exists() else None

    def observed_until(self, journey: JourneyMap) -> datetime:
        """Find the first instant up to which every outcome is complete.

        The minimum over the sources' declared `complete_until`, never the
        largest timestamp seen: one row dated 2099 would make every label a
        false negative.

        Raises
        ------
        TimeError
            If a source holds a major conversion and declares no
            `complete_until`, or no source declares one.
        """
        majors = {e for s in journey.steps if s.kind == "major" for e in s.events}
        declared = []
        for source in self.facts["sources"]:
            found = sorted(majors.intersection(source["event_names"]))
            if source["complete_until"] is not None:
                declared.append(datetime.fromisoformat(source["complete_until"]))
            elif found:
                raise TimeError(
                    f"The source `{source['name']}` holds the outcome {listed(found)} but declares "
                    "no `complete_until`, so it is unknown which conversions are still missing. "
                    "Add the time up to which its export is complete, for example "
                    "`complete_until: 2024-09-27T00:00:00Z`."
                )
        if not declared:
            raise TimeError(
                "No source declares `complete_until`, so no outcome window is known to have ended. "
                "Add it to the source that holds the conversions."
            )
        return min(declared)

    def unmapped(self, journey: JourneyMap) -> dict[str, int]:
        """Count the events whose name the journey does not map, by name."""
        counts = self.event_names
        return {name: counts[name] for name in journey.unmapped(counts)}


@dataclass(frozen=True)
class MemoryLog:
    """A log of one bucket in memory.

    Attributes
    ----------
    events : Table, canonical events in the order of the log
    prospects : Table or None
    """

    events: pa.Table
    prospects: pa.Table | None = None
    buckets: int = 1

    def read_events(self, bucket: int, columns: Sequence[str] = HISTORY_COLUMNS) -> pa.Table:
        """Return some columns of the events.

        Parameters
        ----------
        bucket : int, ignored, as there is only one
        columns : sequence of str
        """
        table = self.events.select(list(columns))
        for name in [name for name in DICTIONARY_COLUMNS if name in columns]:
            position = table.column_names.index(name)
            if not pa.types.is_dictionary(table.schema.field(name).type):
                column = table.column(name).dictionary_encode()
                table = table.set_column(position, name, column)
        return table

    def read_prospects(self, bucket: int) -> pa.Table | None:
        """Return the prospects table."""
        return self.prospects


def _read(file: Path, columns: list[str] | None) -> pa.Table:
    try:
        return read_parquet(file, columns, dictionaries=DICTIONARY_COLUMNS)
    except (OSError, pa.ArrowInvalid) as error:
        raise EventLogError(
            f"{file} is missing or damaged ({error}). Run the stage `ingest` again."
        ) from None


def read_parquet(
    file: Path, columns: Sequence[str] | None = None, *, dictionaries: Sequence[str] = ()
) -> pa.Table:
    """Read some columns of one Parquet file, in this thread.

    `pyarrow.parquet.read_table` gives the same, but imports `pyarrow.dataset` and pandas: half a
    second in stages that need neither.

    Parameters
    ----------
    file : Path
    columns : sequence of str, optional, in this order; every column when None
    dictionaries : sequence of str, text columns to read as dictionaries; they need not exist

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    pyarrow.ArrowInvalid
        If it is not Parquet, or lacks one of the columns.
    """
    facts = pq.read_metadata(file, memory_map=True)
    there = facts.schema.to_arrow_schema().names
    chosen = there if columns is None else list(columns)
    absent = [name for name in chosen if name not in there]
    if absent:
        raise pa.ArrowInvalid(f"it has no column {listed(absent)}")
    coded = [name for name in dictionaries if name in chosen]
    with pq.ParquetFile(file, metadata=facts, memory_map=True, read_dictionary=coded) as opened:
        return opened.read(columns=chosen, use_threads=False).select(chosen)
