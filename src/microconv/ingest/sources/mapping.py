"""Checks of a source's `columns`, `constants` and `only`, against its format and its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import ibis

from microconv.errors import MissingColumnError, SettingsError, did_you_mean, listed
from microconv.ingest.clean.synthetic_times import FIELD, check_synthetic_times
from microconv.ingest.input_files import InputFile
from microconv.ingest.sources.formats import FORMATS
from microconv.ingest.sources.json_fields import pointers, split_pointer
from microconv.ingest.sources.json_files import read_texts
from microconv.ingest.sources.raw_rows import JSON_SUFFIXES, suffix_of
from microconv.settings import SourceSettings

NEVER_CONSTANT = (
    "prospect_id", "email", "anonymous_id", "time", "known_at", "event", "event_id", "client",
    "address", "name", "message_id", "position", "sent_at",
)  # fmt: skip
"""Fields that no constant can fill."""

MAX_ROWS = 10_000
"""Rows of the JSON files that are searched for a key that no row seems to have."""

SHOWN_MEMBERS, SHOWN_DEPTH = 3, 5
"""How many members of a list, and how many levels, an error names keys of."""

PROPERTIES_ARE_KEYS = ("table", "deals")
"""Formats whose properties are nothing but keys of the row."""


def check_mapping(source: SourceSettings) -> None:
    """Check that a source maps only fields that exist, and all that its format requires.

    Raises
    ------
    SettingsError
        Names the field that is unknown or missing.
    """
    format_ = FORMATS[source.format]
    allowed = [*format_.fields, *source.attributes]
    _require_known("columns", "maps", source.columns, source, allowed)
    _require_known("constants", "fills", source.constants, source, allowed)
    _check_constants(source)
    if source.only and format_.output != "events":
        raise SettingsError(
            f"The source `{source.name}` of the format `{source.format}` has `only`, which leaves "
            "out events: take it out, or leave those rows out of the export."
        )
    if source.synthetic_times is not None:
        check_synthetic_times(source)
    for group in format_.required:
        synthetic = source.synthetic_times is not None and FIELD[source.format] in group
        mapped = {*source.columns, *source.constants}
        if not synthetic and not mapped.intersection(group):
            raise SettingsError(
                f"`columns` of the source `{source.name}` maps none of {listed(group)}, and a "
                f"source of the format `{source.format}` needs one of them."
            )
    if source.format == "table" and "event" not in source.columns and not source.prefix:
        raise SettingsError(
            f"The source `{source.name}` maps no `event` and has no `prefix`, so its rows have no "
            "name. Map a column to `event`, or set `prefix` to what every row is called."
        )


def _require_known(
    section: str, verb: str, names: Any, source: SourceSettings, allowed: list[str]
) -> None:
    for name in names:
        if name not in allowed:
            raise SettingsError(
                f"`{section}` of the source `{source.name}` {verb} the field `{name}`, which the "
                f"format `{source.format}` does not have. Its fields are "
                f"{listed(allowed, most=30)}.{did_you_mean(name, allowed)}"
            )


def _check_constants(source: SourceSettings) -> None:
    for name in source.constants:
        if name in NEVER_CONSTANT:
            raise SettingsError(
                f"`constants` of the source `{source.name}` fills `{name}` with the same for every "
                "row, and every row has its own: map it in `columns`."
                + (" `prefix` names every row." if name == "event" else "")
            )
        if name in source.columns:
            raise SettingsError(
                f"The source `{source.name}` fills `{name}` twice, from `{source.columns[name]}` "
                "and as a constant: take one of them out."
            )


def fill_constants(table: Any, source: SourceSettings) -> Any:
    """Add the constants of a source to every row.

    Parameters
    ----------
    table : Ibis table
    source : SourceSettings
    """
    return table.mutate(**{name: ibis.literal(v) for name, v in source.constants.items()})


def require_keys(
    source: SourceSettings, files: Sequence[Path], table: Any, connection: Any
) -> None:
    """Check that every key that a source maps occurs in its JSON files, and in one place only.

    Parameters
    ----------
    source : SourceSettings
    files : sequence of Path
    table : Ibis table
        The source's clean rows.
    connection : Ibis connection

    Raises
    ------
    MissingColumnError
        If no row has a value for a key, and no object has such a key.
    SettingsError
        If a key with a dot occurs both as a whole and as a key inside another object.
    """
    json_files = [file for file in files if suffix_of(file) in JSON_SUFFIXES]
    if source.format == "xes" or not json_files:
        return
    _reject_ambiguous_keys(source, json_files)
    unused = _keys_without_values(source, table, connection)
    if not unused:
        return
    rows = list(islice(_objects(json_files), MAX_ROWS))
    there = sorted({path for row in rows for path in _paths(row, "", SHOWN_DEPTH)})
    for purpose, key in unused:
        if rows and not any(_has(row, pointer) for row in rows for pointer in pointers(key)):
            shown = ".".join(split_pointer(key)) if key.startswith("/") else key
            raise MissingColumnError(
                f"The source `{source.name}` maps `{key}` ({purpose}), but no line of it has "
                f"such a key. Its keys are {listed(there, most=30)}.{did_you_mean(shown, there)}"
            )


def _keys_without_values(
    source: SourceSettings, table: Any, connection: Any
) -> list[tuple[str, str]]:
    """Return what each key without any value is for, and the key."""
    renamed = {"event": "event_name"}
    mapped = {f: renamed.get(f, f) for f in source.columns if renamed.get(f, f) in table.columns}
    values = {field: table[column].count() for field, column in mapped.items()}
    counts: dict[str, int] = {}
    if mapped:
        [counts] = connection.to_pyarrow(table.aggregate(**values)).to_pylist()
    unused = [(f"for `{f}`", source.columns[f]) for f in mapped if counts[f] == 0]
    if source.only and source.format in PROPERTIES_ARE_KEYS:
        wanted = table.filter((table.ignored != "filtered").fill_null(True)).count()
        if connection.to_pyarrow(wanted).as_py() == 0:
            unused += [("in `only`", name) for name in source.only]
    return unused


def _reject_ambiguous_keys(source: SourceSettings, files: Sequence[Path]) -> None:
    dotted = [(f, k) for f, k in source.columns.items() if "." in k and not k.startswith("/")]
    if not dotted:
        return
    rows = list(islice(_objects(files), MAX_ROWS))
    for field, key in dotted:
        whole, nested = pointers(key)
        if all(any(_has(row, pointer) for row in rows) for pointer in (whole, nested)):
            raise SettingsError(
                f"The source `{source.name}` maps `{key}` (for `{field}`), which is ambiguous: its "
                f"rows have a key of that name, and one inside another. Write `{whole}` or "
                f"`{nested}`."
            )


def _objects(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    for path in files:
        for text in read_texts(InputFile(path)):
            try:
                row = json.loads(text)
            except (ValueError, RecursionError):  # no JSON, or nested too deeply
                continue
            if isinstance(row, dict):
                yield row


def _has(row: Any, pointer: str) -> bool:
    for part in split_pointer(pointer):
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
