"""Reader of the vendors whose exports are JSON objects, as their presets describe them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ibis

from microconv.ingest.clean.times import TimeFormat
from microconv.ingest.duckdb_engine import json_extract_string, json_extracts
from microconv.ingest.input_files import InputFile
from microconv.ingest.presets.preset import JsonPreset, Parameters, RowTypes, load_preset
from microconv.ingest.sources.json_fields import FieldPaths, read_json
from microconv.ingest.sources.raw_rows import PROPERTY, RawRows, wanted_properties
from microconv.settings import SourceSettings


@contextmanager
def read_json_preset(
    files: Sequence[InputFile], source: SourceSettings, connection: Any
) -> Iterator[RawRows]:
    """Read files of the vendor that the source's format names.

    Parameters
    ----------
    files : sequence of InputFile
    source : SourceSettings
        Its `columns` are tried before the vendor's own keys.
    connection : Ibis connection

    Yields
    ------
    RawRows
    """
    preset = load_preset(source.format, JsonPreset)
    fields = _fields_of(preset, source)
    lists = ("category",) if "category" in fields else ()
    paths = FieldPaths(fields, lists, known_at=fields.get("known_at", ()))
    with read_json(files, paths, connection) as rows:
        table = rows.table
        if preset.parameters is not None:
            table = _add_parameters(table, preset.parameters, source)
        if preset.row_types is not None:
            table = _apply_row_types(table, preset.row_types)
        if preset.event_names:
            renamed = [
                (_matches(table, rule.where), ibis.literal(rule.name))
                for rule in preset.event_names
            ]
            table = table.mutate(event=ibis.cases(*renamed, else_=table.event))
        if "channel" not in fields:
            table = table.mutate(channel=ibis.literal(preset.channel))
        table = table.drop(*sorted(preset.helper_fields))
        yield replace(rows, table=table, time_formats={"time": TimeFormat(unit=preset.time_unit)})


def _fields_of(preset: JsonPreset, source: SourceSettings) -> dict[str, tuple[str, ...]]:
    fields = dict(preset.fields)
    for field, key in source.columns.items():
        fields[field] = (key, *(fields.get(field, ()) if preset.fallback else ()))
    if all(rule.category is None for rule in source.rules):
        fields.pop("category", None)
    for name in wanted_properties(source):
        escaped = name.replace("~", "~0").replace("/", "~1")
        fields[PROPERTY + name] = tuple(
            place.replace("{name}", escaped if place.startswith("/") else name)
            for place in preset.properties
        )
    return fields


def _matches(table: Any, where: dict[str, str]) -> Any:
    (field, value), *others = where.items()
    found = table[field] == value
    for field, value in others:
        found &= table[field] == value
    return found


def _apply_row_types(table: Any, types: RowTypes) -> Any:
    kind = table[types.field].lower()
    event = ibis.cases(
        (kind.isin(types.event) | kind.isnull(), table.event),
        *((kind == name, ibis.literal(event)) for name, event in types.named.items()),
        else_=ibis.null("string"),
    )
    return table.mutate(
        event=event,
        ignored=kind.isin(types.identity).ifelse("identity", ibis.null("string")),
        merged_id=kind.isin(types.merge).ifelse(table.merged_id, ibis.null("string")),
    )


def _add_parameters(table: Any, parameters: Parameters, source: SourceSettings) -> Any:
    """Take fields that the source does not map, and properties, from the key-value objects."""
    keys = {f: key for f, key in parameters.fields.items() if f not in source.columns}
    keys |= {PROPERTY + name: name for name in wanted_properties(source)}
    whole = table.reason.isnull().ifelse(table.line, ibis.null("string"))
    table = table.mutate(parameters=json_extracts(whole, f"$.{parameters.path}[*]"))
    values = {field: _value_of(table.parameters, key, parameters) for field, key in keys.items()}
    fields = {field: ibis.coalesce(value, table[field]) for field, value in values.items()}
    return table.mutate(**fields).drop("parameters")


def _value_of(members: Any, key: str, parameters: Parameters) -> Any:
    found = members.filter(
        lambda one: json_extract_string(one, ibis.array([parameters.key]))[0] == ibis.literal(key)
    )
    values = json_extract_string(found[0], ibis.array(list(parameters.values)))
    return ibis.coalesce(*(values[place] for place in range(len(parameters.values))))
