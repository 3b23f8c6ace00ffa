"""The clean rows of each source: from the cache where its files have not changed, else read.

Files are read and cleaned by this machine, one group after the other, or by a cluster, a few
files per task. The same reader and the same expressions give the same clean rows either way.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from microconv.engines.engine import JSON_CODEC, Engine
from microconv.errors import SettingsError
from microconv.ingest.cache import MAX_SEGMENTS, RowCache, Segment, write_segment
from microconv.ingest.clean.events import clean_events
from microconv.ingest.clean.prospects import clean_messages, clean_prospects
from microconv.ingest.clean.synthetic_times import add_synthetic_times
from microconv.ingest.duckdb_engine import connect
from microconv.ingest.input_files import InputFile, find_files
from microconv.ingest.sources.formats import FORMATS, Format
from microconv.ingest.sources.mapping import check_mapping, fill_constants, require_keys
from microconv.ingest.sources.raw_rows import RawRows
from microconv.settings import IngestSettings, SourceSettings


@dataclass(frozen=True)
class SourceRows:
    """The clean rows of one source.

    Attributes
    ----------
    source : SourceSettings, its entry in `ingest.sources`
    files : list of str, names relative to the input folder
    table : Ibis table, what cleaning gives for its format
    """

    source: SourceSettings
    files: list[str]
    table: Any

    @property
    def format(self) -> Format:
        """What ingest knows of the source's format."""
        return FORMATS[self.source.format]


@dataclass(frozen=True)
class SourceReader:
    """Reads the clean rows of sources.

    Attributes
    ----------
    settings : IngestSettings, the section `ingest` of params.yaml
    input_dir : Path, folder that the sources name their files in
    cache : RowCache, where clean rows are looked up and written
    connection : Ibis connection, engine of the resulting tables
    cluster : Engine or None, reads the files; None reads them on this machine
    memory_gb : float, what a task of the cluster may use
    max_rows : int or None, of files that are read together, how many rows are read; None reads all
    """

    settings: IngestSettings
    input_dir: Path
    cache: RowCache
    connection: Any
    cluster: Engine | None = None
    memory_gb: float = 4
    max_rows: int | None = None

    def read(self, source: SourceSettings, paths: Sequence[Path]) -> SourceRows:
        """Return the clean rows of a source; read those of its files that are not in the cache.

        Parameters
        ----------
        source : SourceSettings, one of `settings.sources`
        paths : sequence of Path, its files, in order

        Raises
        ------
        SourceError
            If a file is unreadable.
        SettingsError
            If the mapping does not fit the format.
        EngineError
            If the cluster failed.
        """
        check_mapping(source)
        cache, kind = self.cache, FORMATS[source.format]
        files = [InputFile(path, number) for number, path in enumerate(paths)]
        units = kind.group_files(files) if kind.joins_files else [[file] for file in files]
        keys = {cache.key(unit, source, self.settings): unit for unit in units}
        cache.find(keys)
        missing = {key: unit for key, unit in keys.items() if not cache.holds(key)}
        for segment in self._read_files(missing, source):
            cache.add(segment)
        cache.files_read.update(file.path for unit in missing.values() for file in unit)
        offsets = {key: _row_offset(unit) for key, unit in keys.items()}
        if not kind.joins_files:
            cache.compact(offsets, self.connection)
        table = cache.read(offsets, self.connection)
        require_keys(source, paths, table, self.connection)
        return SourceRows(source, [_relative_name(path, self.input_dir) for path in paths], table)

    def _read_files(
        self, units: Mapping[str, Sequence[InputFile]], source: SourceSettings
    ) -> Iterator[Segment]:
        """Read, clean and write files of a source: cache key → files that are read as one."""
        batches = _batches(units, FORMATS[source.format], split=self.cluster is not None)
        if self.cluster is None:
            for batch in batches:
                yield self._read_batch(batch, source)
            return
        task = _cluster_task(self, batches, source)
        for fields in self.cluster.map_buckets(task, len(batches), codec=JSON_CODEC):
            yield Segment(**fields)

    def _read_batch(self, batch: _Batch, source: SourceSettings) -> Segment:
        with FORMATS[source.format].read(batch.files, source, self.connection) as rows:
            if self.max_rows is not None:
                rows = replace(rows, table=rows.table.limit(self.max_rows))
            return write_segment(
                batch.offsets,
                _clean(rows, source, self.settings),
                folder=self.cache.folder,
                connection=self.connection,
            )


