"""Segment's spec: track, page, screen, identify and alias calls, one JSON object per line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ibis

from microconv.ingest.input_files import InputFile
from microconv.ingest.sources.jsonl import Payload, read_json_lines
from microconv.ingest.sources.rows import PROPERTY, Rows, wanted_properties
from microconv.settings import SourceSettings

PLACES: dict[str, tuple[str, ...]] = {
    "call": ("type",),
    "prospect_id": ("userId",),
    "anonymous_id": ("anonymousId",),
    "merged_id": ("previousId",),
    "time": ("timestamp", "originalTimestamp", "sentAt"),
    "known_at": ("receivedAt",),
    "event": ("event",),
    "event_id": ("messageId",),
    "value": ("/properties/value", "/properties/revenue"),
    "link": ("/context/page/url", "/properties/url", "/context/page/path", "/properties/path"),
    "category": ("/properties/category",),
    "campaign_id": ("/context/campaign/name",),
    "client": ("/context/userAgent",),
}  # fmt: skip
"""Field → places in the call, the first found wins; a source's mapping goes before them."""

CALLS = {"page": "Page Viewed", "screen": "Screen Viewed"}
"""What the calls without an `event` of their own are called."""

IDENTITY = ("identify", "alias", "group")


@contextmanager
def read_segment(
    files: Sequence[InputFile], source: SourceSettings, connection: Any
) -> Iterator[Rows]:
    """Read a file of calls.

    `identify`, and any call with both ids, says who an anonymous id is; `alias`
    says that two users are one. Calls that only say who somebody is are ignored
    as events.
    """
    places = dict(PLACES)
    for field, key in source.columns.items():
        places[field] = (key, *places.get(field, ()))
    for name in wanted_properties(source):
        places[PROPERTY + name] = (f"properties.{name}", name)
    payload = Payload(places, ("category",), known_at=places["known_at"])
    with read_json_lines(files, payload, connection) as rows:
        yield replace(rows, table=_by_call(rows.table, default_channel="channel" not in places))


def _by_call(table: Any, *, default_channel: bool) -> Any:
    call = table.call.lower()
    event = ibis.cases(
        (call.isin(["track"]) | call.isnull(), table.event),
        *((call == name, ibis.literal(event)) for name, event in CALLS.items()),
        else_=ibis.null("string"),
    )
    identity = call.isin(IDENTITY).ifelse("identity", ibis.null("string"))
    merged = (call == "alias").ifelse(table.merged_id, ibis.null("string"))
    table = table.mutate(event=event, ignored=identity, merged_id=merged)
    return table.mutate(channel=ibis.literal("web")) if default_channel else table
