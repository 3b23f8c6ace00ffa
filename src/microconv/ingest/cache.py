"""Clean rows of every export, kept beside the log: a file that did not change is not read again.

The rows of what is read at once lie in one segment. A file's rows in it are named by all that
they follow from: the bytes of the export, the settings that read it, and the code. So they are
either right or not found. See docs/decisions/0024.
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

from microconv.ingest.input_files import ROWS_OF_A_FILE, InputFile
from microconv.settings import IngestSettings, SourceSettings
from microconv.storage.files import atomic_write, folder_lock, remove_leftovers

MANIFEST = "parts.json"

LIBRARIES = ("duckdb", "ibis-framework", "numpy", "pyarrow")
"""What else decides the bytes of a log."""

_WHOLE = ("sources", "buckets", "input_dir", "max_rejected_share")
"""Settings of the whole ingest that no clean row follows from."""

MOST = 128
"""So many segments of a source may lie side by side before they are put together."""


@dataclass(frozen=True)
class Segment:
    """The parts that were written at once, in one file.

    Attributes
    ----------
    sha256 : str
        Of the file.
    starts : dict of str to int
        Key of each part → what its row numbers begin behind.
    """

    sha256: str
    starts: dict[str, int]

    @property
    def name(self) -> str:
        """Of its file, without `.parquet`."""
        return _name_of(self.starts)

    @classmethod
    def written(
        cls, starts: dict[str, int], rows: Any, *, folder: Path, connection: Any
    ) -> Segment:
        """Write clean rows into a folder: key → what its row numbers begin behind."""
        path = folder / f"{_name_of(starts)}.parquet"
        with atomic_write(path) as fresh:  # a lost task may run twice
            connection.to_parquet(rows, fresh, compression="lz4")
            return cls(_sha256_of(fresh), starts)


@dataclass
class Parts:
    """The parts of one log.

    Attributes
    ----------
    known : dict of str to Segment
        Name → segment, of the last ingest that came to its end.
    last : dict of str to object
        What else that ingest left in the manifest.
    used : dict of str to Segment
        As `known`, of the present ingest.
    read : list of Path
        The exports that had to be read.
    """

    folder: Path
    code: str
    known: dict[str, Segment] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)
    used: dict[str, Segment] = field(default_factory=dict)
    read: list[Path] = field(default_factory=list)
    _sums: dict[Path, str] = field(default_factory=dict)

    def sum_of(self, file: Path) -> str:
        """Fingerprint an export, once."""
        if file not in self._sums:
            self._sums[file] = _sha256_of(file)
        return self._sums[file]

    def key_of(
        self, unit: Sequence[InputFile], source: SourceSettings, settings: IngestSettings
    ) -> str:
        """Name the part of an export, or of several that are read as one."""
        says = {
            "code": self.code,
            "source": source.model_dump(mode="json"),
            "settings": settings.model_dump(mode="json", exclude=set(_WHOLE)),
            "files": [[str(file.path), self.sum_of(file.path)] for file in unit],
            "numbers": [file.number for file in unit] if len(unit) > 1 else [],
        }
        return hashlib.sha256(json.dumps(says, sort_keys=True).encode()).hexdigest()

    def find(self, keys: Iterable[str]) -> None:
        """Take up the segments that hold any of these parts, if their bytes are as written."""
        wanted = set(keys)
        for name, segment in self.known.items():
            path = self._path_of(name)
            there = bool(wanted.intersection(segment.starts)) and path.is_file()
            if there and _sha256_of(path) == segment.sha256:
                self.used[name] = segment

    def holds(self, key: str) -> bool:
        """Say whether a part was found, or kept by now."""
        return any(key in segment.starts for segment in self.used.values())

    def take(self, segment: Segment) -> None:
        """Use a segment that was written into the folder."""
        self.used[segment.name] = segment

    def tidy(self, befores: dict[str, int], connection: Any) -> None:
        """Write anew what holds rows of files that went, and everything if segments are many."""
        ours = self._holding(befores)
        stale = [name for name in ours if not befores.keys() >= self.used[name].starts.keys()]
        stale = ours if len(ours) > MOST else stale
        if not stale:
            return
        kept = {key for name in stale for key in self.used[name].starts}.intersection(befores)
        starts = {key: before for key, before in befores.items() if key in kept}
        rows = self.table_of(starts, connection)
        self.take(Segment.written(starts, rows, folder=self.folder, connection=connection))
        for name in stale:
            del self.used[name]

    def table_of(self, befores: dict[str, int], connection: Any) -> Any:
        """Give the rows of parts as one table: key → what its row numbers are to begin behind."""
        there, moved = [], []
        for name in self._holding(befores):
            path, starts = str(self._path_of(name)), self.used[name].starts
            wanted = {key: befores[key] for key in starts if key in befores}
            if wanted == starts:
                there.append(path)
            else:
                moves = [(starts[key], befores[key] - starts[key]) for key in wanted]
                moved.append(_moved(connection.read_parquet(path), moves))
        tables = [connection.read_parquet(there)] if there else []
        return reduce(lambda one, other: one.union(other), [*tables, *moved])

    def save(self, **more: Any) -> None:
        """Remember the parts of an ingest that came to its end, and drop all others."""
        segments = {name: asdict(segment) for name, segment in self.used.items()}
        with atomic_write(self.folder / MANIFEST) as fresh:
            content = {"code": self.code, "segments": segments, **more}
            fresh.write_text(json.dumps(content, indent=1), encoding="utf-8")
        _drop_others(self.folder, self.used)
        remove_leftovers(self.folder)

    def _path_of(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def _holding(self, befores: dict[str, int]) -> list[str]:
        return [
            name
            for name, segment in self.used.items()
            if not befores.keys().isdisjoint(segment.starts)
        ]


def _name_of(starts: dict[str, int]) -> str:
    return hashlib.sha256(json.dumps(starts, sort_keys=True).encode()).hexdigest()


def _moved(rows: Any, moves: Sequence[tuple[int, int]]) -> Any:
    """Give rows of wanted files the numbers that are theirs now; drop all others."""
    said = [{"file": start // ROWS_OF_A_FILE, "move": move} for start, move in moves]
    files = ibis.memtable(said, schema={"file": "int64", "move": "int64"})
    found = rows.join(files, rows.row // ROWS_OF_A_FILE == files.file)
    return found.mutate(row=found.row + found.move).drop("file", "move")


@contextmanager
def open_parts(folder: Path) -> Iterator[Parts]:
    """Open the parts of a log for one ingest at a time; a damaged manifest counts as none.

    Raises
    ------
    BusyError
        If another process works with them.
    """
    with folder_lock(folder, "ingesting with"):
        folder.chmod(0o700)  # clean rows name people as the exports do
        last = _read_manifest(folder / MANIFEST)
        known = last.get("segments", {})
        _drop_others(folder, known)
        yield Parts(folder, _code(), known, last)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        segments = {name: Segment(**said) for name, said in content["segments"].items()}
    except (FileNotFoundError, ValueError, KeyError, AttributeError, TypeError):
        return {}
    return content | {"segments": segments}


def _drop_others(folder: Path, kept: dict[str, Segment]) -> None:
    for path in folder.glob("*.parquet"):
        if path.stem not in kept:
            path.unlink()


def _code() -> str:
    """Fingerprint all code that a log follows from."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256(sys.version.encode())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    for folder in ("ingest", "settings", "storage"):
        for file in sorted((package / folder).rglob("*.py")):
            digest.update(f"{file.relative_to(package)} {_sha256_of(file)}\n".encode())
    return digest.hexdigest()


def _sha256_of(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
