"""Clean rows of every export, kept beside the log: a file that did not change is not read again.

A part is named by all that its rows follow from: the bytes of the export, the settings that
read it, and the code. So it is either right or not found. See docs/decisions/0024.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from microconv.events.files import alone_in, replacing
from microconv.events.inputs import InputFile
from microconv.settings import IngestSettings, SourceSettings

MANIFEST = "parts.json"

LIBRARIES = ("duckdb", "ibis-framework", "numpy", "pyarrow")
"""What else decides the bytes of a log."""

_WHOLE = ("sources", "buckets", "input_dir", "max_refused_share")
"""Settings of the whole ingest that no clean row follows from."""


@dataclass
class Parts:
    """The parts of one log.

    Attributes
    ----------
    known : dict of str to str
        Key → sha256 of the part's file, of the last ingest that came to its end.
    last : dict of str to object
        What else that ingest left in the manifest.
    used : dict of str to str
        As `known`, of the present ingest.
    read : list of Path
        The exports that had to be read.
    """

    folder: Path
    code: str
    known: dict[str, str] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)
    used: dict[str, str] = field(default_factory=dict)
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

    def path_of(self, key: str) -> Path:
        """Say where a part lies."""
        return self.folder / f"{key}.parquet"

    def holds(self, key: str) -> bool:
        """Say whether there is such a part, with the bytes that were written."""
        path = self.path_of(key)
        if key not in self.known or not path.is_file() or _sha256_of(path) != self.known[key]:
            return False
        self.used[key] = self.known[key]
        return True

    def keep(self, key: str, rows: Any) -> None:
        """Write clean rows, a relation of the engine, down as a part."""
        path = self.path_of(key)
        rows.write_parquet(str(path), compression="lz4")
        self.used[key] = _sha256_of(path)

    def table_of(self, befores: dict[str, int], name: str, connection: Any) -> Any:
        """Give the rows of parts as one table: key → what is added to its row numbers."""
        paths = [self.path_of(key) for key in befores]
        table = connection.read_parquet(list(map(str, paths)), table_name=name, filename=True)
        places = pa.table({"part": list(befores), "before": list(befores.values())})
        connection.con.register(f"{name}_places", places)
        places = connection.table(f"{name}_places")
        # by the key alone: how the engine spells the folder is its own affair
        part = table.filename.re_extract(r"([0-9a-f]+)\.parquet$", 1)
        joined = table.join(places, part == places.part)
        joined = joined.mutate(row=joined.row + joined.before).drop("filename", "part", "before")
        kept = sum(pq.read_metadata(path).num_rows for path in paths)
        if joined.count().to_pyarrow().as_py() != kept:
            raise RuntimeError(
                f"of {kept:,} rows in the parts of {name} not every one came back once"
            )
        return joined

    def save(self, **more: Any) -> None:
        """Remember the parts of an ingest that came to its end, and drop all others."""
        with replacing(self.folder / MANIFEST) as fresh:
            content = {"code": self.code, "parts": self.used, **more}
            fresh.write_text(json.dumps(content, indent=1), encoding="utf-8")
        _drop_others(self.folder, self.used)


@contextmanager
def open_parts(folder: Path) -> Iterator[Parts]:
    """Open the parts of a log for one ingest at a time; a damaged manifest counts as none.

    Raises
    ------
    BusyError
        If another process works with them.
    """
    with alone_in(folder, "ingesting with"):
        folder.chmod(0o700)  # clean rows name people as the exports do
        last = _read_manifest(folder / MANIFEST)
        known = last.get("parts", {})
        _drop_others(folder, known)
        yield Parts(folder, _code(), known, last)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    sound = isinstance(content, dict) and isinstance(content.get("parts"), dict)
    return content if sound else {}


def _drop_others(folder: Path, kept: dict[str, str]) -> None:
    for path in folder.glob("*.parquet"):
        if path.stem not in kept:
            path.unlink()


def _code() -> str:
    """Fingerprint all code that a log follows from."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256(sys.version.encode())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    for room in ("events", "settings"):
        for file in sorted((package / room).rglob("*.py")):
            digest.update(f"{file.relative_to(package)} {_sha256_of(file)}\n".encode())
    return digest.hexdigest()


def _sha256_of(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
