"""From the exports named in the settings to one sorted log, with every row accounted for.

The path of a row, top to bottom: find the files → take their clean rows from the cache, or read
and clean them → count and drop duplicates, find out whose each event is → partition by bucket →
estimate who made each click → sort and write each bucket → report. The cache and the engine are
parameters of this one path: a first ingest, one after new files came, and one on a cluster
differ in nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any
from uuid import uuid4

import ibis

from microconv.engines.engine import JSON_CODEC, open_engine
from microconv.ingest.bots.detect import detect_bots
from microconv.ingest.cache import RowCache
from microconv.ingest.clean.prospects import (
    combine_prospects,
    prospects_of_events,
    type_attributes,
    write_messages,
    write_prospects,
)
from microconv.ingest.duckdb_engine import connect
from microconv.ingest.identity import (
    ANONYMOUS,
    Identities,
    Merge,
    find_duplicates,
    follow_merges,
    link_intervals,
    links_of_events,
    links_of_prospects,
    resolve,
)
from microconv.ingest.input_files import expand
from microconv.ingest.memory_budget import (
    batch_rows,
    buckets_for,
    concurrent_buckets,
    cross_bucket_partitions,
    duplicate_passes,
)
from microconv.ingest.partition_files import PartitionFile
from microconv.ingest.row_counts import (
    RowCounts,
    check_rejected_share,
    count_rows,
    write_json,
    write_quarantine,
)
from microconv.ingest.source_rows import SourceReader, find_source_files
from microconv.settings import EngineSettings, IngestSettings
from microconv.storage.buckets import write_bucket
from microconv.storage.files import atomic_write, md5_of
from microconv.storage.schema import LOG_FORMAT

LOCAL = EngineSettings()


@dataclass(frozen=True)
class Outputs:
    """Where ingest writes: the log's folder, the quarantine and the report."""

    log: Path
    quarantine: Path
    report: Path

    def checksums(self) -> list[str] | None:
        """Return the MD5 of each output; None if one does not exist."""
        paths = [self.log, self.quarantine, self.report]
        return [md5_of(path) for path in paths] if all(path.exists() for path in paths) else None


def ingest(
    settings: IngestSettings,
    *,
    outputs: Outputs,
    input_dir: str | Path | None = None,
    engine: EngineSettings = LOCAL,
    cache: RowCache | None = None,
) -> dict[str, Any]:
    """Read every source and write one log, sorted, in hash buckets.

    Parameters
    ----------
    settings : IngestSettings, the section `ingest` of params.yaml
    outputs : Outputs, what exists there stays complete until the new log is
    input_dir : path, optional, replaces `settings.input_dir`
    engine : EngineSettings
        A cluster reads files and sorts buckets. `threads` change no byte; `memory_gb` none if
        the settings give `buckets`.
    cache : RowCache, optional
        From :func:`microconv.ingest.cache.open_cache`: files that have not changed since its
        last ingest are not read, and nothing is done if none has. Changes no byte. By default
        everything is read.

    Returns
    -------
    dict
        The report: per source, rows = events + duplicates + ignored + rejected.

    Raises
    ------
    SourceError
        If a file is missing, unreadable, or lacks a mapped column.
    SettingsError
        If two sources read the same file in the same way.
    RejectedRowsError
        If a source has more rejected rows than the settings allow; the quarantine
        is written, the log is not.
    MemoryLimitError
        If a bucket cannot be sorted within `engine.memory_gb`.
    """
    folder = expand(settings.input_dir) if input_dir is None else Path(input_dir)
    files = find_source_files(settings.sources, folder)
    inputs = "" if cache is None else _hash_inputs(settings, engine, cache, files)
    if cache is not None and _is_current(cache, inputs, outputs):
        cache.unchanged = True
        saved: dict[str, Any] = json.loads((outputs.log / "log.json").read_text(encoding="utf-8"))
        return saved
    with atomic_write(outputs.log) as log, open_engine(engine) as machines:
        log = log.absolute()  # other machines may run in other folders
        work = log.parent / "work"
        for new in (log, log / "events", work, work / "rows"):
            new.mkdir()
        with connect(work, threads=engine.threads, memory_gb=engine.memory_gb) as connection:
            reader = SourceReader(
                settings,
                folder,
                RowCache(work / "rows") if cache is None else cache,
                connection,
                cluster=None if engine.master is None else machines,
                memory_gb=engine.memory_gb,
            )
            sources = [
                count_rows(reader.read(source, paths), connection)
                for source, paths in zip(settings.sources, files, strict=True)
            ]
            job = _Job(settings, sources, connection, work, engine.memory_gb)
            events = job.partition_events()
            write_quarantine(sources, outputs.quarantine)
            check_rejected_share(
                sources,
                settings,
                remedy=f"All rejected rows are in {outputs.quarantine}; the log was not written. "
                "Fix the export, or raise the limit.",
            )
            prospects = job.write_prospects_and_messages(log)
        written, bots = _write_events(events, log / "events", settings, engine)
        report = _report(sources, buckets=events.buckets, events=written, prospects=prospects)
        if bots is not None:
            report["bots"] = bots
        write_json(report, log / "log.json")
    with atomic_write(outputs.report) as path:
        write_json(report | {"unit": settings.unit}, path)
    if cache is not None:
        cache.save(inputs=inputs, outputs=outputs.checksums())
    return report


