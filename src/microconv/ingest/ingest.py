"""From every export of the settings to one sorted log, with nothing lost on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any
from uuid import uuid4

import ibis

from microconv.engines.engine import JSON_CODEC, open_engine
from microconv.ingest.bots.detect import Judged, judge
from microconv.ingest.clean.prospects import (
    gather_prospects,
    prospects_of_events,
    type_attributes,
    write_messages,
    write_prospects,
)
from microconv.ingest.duckdb_engine import connect
from microconv.ingest.identity.links import (
    ANONYMOUS,
    Merge,
    follow_merges,
    in_intervals,
    links_of_events,
    links_of_prospects,
)
from microconv.ingest.identity.resolve import Identities, find_duplicates, resolve
from microconv.ingest.input_files import expand
from microconv.ingest.memory_budget import (
    batch_rows,
    buckets_at_once,
    buckets_for,
    parts_of,
    passes_over,
)
from microconv.ingest.partition_files import PartitionFile
from microconv.ingest.row_counts import (
    Tally,
    count_staged,
    refuse_if_too_many,
    write_json,
    write_quarantine,
)
from microconv.ingest.staging import Staged, refuse_twins, stage
from microconv.settings import EngineSettings, IngestSettings
from microconv.storage.buckets import write_bucket
from microconv.storage.files import atomic_write
from microconv.storage.log import FORMAT

ONE_MACHINE = EngineSettings()

Staging = Callable[..., Staged]
"""Called like :func:`microconv.ingest.staging.stage`."""


@dataclass(frozen=True)
class Outputs:
    """Where ingest writes: the log's folder, the quarantine and the report."""

    log: Path
    quarantine: Path
    report: Path


def ingest(
    settings: IngestSettings,
    *,
    outputs: Outputs,
    input_dir: str | Path | None = None,
    engine: EngineSettings = ONE_MACHINE,
    staging: Staging = stage,
) -> dict[str, Any]:
    """Read every source and write one log, sorted, in hash buckets.

    Parameters
    ----------
    settings : IngestSettings
        The section `ingest` of params.yaml.
    outputs : Outputs
        What is there stays whole until the new log is complete.
    input_dir : path, optional
        Takes the place of `settings.input_dir`.
    engine : EngineSettings
        Its `threads` change no byte; its `memory_gb` none if the settings say `buckets`.
    staging : function, optional
        Gives the clean rows of a source; by default reads every file of it.

    Returns
    -------
    dict
        The report: per source, rows = events + duplicates + ignored + quarantined.

    Raises
    ------
    SourceError
        If a file is missing, unreadable, or lacks a mapped column.
    SettingsError
        If two sources read the same file in the same way.
    RejectedRowsError
        If a source has more refused rows than the settings allow; the quarantine
        is written, the log is not.
    MemoryLimitError
        If a bucket cannot be sorted within `engine.memory_gb`.
    """
    folder = expand(settings.input_dir) if input_dir is None else Path(input_dir)
    with atomic_write(outputs.log) as log:
        log = log.absolute()  # other machines may stand elsewhere
        work = log.parent / "work"
        work.mkdir()
        log.mkdir()
        with connect(work, threads=engine.threads, memory_gb=engine.memory_gb) as connection:
            refuse_twins(settings.sources, folder)
            tallies = [
                count_staged(
                    staging(place, settings, input_dir=folder, connection=connection), connection
                )
                for place in range(len(settings.sources))
            ]
            run = _Run(settings, work, connection, tallies, engine.memory_gb)
            run.resolve()
            write_quarantine(run.tallies, outputs.quarantine)
            refuse_if_too_many(run.tallies, settings, outputs.quarantine)
            prospects = run.write_people(log)
        at_once = buckets_at_once(run.events.rows, run.buckets, engine.memory_gb)
        threads = min(engine.threads or 2, 2, at_once)
        judged = None
        if settings.bots.enabled:
            parts = parts_of(run.events.rows.total(), engine.memory_gb)
            judged = judge(run.events, settings.bots, work, parts=parts, threads=threads)
        events = _sort_buckets(
            run.events, log / "events", judged, engine.model_copy(update={"threads": threads})
        )
        facts = run.facts(events, prospects)
        if judged is not None:
            facts["bots"] = judged.facts
        write_json(facts, log / "log.json")
    with atomic_write(outputs.report) as report:
        write_json(facts | {"unit": settings.unit}, report)
    return facts


def _sort_buckets(
    events: PartitionFile, folder: Path, judged: Judged | None, engine: EngineSettings
) -> int:
    """Sort each bucket, on all machines of the engine; return how many events there are."""
    folder.mkdir()
    work = events.path.parent

    def sort(bucket: int) -> int:
        rows, fresh = events.read(bucket), work / f"{uuid4()}"  # a lost task may run twice
        human_probability = (
            None if rows is None or judged is None else judged.human_probability(bucket, len(rows))
        )
        count = write_bucket(rows, fresh, human_probability=human_probability)
        fresh.replace(folder / f"{bucket:04d}.parquet")
        return count

    with open_engine(engine) as machines:
        return sum(machines.map_buckets(sort, events.buckets, codec=JSON_CODEC))


