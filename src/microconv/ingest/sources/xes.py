"""XES event logs, streamed: each trace is a prospect."""

from __future__ import annotations

import xml.parsers.expat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from microconv.errors import SourceError
from microconv.ingest.duckdb_engine import Stream
from microconv.ingest.input_files import Content, InputFile
from microconv.ingest.sources.raw_rows import ROW_COLUMNS, RawRows, format_rows, join_fields
from microconv.ingest.sources.table import mapped_fields
from microconv.settings import SourceSettings

BATCH = 16_384
TRACE = "case:"
"""Prefix of the attributes of a trace in a column mapping."""

DEFAULT_KEYS = {"prospect_id": f"{TRACE}concept:name", "time": "time:timestamp"}
EVENT_NAME, TRANSITION = "concept:name", "lifecycle:transition"


@contextmanager
def read_xes(
    files: Sequence[InputFile], source: SourceSettings, connection: Any
) -> Iterator[RawRows]:
    """Read event logs; the name of an event is `concept:name|lifecycle:transition`.

    XES events have no id and may be identical, so the position of an event in its trace is
    part of its id.

    Parameters
    ----------
    files : sequence of InputFile
    source : SourceSettings
    connection : Ibis connection

    Yields
    ------
    RawRows

    Raises
    ------
    SourceError
        If a file is not XML, has a document type declaration, or has no log.
    """
    keys = DEFAULT_KEYS | mapped_fields(source)
    for name in source.attributes:
        column = keys[f"attribute:{name}"]
        keys[f"attribute:{name}"] = TRACE + column.removeprefix(TRACE)
    schema = pa.schema(
        [*ROW_COLUMNS, pa.field("position", pa.int64()), pa.field("vendor_name", pa.string())]
        + [pa.field(name, pa.string()) for name in keys]
    )
    batches = (batch for file in files for batch in _batches(file, keys, schema))
    with Stream(schema, batches).table(connection, "xes") as table:
        if "event" not in keys:
            table = table.mutate(event=table.vendor_name)
        place = table.position.cast("string").lpad(6, "0")
        content = join_fields([table.vendor_name, *(table[name] for name in keys), place])
        if "event_id" not in keys:
            table = table.mutate(event_id=place + "-" + content.hexdigest("md5").left(16))
        shown = {"event": "vendor_name"} | {key: name for name, key in keys.items()}
        yield RawRows(
            table, text=lambda rows: format_rows(rows, shown), content=lambda rows: rows.event_id
        )


def _batches(file: InputFile, keys: dict[str, str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    content, path = Content(file.path), file.path
    log = _Log(list(keys.values()), number=file.rows_before)
    for chunk in content.chunks():
        _feed(log, chunk, path, final=False)
        if len(log.rows) >= BATCH:
            yield _batch(log.rows, schema)
            log.rows.clear()
    fault = content.damage.detail or _feed(log, b"", path, final=True)
    if not log.begun:
        raise SourceError(f"{path} holds no XES log. Export it again.")
    if fault is not None:
        nothing = [None] * (len(schema) - 3)
        log.rows.append([log.number + 1, "truncated", fault, *nothing])
    if log.rows:
        yield _batch(log.rows, schema)


def _feed(log: _Log, chunk: bytes, path: Path, *, final: bool) -> str | None:
    """Parse some bytes; return the fault of a document that ends too early."""
    try:
        log.parser.Parse(chunk, final)
    except LookupError as error:  # unknown encoding
        raise SourceError(f"{path} cannot be read: {error}. Export it as UTF-8.") from error
    except xml.parsers.expat.ExpatError as error:
        if final:
            return f"the XML ends before its last tag: {error}"
        raise SourceError(f"{path} is not well-formed XML: {error}. Export it again.") from error
    return None


def _batch(rows: list[list[Any]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(c, kind) for c, kind in zip(columns, schema.types, strict=True)]
    return pa.record_batch(arrays, schema=schema)


@dataclass
class _Log:
    """State of the parser, which holds one trace and one event at a time.

    Only attributes directly in a trace or an event are kept.
    """

    keys: list[str]
    rows: list[list[Any]] = field(default_factory=list)
    begun: bool = False
    number: int = 0
    _path: list[str] = field(default_factory=list)
    _trace: dict[str, str] = field(default_factory=dict)
    _event: dict[str, str] = field(default_factory=dict)
    _position: int = 0

    def __post_init__(self) -> None:
        self.parser = xml.parsers.expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _refuse(self, *_: Any) -> None:
        raise SourceError(
            "An XES file with a document type declaration is not read: it could expand without "
            "end or reach for other files. Remove the `<!DOCTYPE …>` line."
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        inside = self._path[-1] if self._path else None
        if tag == "log":
            self.begun = True
        elif tag == "trace":
            self._trace, self._position = {}, 0
        elif tag == "event":
            self._event = {}
        elif inside == "trace" and "key" in attributes:
            self._trace[TRACE + attributes["key"]] = attributes.get("value", "")
        elif inside == "event" and "key" in attributes:
            self._event[attributes["key"]] = attributes.get("value", "")
        self._path.append(tag)

    def _end(self, tag: str) -> None:
        self._path.pop()
        if tag.rpartition(":")[2] != "event":
            return
        self.number += 1
        self._position += 1
        event = self._trace | self._event
        name = "|".join(event[key] for key in (EVENT_NAME, TRANSITION) if event.get(key))
        values = [event.get(key) for key in self.keys]
        self.rows.append([self.number, None, None, None, self._position, name or None, *values])