@dataclass(frozen=True)
class _Batch:
    """Files that are read together, and the offsets of the segment they become."""

    files: Sequence[InputFile]
    offsets: dict[str, int]


def _batches(
    units: Mapping[str, Sequence[InputFile]], kind: Format, *, split: bool
) -> list[_Batch]:
    """Group files into batches: as large as the files allow, or small ones for a cluster."""
    offsets = {key: _row_offset(unit) for key, unit in units.items()}
    if kind.joins_files:
        return [_Batch(unit, {key: offsets[key]}) for key, unit in units.items()]
    key_of = {unit[0]: key for key, unit in units.items()}
    size = math.ceil(len(key_of) / MAX_SEGMENTS) if split else len(key_of)
    groups = kind.group_files(list(key_of)) if key_of else []
    batches = [group[n : n + size] for group in groups for n in range(0, len(group), size)]
    return [_Batch(files, {key_of[f]: offsets[key_of[f]] for f in files}) for files in batches]


def _row_offset(unit: Sequence[InputFile]) -> int:
    """Return what row numbers are counted from: files that are read as one keep theirs."""
    return unit[0].rows_before if len(unit) == 1 else 0


def _cluster_task(
    reader: SourceReader, batches: Sequence[_Batch], source: SourceSettings
) -> Callable[[int], dict[str, Any]]:
    """Build the task of a batch; it holds nothing but what another machine can use."""
    memory_gb, settings = reader.memory_gb, reader.settings
    cache = RowCache(reader.cache.folder.absolute())
    batches = [
        replace(b, files=[replace(f, path=f.path.absolute()) for f in b.files]) for b in batches
    ]

    def task(number: int) -> dict[str, Any]:
        with (
            tempfile.TemporaryDirectory() as folder,
            connect(Path(folder), threads=1, memory_gb=memory_gb) as connection,
        ):
            own = SourceReader(settings, Path(folder), cache, connection)
            return asdict(own._read_batch(batches[number], source))

    return task


def _clean(rows: RawRows, source: SourceSettings, settings: IngestSettings) -> Any:
    """Check and normalise what a reader returned, as the format of the source requires."""
    kind = FORMATS[source.format]
    rows = replace(rows, table=fill_constants(add_synthetic_times(rows.table, source), source))
    if kind.output == "prospects":
        return clean_prospects(rows, source, settings)
    if kind.output == "messages":
        return clean_messages(rows, source, settings)
    return clean_events(rows, source, settings, no_identity=kind.no_identity)


def _relative_name(file: Path, input_dir: Path) -> str:
    return file.relative_to(input_dir).as_posix() if file.is_relative_to(input_dir) else file.name


def find_source_files(sources: Sequence[SourceSettings], input_dir: Path) -> list[list[Path]]:
    """Find the files of every source.

    Parameters
    ----------
    sources : sequence of SourceSettings, all sources of the ingest
    input_dir : Path, folder that they name their files in

    Returns
    -------
    list of list of Path
        The files of each source, sorted by name.

    Raises
    ------
    MissingInputError
        If a source has no file.
    SettingsError
        If two sources read the same file in the same way, so that each event would count
        twice. One file may feed two sources that differ, for instance in the time column.
    """
    found = [find_files(source, input_dir) for source in sources]
    readers: dict[tuple[Path, str], list[SourceSettings]] = {}
    for source, files in zip(sources, found, strict=True):
        for file in files:
            others = readers.setdefault((file.resolve(), source.format), [])
            for other in others:
                if (other.columns, other.ignore, other.only) == (
                    source.columns, source.ignore, source.only,
                ):  # fmt: skip
                    raise SettingsError(
                        f"The sources `{other.name}` and `{source.name}` both read {file}, and in "
                        "the same way, so that each of its rows would count twice. Fix `files` of "
                        "one of them, or delete it."
                    )
            others.append(source)
    return found