@dataclass
class _Run:
    """One ingest between reading and sorting: who is who, and where each row goes."""

    settings: IngestSettings
    work: Path
    connection: Any
    tallies: list[Tally]
    memory_gb: float

    def __post_init__(self) -> None:
        rows = sum(tally.events for tally in self._making("events"))
        self.buckets = self.settings.buckets or buckets_for(rows, self.memory_gb)
        self.events = self._spill("events")

    def _spill(self, name: str) -> PartitionFile:
        return PartitionFile(self.work / f"{name}.arrows", self.buckets, batch_rows(self.memory_gb))

    def _making(self, makes: str) -> list[Tally]:
        return [tally for tally in self.tallies if tally.staged.format.makes == makes]

    def resolve(self) -> None:
        """Find whose every event is, and partition them by bucket."""
        identities = Identities(self._links(), self._spans())
        for tally in self._making("events"):
            if tally.events:
                self._resolve_source(tally, identities)

    def _links(self) -> Any | None:
        said = [links_of_events(tally.staged.table) for tally in self._making("events")]
        said += [links_of_prospects(tally.staged.table) for tally in self._making("prospects")]
        if not said:
            return None
        links = in_intervals(reduce(lambda one, other: one.union(other), said))
        links = self.connection.create_table("links", links)
        return links if self._count(links) else None

    def _spans(self) -> Any | None:
        said: dict[Merge, list[tuple[Tally, int]]] = {}
        for tally in self._making("events"):
            for merge, row in self._merges(tally):
                said.setdefault(merge, []).append((tally, row))
        spans, cycles = follow_merges(said)
        for merge in cycles:
            for tally, row in said[merge]:
                detail = f"{merge.loser} into {merge.winner}, which is already a part of it"
                tally.refuse(row, "merge_cycle", detail)
                tally.ignored["identity"] -= 1
        self.connection.con.register("spans", spans)
        return self.connection.table("spans") if len(spans) else None

    def _merges(self, tally: Tally) -> Iterator[tuple[Merge, int]]:
        rows = tally.staged.table
        said = rows.filter(
            rows.reason.isnull() & rows.merged_id.notnull() & rows.prospect_id.notnull()
        ).select("row", "merged_id", "prospect_id", at=ibis.greatest(rows.time, rows.known_at))
        for row in self.connection.to_pyarrow(said).to_pylist():
            yield Merge(row["at"], row["merged_id"], row["prospect_id"]), row["row"]

    def _resolve_source(self, tally: Tally, identities: Identities) -> None:
        staged, connection = tally.staged, self.connection
        rows = staged.table.filter(staged.table.reason.isnull() & staged.table.ignored.isnull())
        passes = passes_over(tally.events, self.memory_gb)
        losers = find_duplicates(rows, connection, passes=passes)
        if losers is not None:
            losers = connection.create_table(f"losers_{staged.place}", losers)
            tally.duplicates = self._count(losers)
            rows = rows.anti_join(losers, "row")
        deals = staged.source.format == "deals"
        events = resolve(rows, identities, self.settings, deals=deals)
        names: Counter[str] = Counter()
        for batch in self.events.add(events.drop("row"), connection):
            for count in batch["event_name"].value_counts().to_pylist():
                names[count["values"]] += count["counts"]
        self._count_events(tally, names, rows, events, identities)

    def _count_events(
        self, tally: Tally, names: Counter[str], rows: Any, events: Any, identities: Identities
    ) -> None:
        """Tell events from copies of them, and say where the rows without an event went."""
        written = sum(names.values())
        kept = tally.events - tally.duplicates
        deals = tally.staged.source.format == "deals"
        if identities.spans is not None or deals:
            counts = events.group_by("event_name").agg(n=events.row.nunique())
            counted = self.connection.to_pyarrow(counts).to_pylist()
            names = Counter({count["event_name"]: count["n"] for count in counted})
        tally.event_names, tally.events = dict(names), sum(names.values())
        tally.copies = written - tally.events
        if tally.events == kept:
            return
        if deals and self.settings.unit == "prospect":
            lost = rows.anti_join(events, "row").select("row", "account_id")
            for row in self.connection.to_pyarrow(lost).to_pylist():
                detail = f"account {row['account_id']} had no contact by then"
                tally.refuse(row["row"], "no_contact", detail)
            return
        strangers = rows.filter(
            rows.prospect_id.isnull() & rows.email.isnull() & rows.account_id.isnull()
        )
        if identities.links is not None:
            known = identities.links.filter(identities.links.kind == ANONYMOUS)
            strangers = strangers.anti_join(known, strangers.anonymous_id == known["alias"])
        tally.ignored["anonymous"] += self._count(strangers)
        tally.ignored["no_account"] += kept - tally.events - tally.ignored["anonymous"]

    def _count(self, table: Any) -> int:
        return int(self.connection.to_pyarrow(table.count()).as_py())

    def write_people(self, log: Path) -> int:
        """Write the prospects and the messages, where there are any; count the prospects."""
        messages = [_accepted(tally.staged.table) for tally in self._making("messages")]
        if messages:
            write_messages(messages, log / "messages.parquet", self.connection)
        sources = {name: None for t in self.tallies for name in t.staged.source.attributes}
        attributes = list(sources)
        staged = [_accepted(tally.staged.table) for tally in self._making("prospects")]
        staged += [
            prospects_of_events(_accepted(tally.staged.table))
            for tally in self._making("events")
            if tally.staged.source.attributes
        ]
        if not staged:
            return 0
        people = gather_prospects(staged, attributes, self.settings)
        people = self.connection.create_table("people", people)
        return write_prospects(
            type_attributes(people, attributes, self.connection),
            log / "prospects",
            self._spill("prospects"),
            self.connection,
        )

    def facts(self, events: int, prospects: int) -> dict[str, Any]:
        """Say what the log holds."""
        names: Counter[str] = Counter()
        for tally in self.tallies:
            names.update(tally.event_names)
        return {
            "format": FORMAT,
            "buckets": self.buckets,
            "events": events,
            "copies": sum(tally.copies for tally in self.tallies),
            "prospects": prospects,
            "event_names": dict(sorted(names.items())),
            "sources": [tally.facts() for tally in self.tallies],
        }


def _accepted(table: Any) -> Any:
    return table.filter(table.reason.isnull())
