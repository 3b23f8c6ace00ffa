"""One source after the other: read, cleaned, and put aside until identities are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ibis

from microconv.errors import SettingsError
from microconv.ingest.clean.events import clean_events
from microconv.ingest.clean.prospects import clean_messages, clean_prospects
from microconv.ingest.clean.synthetic_times import add_synthetic_times
from microconv.ingest.input_files import InputFile, find_files
from microconv.ingest.sources.formats import FORMATS, Format, check_mapping, fill_constants
from microconv.ingest.sources.keys import require_keys
from microconv.ingest.sources.rows import Rows
from microconv.settings import IngestSettings, SourceSettings


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
                if _taken(other) == _taken(source):
                    raise SettingsError(
                        f"The sources `{other.name}` and `{source.name}` both read {file}, and in "
                        "the same way, so that each of its rows would count twice. Mend `files` of "
                        "one of them, or delete it."
                    )
            others.append(source)


def _taken(source: SourceSettings) -> tuple[Any, ...]:
    """Say what a source takes of its rows."""
    return source.columns, source.ignore, source.only


def stage(
    place: int,
    settings: IngestSettings,
    *,
    input_dir: Path,
    connection: Any,
    most: int | None = None,
) -> Staged:
    """Read and clean every file of a source.

    Parameters
    ----------
    place : int
        Of the source in `settings.sources`.
    most : int, optional
        Of files that are read as one, how many rows are looked at; by default all.

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
            rows = rows if most is None else replace(rows, table=rows.table.limit(most))
            clean = clean_rows(rows, source, settings)
            name = f"staged_{place}_{number}"
            tables.append(connection.create_table(name, clean, temp=True))
    table = ibis.union(*tables) if len(tables) > 1 else tables[0]
    require_keys(source, files, table, connection)
    return Staged(place, source, [name_of(file, input_dir) for file in files], table)


def clean_rows(rows: Rows, source: SourceSettings, settings: IngestSettings) -> Any:
    """Judge and normalise what a reader made of a source's files, as its format asks for."""
    kind = FORMATS[source.format]
    rows = replace(rows, table=fill_constants(add_synthetic_times(rows.table, source), source))
    if kind.makes == "prospects":
        return clean_prospects(rows, source, settings)
    if kind.makes == "messages":
        return clean_messages(rows, source, settings)
    return clean_events(rows, source, settings, nobody=kind.nobody)


def name_of(file: Path, input_dir: Path) -> str:
    """Name a file relative to the input folder, if it lies in it."""
    return file.relative_to(input_dir).as_posix() if file.is_relative_to(input_dir) else file.name
