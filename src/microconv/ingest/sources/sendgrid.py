"""SendGrid's event webhook: one JSON object per line and event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ibis

from microconv.ingest.clean.times import Clock
from microconv.ingest.input_files import InputFile
from microconv.ingest.sources.jsonl import Payload, read_json_lines
from microconv.ingest.sources.rows import PROPERTY, Rows, wanted_properties
from microconv.settings import SourceSettings

PLACES = {
    "time": "timestamp",
    "event": "event",
    "email": "email",
    "link": "url",
    "event_id": "sg_event_id",
    "message_id": "sg_message_id",
    "client": "useragent",
    "address": "ip",
}
"""Field → key of the webhook's object; the mapping of a source goes before it."""


@contextmanager
def read_sendgrid(
    files: Sequence[InputFile], source: SourceSettings, connection: Any
) -> Iterator[Rows]:
    """Read a file of webhook events. Whoever the e-mail belongs to did it."""
    keys = {"category": "category"} | PLACES | source.columns
    places: dict[str, tuple[str, ...]] = {f: (key,) for f, key in keys.items()}
    for name in wanted_properties(source):
        places[PROPERTY + name] = (name, f"unique_args.{name}")
    if all(rule.category is None for rule in source.rules):
        del places["category"]
    lists = ("category",) if "category" in places else ()
    known = (keys["known_at"],) if "known_at" in keys else ()
    with read_json_lines(files, Payload(places, lists, known), connection) as rows:
        rows = replace(rows, clocks={"time": Clock(unit="seconds")})
        if "channel" in keys:
            yield rows
        else:
            yield replace(rows, table=rows.table.mutate(channel=ibis.literal("email")))
