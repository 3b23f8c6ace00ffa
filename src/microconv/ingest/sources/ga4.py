"""Google Analytics 4 as its BigQuery export has it, one JSON object per event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ibis

from microconv.ingest.clean.times import Clock
from microconv.ingest.duckdb_engine import json_extract_string, json_extracts
from microconv.ingest.input_files import InputFile
from microconv.ingest.sources.jsonl import Payload, read_json_lines
from microconv.ingest.sources.rows import PROPERTY, Rows, wanted_properties
from microconv.settings import SourceSettings

PLACES: dict[str, tuple[str, ...]] = {
    "prospect_id": ("user_id",),
    "anonymous_id": ("user_pseudo_id", "client_id"),
    "time": ("event_timestamp",),
    "event": ("event_name",),
    "value": ("/ecommerce/purchase_revenue",),
    "link": ("page_location",),
    "campaign_id": ("/collected_traffic_source/manual_campaign_name",),
}
"""Field → places in the event; the mapping of a source goes before them."""

PARAMETERS = {"value": "value", "link": "page_location", "campaign_id": "campaign"}
"""Field → the parameter of the event that says it first."""

VALUES = ("/value/string_value", "/value/int_value", "/value/double_value", "/value/float_value")


@contextmanager
def read_ga4(files: Sequence[InputFile], source: SourceSettings, connection: Any) -> Iterator[Rows]:
    """Read a file of events.

    A visitor is `user_pseudo_id`; an event with a `user_id`, too, says who the
    visitor is. A property of a naming rule is a parameter of the event, or else
    a key. GA4 gives events no id: two are the same if all they say is.
    """
    places = dict(PLACES)
    for name in wanted_properties(source):
        places[PROPERTY + name] = (name,)
    for field, key in source.columns.items():
        places[field] = (key, *places.get(field, ()))
    known = (source.columns["known_at"],) if "known_at" in source.columns else ()
    asked = {f: name for f, name in PARAMETERS.items() if f not in source.columns}
    asked |= {PROPERTY + name: name for name in wanted_properties(source)}
    lists = ("category",) if "category" in places else ()
    with read_json_lines(files, Payload(places, lists, known), connection) as rows:
        table = _with_parameters(rows.table, asked)
        if "channel" not in places:
            table = table.mutate(channel=ibis.literal("web"))
        yield replace(rows, table=table, clocks={"time": Clock(unit="microseconds")})


def _with_parameters(table: Any, asked: dict[str, str]) -> Any:
    """Look fields up in the list of key and value that GA4 keeps an event's parameters in."""
    whole = table.reason.isnull().ifelse(table.line, ibis.null("string"))
    table = table.mutate(parameters=json_extracts(whole, "$.event_params[*]"))
    found = {field: _value_of(table.parameters, name) for field, name in asked.items()}
    fields = {field: ibis.coalesce(value, table[field]) for field, value in found.items()}
    return table.mutate(**fields).drop("parameters")


def _value_of(parameters: Any, name: str) -> Any:
    ours = parameters.filter(
        lambda one: json_extract_string(one, ibis.array(["/key"]))[0] == ibis.literal(name)
    )
    said = json_extract_string(ours[0], ibis.array(list(VALUES)))
    return ibis.coalesce(*(said[place] for place in range(len(VALUES))))
