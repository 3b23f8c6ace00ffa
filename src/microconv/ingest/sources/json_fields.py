"""JSON objects taken apart by the database engine: the fields of each row from its keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ibis

from microconv.ingest.duckdb_engine import (
    Stream,
    any_of,
    array_to_string,
    json_extract_string,
    json_extract_strings,
    json_merge_patch,
    json_type,
    json_valid,
)
from microconv.ingest.input_files import InputFile
from microconv.ingest.sources.json_files import SCHEMA, read_batches
from microconv.ingest.sources.raw_rows import ATTRIBUTE, PROPERTY, SEPARATOR, RawRows

CHECKED_LATER = ("time", "known_at", "sent_at", "value", "position")
"""Fields that are parsed later, which rejects a list or an object with a reason of its own."""


@dataclass(frozen=True)
class FieldPaths:
    """Where the fields of a row are in its JSON object.

    Attributes
    ----------
    paths : dict of str to tuple of str
        Field → keys to try; the first that is found wins. `a.b` is the key `a.b`, else
        `b` in `a`; `/a/b` is only the latter, and `/a/0` the first member of a list.
    lists : tuple of str
        Fields that hold a text or a list of texts.
    known_at : tuple of str
        Keys that say when the row became known: they are not part of its content.
    """

    paths: dict[str, tuple[str, ...]]
    lists: tuple[str, ...] = ()
    known_at: tuple[str, ...] = ()


def pointers(key: str) -> list[str]:
    """Return the JSON pointers that a key may stand for.

    Examples
    --------
    >>> pointers("context.page")
    ['/context.page', '/context/page']
    >>> pointers("/context/page")
    ['/context/page']
    """
    if key.startswith("/"):
        return [key]
    whole = "/" + key.replace("~", "~0").replace("/", "~1")
    return [whole, whole.replace(".", "/")] if "." in key else [whole]


def split_pointer(pointer: str) -> list[str]:
    """Return the parts of a JSON pointer.

    Examples
    --------
    >>> split_pointer("/a/b~1c")
    ['a', 'b/c']
    """
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


@contextmanager
def read_json(files: Sequence[InputFile], fields: FieldPaths, connection: Any) -> Iterator[RawRows]:
    """Read files of one JSON object per line, or of one list of objects.

    Parameters
    ----------
    files : sequence of InputFile
    fields : FieldPaths
    connection : Ibis connection

    Yields
    ------
    RawRows
    """
    stream = Stream(SCHEMA, (batch for file in files for batch in read_batches(file)))
    with stream.table(connection, "json_lines") as table:
        yield RawRows(
            table=_extract_fields(_check_objects(table), fields),
            text=lambda rows: rows.line.strip(),
            content=lambda rows: _without_keys(_valid_line(rows), fields.known_at),
        )


def _valid_line(table: Any) -> Any:
    return table.reason.isnull().ifelse(table.line, ibis.null("string"))


def _check_objects(table: Any) -> Any:
    whole = table.line.notnull() & json_valid(table.line)
    braced = table.line.startswith("{")  # cheaper than parsing once more
    kind = ibis.cases((whole & braced, "OBJECT"), (whole, json_type(table.line)))
    table = table.mutate(kind=kind)
    reason = ibis.cases(
        (table.reason.notnull(), table.reason),
        (table.kind.isnull(), "bad_json"),
        (table.kind != "OBJECT", "not_an_object"),
        (table.line.contains("\\u0000"), "nul_byte"),
        else_=ibis.null("string"),
    )
    return table.mutate(reason=reason)


def _extract_fields(table: Any, fields: FieldPaths) -> Any:
    paths: list[str] = []
    places: dict[str, list[int]] = {}
    for name, keys in fields.paths.items():
        found = [pointer for key in keys for pointer in pointers(key)]
        places[name] = list(range(len(paths), len(paths) + len(found)))
        paths += found
    table = table.mutate(parts=json_extract_string(_valid_line(table), ibis.array(paths)))
    values = {name: ibis.coalesce(*(table.parts[i] for i in at)) for name, at in places.items()}
    table = table.mutate(**values).drop("parts", "kind")
    table = table.mutate(**{name: _members(table[name]) for name in fields.lists})
    single = [
        name
        for name in values
        if name not in (*fields.lists, *CHECKED_LATER)
        and not name.startswith((PROPERTY, ATTRIBUTE))
    ]
    return _reject_nested(table, single)


def _is_nested(text: Any) -> Any:
    """Find lists and objects; only what begins like one is parsed."""
    return (text.startswith("[") | text.startswith("{")).ifelse(json_valid(text), False)


def _members(text: Any) -> Any:
    """Join the members of a list of texts; a text alone is its own only member."""
    found = json_extract_strings(_is_nested(text).ifelse(text, ibis.null("string")), "$[*]")
    return ibis.coalesce(array_to_string(found, SEPARATOR), text).nullif("")


def _reject_nested(table: Any, names: Sequence[str]) -> Any:
    """Reject rows with a list or an object in a field that holds one value, such as an id."""
    if not names:
        return table
    nested = {name: _is_nested(table[name]).fill_null(False) for name in names}
    first = ibis.cases(
        *((odd, ibis.literal(f"{name}: ") + table[name].left(80)) for name, odd in nested.items()),
        else_=ibis.null("string"),
    )
    rejected = table.reason.isnull() & any_of(nested.values())
    return table.mutate(
        reason=rejected.ifelse("bad_type", table.reason),
        detail=rejected.ifelse(first, table.detail),
    )


def _without_keys(line: Any, keys: Sequence[str]) -> Any:
    if not keys:
        return line.strip()
    patch: dict[str, Any] = {}
    for key in keys:
        for pointer in pointers(key):
            *outer, last = split_pointer(pointer)
            inside = patch
            for part in outer:
                inside = inside.setdefault(part, {})
                if not isinstance(inside, dict):
                    break
            else:
                inside[last] = None
    return json_merge_patch(line, json.dumps(patch))