def _hash_inputs(
    settings: IngestSettings, engine: EngineSettings, cache: RowCache, files: list[list[Path]]
) -> str:
    """Hash everything that the outputs depend on; the cache learns which exports there are."""
    cache.files.update(file for paths in files for file in paths)
    checksums = [
        [source.name, str(file), cache.checksum(file)]
        for source, paths in zip(settings.sources, files, strict=True)
        for file in paths
    ]
    memory_gb = engine.memory_gb if settings.buckets is None else None
    content = [cache.code, memory_gb, settings.model_dump(mode="json"), checksums]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _is_current(cache: RowCache, inputs: str, outputs: Outputs) -> bool:
    """Return whether the outputs are those of the cache's last ingest, of the same inputs."""
    return cache.last.get("inputs") == inputs and cache.last.get("outputs") == outputs.checksums()


@dataclass
class _Job:
    """An ingest between reading and sorting: whose each event is, and which bucket it goes to."""

    settings: IngestSettings
    sources: Sequence[RowCounts]
    connection: Any
    work: Path
    memory_gb: float

    def __post_init__(self) -> None:
        rows = sum(counts.events for counts in self._sources_of("events"))
        self.buckets = self.settings.buckets or buckets_for(rows, self.memory_gb)

    def partition_events(self) -> PartitionFile:
        """Drop duplicates, find whose every event is, and partition the events by bucket."""
        events = self._partition_file("events")
        identities = Identities(self._find_links(), self._find_merges())
        for counts in self._sources_of("events"):
            if counts.events:
                self._resolve_source(counts, identities, events)
        return events

    def _partition_file(self, name: str) -> PartitionFile:
        path = self.work / f"{name}.arrows"
        return PartitionFile(path, self.buckets, batch_rows(self.memory_gb))

    def _sources_of(self, table: str) -> list[RowCounts]:
        return [counts for counts in self.sources if counts.rows_of.format.output == table]

    def _find_links(self) -> Any | None:
        """Collect which ids mean whom, and from when to when."""
        found = [links_of_events(counts.rows_of.table) for counts in self._sources_of("events")]
        found += [links_of_prospects(c.rows_of.table) for c in self._sources_of("prospects")]
        if not found:
            return None
        links = link_intervals(reduce(lambda one, other: one.union(other), found))
        links = self.connection.create_table("links", links)
        return links if self._count(links) else None

    def _find_merges(self) -> Any | None:
        """Collect the merges of known prospects; reject the rows of those that form a cycle."""
        found: dict[Merge, list[tuple[RowCounts, int]]] = {}
        for counts in self._sources_of("events"):
            rows = counts.rows_of.table
            merges = rows.filter(
                rows.reason.isnull() & rows.merged_id.notnull() & rows.prospect_id.notnull()
            ).select("row", "merged_id", "prospect_id", at=ibis.greatest(rows.time, rows.known_at))
            for row in self.connection.to_pyarrow(merges).to_pylist():
                merge = Merge(row["at"], row["merged_id"], row["prospect_id"])
                found.setdefault(merge, []).append((counts, row["row"]))
        spans, cycles = follow_merges(found)
        for merge in cycles:
            for counts, number in found[merge]:
                detail = f"{merge.loser} into {merge.winner}, which was merged into it before"
                counts.reject(number, "merge_cycle", detail)
                counts.ignored["identity"] -= 1
        self.connection.con.register("spans", spans)
        return self.connection.table("spans") if len(spans) else None

    def _resolve_source(
        self, counts: RowCounts, identities: Identities, partition: PartitionFile
    ) -> None:
        """Write the events of one source to their buckets, and count where its rows went."""
        table, connection = counts.rows_of.table, self.connection
        rows = table.filter(table.reason.isnull() & table.ignored.isnull())
        passes = duplicate_passes(counts.events, self.memory_gb)
        duplicates = find_duplicates(rows, connection, passes=passes)
        if duplicates is not None:
            duplicates = connection.create_table(f"duplicates_{uuid4().hex}", duplicates)
            counts.duplicates = self._count(duplicates)
            rows = rows.anti_join(duplicates, "row")
        deals = counts.rows_of.source.format == "deals"
        events = resolve(rows, identities, self.settings, deals=deals)
        names: Counter[str] = Counter()
        for batch in partition.write_query(events.drop("row"), connection):
            for count in batch["event_name"].value_counts().to_pylist():
                names[count["values"]] += count["counts"]
        written, kept = names.total(), counts.events - counts.duplicates
        if identities.spans is not None or deals:
            distinct = events.group_by("event_name").agg(n=events.row.nunique())
            found = connection.to_pyarrow(distinct).to_pylist()
            names = Counter({count["event_name"]: count["n"] for count in found})
        counts.event_names, counts.events = dict(names), names.total()
        counts.copies = written - counts.events
        if counts.events < kept:
            self._count_lost(counts, kept - counts.events, rows, events, identities)

    def _count_lost(
        self, counts: RowCounts, lost: int, rows: Any, events: Any, identities: Identities
    ) -> None:
        """Count the rows without an event: deals without a contact, and unknown visitors."""
        if counts.rows_of.source.format == "deals" and self.settings.unit == "prospect":
            deals = rows.anti_join(events, "row").select("row", "account_id")
            for row in self.connection.to_pyarrow(deals).to_pylist():
                detail = f"account {row['account_id']} had no contact at that time"
                counts.reject(row["row"], "no_contact", detail)
            return
        unknown = rows.filter(
            rows.prospect_id.isnull() & rows.email.isnull() & rows.account_id.isnull()
        )
        if identities.links is not None:
            known = identities.links.filter(identities.links.kind == ANONYMOUS)
            unknown = unknown.anti_join(known, unknown.anonymous_id == known["alias"])
        counts.ignored["anonymous"] += self._count(unknown)
        counts.ignored["no_account"] += lost - counts.ignored["anonymous"]

    def _count(self, table: Any) -> int:
        return int(self.connection.to_pyarrow(table.count()).as_py())

    def write_prospects_and_messages(self, log: Path) -> int:
        """Write both tables, where there are any; return the number of prospects."""
        messages = [_accepted(counts) for counts in self._sources_of("messages")]
        if messages:
            write_messages(messages, log / "messages.parquet", self.connection)
        attributes = list({a: None for c in self.sources for a in c.rows_of.source.attributes})
        tables = [_accepted(counts) for counts in self._sources_of("prospects")]
        tables += [
            prospects_of_events(_accepted(counts))
            for counts in self._sources_of("events")
            if counts.rows_of.source.attributes
        ]
        if not tables:
            return 0
        people = combine_prospects(tables, attributes, self.settings)
        people = self.connection.create_table("people", people)
        return write_prospects(
            type_attributes(people, attributes, self.connection),
            log / "prospects",
            self._partition_file("prospects"),
            self.connection,
        )


