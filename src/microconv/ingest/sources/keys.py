"""Keys of JSON that are mapped and never there, or there in two ways: no header says so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from microconv.errors import MissingColumnError, SettingsError, did_you_mean, listed
from microconv.ingest.input_files import InputFile, read_lines
from microconv.ingest.sources.json_array import is_array, read_elements
from microconv.ingest.sources.jsonl import parts_of, pointers
from microconv.ingest.sources.table import JSON_LINES, kind_of
from microconv.settings import SourceSettings

LOOKED_AT = 10_000
"""Rows of the JSON files that are searched for a key that no row seems to have."""

SHOWN_MEMBERS, SHOWN_DEPTH = 3, 5
"""Of how many members of a list, and how deep, keys are named in an error."""

BY_KEY = ("table", "deals")
"""Formats whose properties are keys of the row and nothing else."""


def require_keys(
    source: SourceSettings, files: Sequence[Path], table: Any, connection: Any
) -> None:
    """Check that every key that a source maps occurs in its JSON, and means one place.

    Parameters
    ----------
    table : Ibis table
        The source's clean rows.

    Raises
    ------
    MissingColumnError
        If neither a row has a value for it nor a line such a key.
    SettingsError
        If a key with a point in it is there both whole and as an object's key in another.
    """
    ours = [file for file in files if kind_of(file) in JSON_LINES]
    if source.format == "xes" or not ours:
        return
    _refuse_ambiguous(source, ours)
    absent = _without_values(source, table, connection)
    if not absent:
        return
    rows = list(islice(_rows(ours), LOOKED_AT))
    there = sorted({path for row in rows for path in _paths(row, "", SHOWN_DEPTH)})
    for what, key in absent:
        if rows and not any(_holds(row, pointer) for row in rows for pointer in pointers(key)):
            named = ".".join(parts_of(key)) if key.startswith("/") else key
            raise MissingColumnError(
                f"The source `{source.name}` maps `{key}` ({what}), but no line of it has "
                f"such a key. Its keys are {listed(there, most=30)}.{did_you_mean(named, there)}"
            )


def _without_values(source: SourceSettings, table: Any, connection: Any) -> list[tuple[str, str]]:
    """List what no row has a value for: what it is for, and the key."""
    named = {"event": "event_name"}
    mapped = {f: named.get(f, f) for f in source.columns if named.get(f, f) in table.columns}
    values = {field: table[column].count() for field, column in mapped.items()}
    counts: dict[str, int] = {}
    if mapped:
        [counts] = connection.to_pyarrow(table.aggregate(**values)).to_pylist()
    absent = [(f"for `{f}`", source.columns[f]) for f in mapped if counts[f] == 0]
    if source.only and source.format in BY_KEY:
        wanted = table.filter((table.ignored != "filtered").fill_null(True)).count()
        if connection.to_pyarrow(wanted).as_py() == 0:
            absent += [("in `only`", name) for name in source.only]
    return absent


def _refuse_ambiguous(source: SourceSettings, files: Sequence[Path]) -> None:
    dotted = [(f, k) for f, k in source.columns.items() if "." in k and not k.startswith("/")]
    if not dotted:
        return
    rows = list(islice(_rows(files), LOOKED_AT))
    for field, key in dotted:
        whole, apart = pointers(key)
        if all(any(_holds(row, pointer) for row in rows) for pointer in (whole, apart)):
            raise SettingsError(
                f"The source `{source.name}` maps `{key}` (for `{field}`), which is ambiguous: its "
                f"rows have a key of that name, and one inside another. Write `{whole}` or "
                f"`{apart}`."
            )


def _rows(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for path in files:
        for line in _texts(InputFile(path)):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):  # no JSON, or nested beyond sense
                continue
            if isinstance(row, dict):
                yield row


def _texts(file: InputFile) -> Iterator[bytes]:
    if is_array(file):
        yield from (element.data for element in read_elements(file))
    else:
        yield from (line for block in read_lines(file) for line in block.data.splitlines())


def _holds(row: Any, pointer: str) -> bool:
    for part in parts_of(pointer):
        if isinstance(row, dict) and part in row:
            row = row[part]
        elif isinstance(row, list) and part.isdecimal() and int(part) < len(row):
            row = row[int(part)]
        else:
            return False
    return True


def _paths(row: Any, outer: str, depth: int) -> set[str]:
    if isinstance(row, list):
        row = {str(n): member for n, member in enumerate(row[:SHOWN_MEMBERS])}
    if not isinstance(row, dict) or depth == 0:
        return set()
    paths = {outer + key for key in row}
    return paths.union(*(_paths(value, f"{outer}{key}.", depth - 1) for key, value in row.items()))
