"""JSON objects, taken apart by the engine: which place of them holds which field."""

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
from microconv.ingest.sources.json_rows import SCHEMA, batches_of
from microconv.ingest.sources.rows import ATTRIBUTE, PROPERTY, SEPARATOR, Rows

JUDGED_LATER = ("time", "known_at", "sent_at", "value", "position")
"""Fields whose reading refuses a list or an object with a reason of its own."""


@dataclass(frozen=True)
class Payload:
    """Where the fields of a row stand in its JSON object.

    Attributes
    ----------
    places : dict of str to tuple of str
        Field → keys to try, first found wins; `a.b` is key `a.b`, else `b` in `a`;
        `/a/b` is only the latter, and `/a/0` the first member of a list.
    lists : tuple of str
        Fields that hold a text or a list of texts.
    known_at : tuple of str
        Keys that say when the row became known: no part of its content.
    """

    places: dict[str, tuple[str, ...]]
    lists: tuple[str, ...] = ()
    known_at: tuple[str, ...] = ()


def pointers(key: str) -> list[str]:
    """Write the places that a key may mean as JSON pointers; a pointer means itself.

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


def parts_of(pointer: str) -> list[str]:
    """Take a JSON pointer apart.

    Examples
    --------
    >>> parts_of("/a/b~1c")
    ['a', 'b/c']
    """
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


@contextmanager
def read_json_lines(
    files: Sequence[InputFile], payload: Payload, connection: Any
) -> Iterator[Rows]:
    """Read files of one JSON object per line, or of one list of objects."""
    stream = Stream(SCHEMA, (batch for file in files for batch in batches_of(file)))
    with stream.table(connection, "json_lines") as table:
        yield Rows(
            table=_take_apart(_judge(table), payload),
            text=lambda rows: rows.line.strip(),
            content=lambda rows: _without(_sound(rows), payload.known_at),
        )


def _judge(table: Any) -> Any:
    whole = table.line.notnull() & json_valid(table.line)
    braced = table.line.startswith("{")  # looking is cheaper than parsing once more
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


def _take_apart(table: Any, payload: Payload) -> Any:
    paths: list[str] = []
    slots: dict[str, list[int]] = {}
    for name, keys in payload.places.items():
        found = [pointer for key in keys for pointer in pointers(key)]
        slots[name] = list(range(len(paths), len(paths) + len(found)))
        paths += found
    whole = table.reason.isnull().ifelse(table.line, ibis.null("string"))
    table = table.mutate(parts=json_extract_string(whole, ibis.array(paths)))
    fields = {name: ibis.coalesce(*(table.parts[i] for i in at)) for name, at in slots.items()}
    table = table.mutate(**fields).drop("parts", "kind")
    table = table.mutate(**{name: _members(table[name]) for name in payload.lists})
    single = [
        name
        for name in fields
        if name not in (*payload.lists, *JUDGED_LATER)
        and not name.startswith((PROPERTY, ATTRIBUTE))
    ]
    return _refuse_nested(table, single)


def _nested(text: Any) -> Any:
    """Say whether a text is a list or an object; only what begins like one is parsed."""
    return (text.startswith("[") | text.startswith("{")).ifelse(json_valid(text), False)


def _members(text: Any) -> Any:
    """Join the members of a list of texts; a text alone is its own only member."""
    found = json_extract_strings(_nested(text).ifelse(text, ibis.null("string")), "$[*]")
    return ibis.coalesce(array_to_string(found, SEPARATOR), text).nullif("")


def _refuse_nested(table: Any, names: Sequence[str]) -> Any:
    """Refuse rows that hold a list or an object where one value is wanted: it is nobody's id."""
    if not names:
        return table
    nested = {name: _nested(table[name]).fill_null(False) for name in names}
    first = ibis.cases(
        *((odd, ibis.literal(f"{name}: ") + table[name].left(80)) for name, odd in nested.items()),
        else_=ibis.null("string"),
    )
    refused = table.reason.isnull() & any_of(nested.values())
    return table.mutate(
        reason=refused.ifelse("bad_type", table.reason),
        detail=refused.ifelse(first, table.detail),
    )


def _sound(rows: Any) -> Any:
    # a line that is no JSON cannot be taken apart again, and has no use for an id
    return rows.reason.isnull().ifelse(rows.line, ibis.null("string"))


def _without(line: Any, keys: Sequence[str]) -> Any:
    if not keys:
        return line.strip()
    patch: dict[str, Any] = {}
    for key in keys:
        for pointer in pointers(key):
            *outer, last = parts_of(pointer)
            inside = patch
            for part in outer:
                inside = inside.setdefault(part, {})
                if not isinstance(inside, dict):
                    break
            else:
                inside[last] = None
    return json_merge_patch(line, json.dumps(patch))
