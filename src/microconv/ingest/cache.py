"""Clean rows of every export, kept between ingests: an unchanged file is not read again.

The rows of files that are read together lie in one segment, a Parquet file. A file's rows in
it are identified by all that they depend on: the bytes of the export, the settings that read
it, and the code. So they are either right or not found. See docs/decisions/0024 and 0029.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ibis

from microconv.ingest.input_files import ROWS_PER_FILE, InputFile
from microconv.settings import IngestSettings, SourceSettings
from microconv.storage.files import atomic_write, folder_lock, remove_leftovers

MANIFEST = "manifest.json"

LIBRARIES = ("duckdb", "ibis-framework", "numpy", "pyarrow")
"""Libraries whose versions decide the bytes of a log."""

_GLOBAL_SETTINGS = ("sources", "buckets", "input_dir", "max_rejected_share")
"""Settings of the whole ingest that no clean row depends on."""

MAX_SEGMENTS = 128
"""A source with more segments than this gets them merged into one."""


@dataclass(frozen=True)
class Segment:
    """The clean rows that were written at once, in one file.

    Attributes
    ----------
    sha256 : str, of the file
    offsets : dict of str to int, key of each file's rows → what their row numbers are counted from
    """

    sha256: str
    offsets: dict[str, int]

    @property
    def name(self) -> str:
        """Name of its file, without `.parquet`."""
        return _segment_name(self.offsets)


def write_segment(offsets: dict[str, int], rows: Any, *, folder: Path, connection: Any) -> Segment:
    """Write clean rows into a folder.

    Parameters
    ----------
    offsets : dict of str to int, as in :class:`Segment`
    rows : Ibis table, clean rows of one source
    folder : Path, folder of the cache
    connection : Ibis connection, runs the query
    """
    with atomic_write(folder / f"{_segment_name(offsets)}.parquet") as path:
        connection.to_parquet(rows, path, compression="lz4")
        return Segment(_sha256(path), offsets)


@dataclass
class RowCache:
    """The clean rows of one log's exports.

    Without `code` it serves one ingest only: its folder is temporary, nothing is known of an
    earlier ingest, and no file is hashed. :func:`open_cache` opens the one that is kept.

    Attributes
    ----------
    folder : Path, holds the segments
    code : str, hash of all code that a log depends on
    known : dict of str to Segment, name → segment, of the last ingest that was completed
    last : dict of str to object, what else that ingest left in the manifest
    used : dict of str to Segment, as `known`, of the present ingest
    files, files_read : set of Path, all exports, and those that had to be read
    unchanged : bool, whether the log was left as it is, since no export changed
    """

    folder: Path
    code: str = ""
    known: dict[str, Segment] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)
    used: dict[str, Segment] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    files_read: set[Path] = field(default_factory=set)
    unchanged: bool = False
    _checksums: dict[Path, str] = field(default_factory=dict)

    def checksum(self, file: Path) -> str:
        """Return the SHA-256 of an export, computed once."""
        if not self.code:
            return ""
        if file not in self._checksums:
            self._checksums[file] = _sha256(file)
        return self._checksums[file]

    def key(
        self, files: Sequence[InputFile], source: SourceSettings, settings: IngestSettings
    ) -> str:
        """Return the key of the clean rows of a file, or of several that are read as one.

        Parameters
        ----------
        files : sequence of InputFile, more than one only where the format reads them as one
        source : SourceSettings, the source they belong to
        settings : IngestSettings, the section `ingest` of params.yaml
        """
        content = {
            "code": self.code,
            "source": source.model_dump(mode="json"),
            "settings": settings.model_dump(mode="json", exclude=set(_GLOBAL_SETTINGS)),
            "files": [[str(file.path), self.checksum(file.path)] for file in files],
            "numbers": [file.number for file in files] if len(files) > 1 else [],
        }
        return _hash_json(content)

    def find(self, keys: Iterable[str]) -> None:
        """Use the segments that hold any of these rows, if their bytes are as written."""
        wanted = set(keys)
        for name, segment in self.known.items():
            path = self._path(name)
            there = bool(wanted.intersection(segment.offsets)) and path.is_file()
            if there and _sha256(path) == segment.sha256:
                self.used[name] = segment

    def holds(self, key: str) -> bool:
        """Return whether the rows with this key are in a segment in use."""
        return any(key in segment.offsets for segment in self.used.values())

    def add(self, segment: Segment) -> None:
        """Use a segment that was written into the folder."""
        self.used[segment.name] = segment

    def compact(self, offsets: dict[str, int], connection: Any) -> None:
        """Rewrite segments with rows of deleted files, and all segments if there are too many.

        Parameters
        ----------
        offsets : dict of str to int
            Every key of the source → what its row numbers are counted from.
        connection : Ibis connection, reads and writes the rows
        """
        ours = self._holding(offsets)
        stale = [name for name in ours if not offsets.keys() >= self.used[name].offsets.keys()]
        stale = ours if len(ours) > MAX_SEGMENTS else stale
        if not stale:
            return
        kept = {key for name in stale for key in self.used[name].offsets}.intersection(offsets)
        chosen = {key: offset for key, offset in offsets.items() if key in kept}
        rows = self.read(chosen, connection)
        self.add(write_segment(chosen, rows, folder=self.folder, connection=connection))
        for name in stale:
            del self.used[name]

    def read(self, offsets: dict[str, int], connection: Any) -> Any:
        """Return the rows of several keys as one Ibis table.

        Parameters
        ----------
        offsets : dict of str to int, key → what its row numbers are to be counted from
        connection : Ibis connection, reads the segments
        """
        whole, tables = [], []
        for name in self._holding(offsets):
            path, written = str(self._path(name)), self.used[name].offsets
            wanted = {key: offsets[key] for key in written if key in offsets}
            if wanted == written:
                whole.append(path)
            else:
                shifts = [(written[key], offsets[key] - written[key]) for key in wanted]
                tables.append(_renumbered(connection.read_parquet(path), shifts))
        tables = [connection.read_parquet(whole), *tables] if whole else tables
        return reduce(lambda one, other: one.union(other), tables)

    def save(self, **more: Any) -> None:
        """Write the manifest of a completed ingest, and delete all segments it does not use."""
        segments = {name: asdict(segment) for name, segment in self.used.items()}
        content = {"code": self.code, "segments": segments, **more}
        with atomic_write(self.folder / MANIFEST) as path:
            path.write_text(json.dumps(content, indent=1), encoding="utf-8")
        _delete_others(self.folder, self.used)
        remove_leftovers(self.folder)

    def summary(self) -> str:
        """Return one line: how many exports were read, and why if it was all of them."""
        files, read = len(self.files), len(self.files_read)
        if self.unchanged:
            return f"none of the {files:,} exports changed; the log stays as it is"
        if read < files:
            return f"read {read:,} of {files:,} exports; the others had not changed"
        if not self.last:
            why = "there is no cache of an earlier ingest"
        elif self.last.get("code") != self.code:
            why = "microconv or one of its libraries changed"
        else:
            why = "the settings or all of the files changed"
        return f"read all {files:,} exports: {why}"

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def _holding(self, keys: dict[str, int]) -> list[str]:
        return [
            n for n, segment in self.used.items() if not keys.keys().isdisjoint(segment.offsets)
        ]


def _renumbered(rows: Any, shifts: Sequence[tuple[int, int]]) -> Any:
    """Keep the rows of wanted files and replace their row numbers by the present ones."""
    pairs = [{"file": offset // ROWS_PER_FILE, "shift": shift} for offset, shift in shifts]
    files = ibis.memtable(pairs, schema={"file": "int64", "shift": "int64"})
    found = rows.join(files, rows.row // ROWS_PER_FILE == files.file)
    return found.mutate(row=found.row + found.shift).drop("file", "shift")


def cache_folder(log: Path) -> Path:
    """Return the folder in which the clean rows of a log are kept.

    Examples
    --------
    >>> cache_folder(Path("data/log")).as_posix()
    'data/.log.cache'
    """
    return log.with_name(f".{log.name}.cache")


@contextmanager
def open_cache(folder: Path) -> Iterator[RowCache]:
    """Open a cache that is kept, for one ingest at a time; a damaged manifest counts as none.

    Raises
    ------
    BusyError
        If another process uses it.
    """
    with folder_lock(folder, "ingesting with"):
        folder.chmod(0o700)  # clean rows hold personal data
        last = _read_manifest(folder / MANIFEST)
        known = last.get("segments", {})
        _delete_others(folder, known)
        yield RowCache(folder, _hash_code(), known, last)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        segments = {name: Segment(**entry) for name, entry in content["segments"].items()}
    except (FileNotFoundError, ValueError, KeyError, AttributeError, TypeError):
        return {}
    return content | {"segments": segments}


def _delete_others(folder: Path, kept: dict[str, Segment]) -> None:
    for path in folder.glob("*.parquet"):
        if path.stem not in kept:
            path.unlink()


def _segment_name(offsets: dict[str, int]) -> str:
    return _hash_json(offsets)


def _hash_json(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _hash_code() -> str:
    """Hash all code that a log depends on."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256(sys.version.encode())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    for folder in ("ingest", "settings", "storage"):
        files = [f for kind in ("py", "yaml") for f in (package / folder).rglob(f"*.{kind}")]
        for file in sorted(files):
            digest.update(f"{file.relative_to(package)} {_sha256(file)}\n".encode())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