def _accepted(counts: RowCounts) -> Any:
    table = counts.rows_of.table
    return table.filter(table.reason.isnull())


def _write_events(
    events: PartitionFile, folder: Path, settings: IngestSettings, engine: EngineSettings
) -> tuple[int, dict[str, int] | None]:
    """Estimate who made each click, then sort and write each bucket, in parallel.

    Returns
    -------
    written : int
        Number of events.
    bots : dict of str to int, or None
        What bots did, for the report; None without bot detection.
    """
    at_once = concurrent_buckets(events.rows, events.buckets, engine.memory_gb)
    threads = min(engine.threads or 2, 2, at_once)
    work, bots = events.path.parent, None
    if settings.bots.enabled:
        parts = cross_bucket_partitions(events.rows.total(), engine.memory_gb)
        bots = detect_bots(events, settings.bots, work, parts=parts, threads=threads)

    def sort_bucket(bucket: int) -> int:
        rows, fresh = events.read(bucket), work / f"{uuid4()}"  # a lost task may run twice
        human = None if rows is None or not bots else bots.human_probability(bucket, len(rows))
        count = write_bucket(rows, fresh, human_probability=human)
        fresh.replace(folder / f"{bucket:04d}.parquet")
        return count

    with open_engine(engine.model_copy(update={"threads": threads})) as machines:
        written = sum(machines.map_buckets(sort_bucket, events.buckets, codec=JSON_CODEC))
    return written, None if bots is None else bots.counts


def _report(
    sources: Sequence[RowCounts], *, buckets: int, events: int, prospects: int
) -> dict[str, Any]:
    """Return what the log holds, and what became of every row."""
    names: Counter[str] = Counter()
    for counts in sources:
        names.update(counts.event_names)
    return {
        "format": LOG_FORMAT,
        "buckets": buckets,
        "events": events,
        "copies": sum(counts.copies for counts in sources),
        "prospects": prospects,
        "event_names": dict(sorted(names.items())),
        "sources": [counts.report() for counts in sources],
    }
