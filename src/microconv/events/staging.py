"""One source after the other: read, cleaned, and put aside until identities are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import ibis

from microconv.errors import MissingColumnError, SettingsError, did_you_mean, listed
from microconv.events.clean import clean_events
from microconv.events.dealt import deal_instants
from microconv.events.inputs import InputFile, find_files, read_lines
from microconv.events.people import clean_messages, clean_prospects
from microconv.events.sources.formats import FORMATS, Format, check_mapping
from microconv.events.sources.table import JSON_LINES, kind_of
from microconv.settings import IngestSettings, SourceSettings

_LOOKED_AT = 10_000
"""Lines of a JSON file that are searched for a key that no row seems to have."""


@dataclass(frozen=True)
class Staged:
    """The clean rows of one source.

    Attributes
    ----------
    place : int
        Where the source stands in `ingest.sources`.
    files : list of str
        Names relative to the input folder.
    table : Ibis table
        What the cleaning of its format gives, in tables of the engine.
    """

    place: int
    source: SourceSettings
    files: list[str]
    table: Any

    @property
    def format(self) -> Format:
        """What ingest knows of the source's format."""
        return FORMATS[self.source.format]


def refuse_twins(sources: Sequence[SourceSettings], input_dir: Path) -> None:
    """Refuse two sources that read the same file in the same way: each event would count twice.

    One file may well feed two sources, with another time column for instance.

    Raises
    ------
    SettingsError
        Naming both.
    MissingInputError
        If a source has no file.
    """
    readers: dict[tuple[Path, str], list[SourceSettings]] = {}
    for source in sources:
        for file in find_files(source, input_dir):
            others = readers.setdefault((file.resolve(), source.format), [])
            for other in others:
                if (other.columns, other.ignore) == (source.columns, source.ignore):
                    raise SettingsError(
                        f"The sources `{other.name}` and `{source.name}` both read {file}, and in "
                        "the same way, so that each of its rows would count twice. Mend `files` of "
                        "one of them, or delete it."
                    )
            others.append(source)


def stage(place: int, settings: IngestSettings, *, input_dir: Path, connection: Any) -> Staged:
    """Read and clean every file of a source.

    Raises
    ------
    SourceError, SettingsError
        If a file is missing or unreadable, or the mapping does not fit.
    """
    source = settings.sources[place]
    check_mapping(source)
    files = find_files(source, input_dir)
    kind = FORMATS[source.format]
    groups = kind.alike([InputFile(file, number) for number, file in enumerate(files)])
    tables = []
    for number, group in enumerate(groups):
        with kind.read(group, source, connection) as rows:
            clean = _clean(rows, source, settings)
            name = f"staged_{place}_{number}"
            tables.append(connection.create_table(name, clean, temp=True))
    table = ibis.union(*tables) if len(tables) > 1 else tables[0]
    _require_keys(source, files, table, connection)
    return Staged(place, source, [_name(file, input_dir) for file in files], table)


def _clean(rows: Any, source: SourceSettings, settings: IngestSettings) -> Any:
    kind = FORMATS[source.format]
    rows = replace(rows, table=deal_instants(rows.table, source))
    if kind.makes == "prospects":
        return clean_prospects(rows, source, settings)
    if kind.makes == "messages":
        return clean_messages(rows, source, settings)
    return clean_events(rows, source, settings, nobody=kind.nobody)


def _name(file: Path, input_dir: Path) -> str:
    return file.relative_to(input_dir).as_posix() if file.is_relative_to(input_dir) else file.name


def _require_keys(source: SourceSettings, files: list[Path], table: Any, connection: Any) -> None:
    """Check that every key that is mapped occurs in JSON lines, where no header says so.

    Raises
    ------
    MissingColumnError
        If neither a row has a value for it nor a line such a key.
    """
    lines = [file for file in files if kind_of(file) in JSON_LINES]
    named = {"event": "event_name"}
    mapped = {f: named.get(f, f) for f in source.columns if named.get(f, f) in table.columns}
    if source.format == "xes" or not lines or not mapped:
        return
    values = {field: table[column].count() for field, column in mapped.items()}
    counts = connection.to_pyarrow(table.aggregate(**values)).to_pylist()[0]
    empty = [field for field in mapped if counts[field] == 0]
    if not empty:
        return
    keys = sorted({key for file in lines for key in _keys(file)})
    for field in empty:
        key = source.columns[field]
        if keys and key not in keys:
            raise MissingColumnError(
                f"The source `{source.name}` maps `{key}` (for `{field}`), but no line of it has "
                f"such a key. Its keys are {listed(keys, most=30)}.{did_you_mean(key, keys)}"
            )


def _keys(file: Path) -> set[str]:
    """Collect the keys of a file's first lines, and of the objects in them as `outer.inner`."""
    keys: set[str] = set()
    lines = (line for block in read_lines(InputFile(file)) for line in block.data.splitlines())
    for line in islice(lines, _LOOKED_AT):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):  # no JSON, or nested beyond sense
            continue
        if isinstance(row, dict):
            keys |= _paths(row, "")
    return keys


def _paths(row: dict[str, Any], outer: str) -> set[str]:
    paths = {outer + key for key in row}
    for key, value in row.items():
        if isinstance(value, dict):
            paths |= _paths(value, f"{outer}{key}.")
    return paths
