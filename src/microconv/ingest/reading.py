"""Exports are read and cleaned: here, file after file, or on a cluster, some files a task.

Either way the same reader and the same expressions make the same clean rows of a file.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from microconv.engines.engine import JSON_CODEC, Engine
from microconv.ingest.cache import MOST, Segment
from microconv.ingest.duckdb_engine import connect
from microconv.ingest.input_files import InputFile
from microconv.ingest.sources.formats import FORMATS, Format
from microconv.ingest.staging import clean_rows
from microconv.settings import IngestSettings, SourceSettings


@dataclass(frozen=True)
class Machines:
    """Who reads.

    Attributes
    ----------
    engine : Engine
        What :func:`microconv.engines.engine.open_engine` gives for the settings.
    several : bool
        Whether they are a cluster; else everything is read here.
    memory_gb : float
        What a task may take.
    """

    engine: Engine
    several: bool
    memory_gb: float


@dataclass(frozen=True)
class _Reading:
    """What is read at once.

    Attributes
    ----------
    starts : dict of str to int
        Key of each part that comes of it → what its row numbers begin behind.
    """

    files: Sequence[InputFile]
    starts: dict[str, int]

    def absolute(self) -> _Reading:
        """Name the files as another machine finds them."""
        return replace(self, files=[replace(f, path=f.path.absolute()) for f in self.files])


def read(
    units: Mapping[str, Sequence[InputFile]],
    source: SourceSettings,
    settings: IngestSettings,
    *,
    folder: Path,
    connection: Any,
    machines: Machines,
) -> Iterator[Segment]:
    """Read and clean files of a source; write the clean rows into a folder, in segments.

    Parameters
    ----------
    units : mapping of str to sequence of InputFile
        Key of a part → its files, several only where the format reads them as one.
    folder : Path
        Like the files, seen by all machines.
    connection : Ibis connection
        Used where this machine reads.

    Raises
    ------
    SourceError
        If a file is unreadable or the mapping does not fit.
    EngineError
        If the cluster gave up.
    """
    readings = _readings(units, FORMATS[source.format], divided=machines.several)
    if not machines.several:
        for reading in readings:
            yield _read_one(reading, source, settings, folder, connection)
        return
    folder, memory_gb = folder.absolute(), machines.memory_gb
    scattered = [reading.absolute() for reading in readings]

    def task(number: int) -> dict[str, Any]:
        with (
            tempfile.TemporaryDirectory() as scratch,
            connect(Path(scratch), threads=1, memory_gb=memory_gb) as own,
        ):
            return asdict(_read_one(scattered[number], source, settings, folder, own))

    for told in machines.engine.map_buckets(task, len(scattered), codec=JSON_CODEC):
        yield Segment(**told)


def _readings(
    units: Mapping[str, Sequence[InputFile]], kind: Format, *, divided: bool
) -> list[_Reading]:
    """Put together what is read at once: as much as files allow, or little, for many machines."""
    starts = {key: begins_behind(unit) for key, unit in units.items()}
    if kind.together:
        return [_Reading(unit, {key: starts[key]}) for key, unit in units.items()]
    key_of = {unit[0]: key for key, unit in units.items()}
    each = math.ceil(len(key_of) / MOST) if divided else len(key_of)
    groups = kind.alike(list(key_of)) if key_of else []
    batches = [group[n : n + each] for group in groups for n in range(0, len(group), each)]
    return [_Reading(files, {key_of[f]: starts[key_of[f]] for f in files}) for files in batches]


def begins_behind(unit: Sequence[InputFile]) -> int:
    """Say what the row numbers of a part begin behind: files that are read as one keep theirs."""
    return unit[0].rows_before if len(unit) == 1 else 0


def _read_one(
    reading: _Reading,
    source: SourceSettings,
    settings: IngestSettings,
    folder: Path,
    connection: Any,
) -> Segment:
    with FORMATS[source.format].read(list(reading.files), source, connection) as rows:
        clean = clean_rows(rows, source, settings)
        return Segment.written(reading.starts, clean, folder=folder, connection=connection)
