"""Mailgun: what its webhooks post, and what its events API lists; old webhooks, too."""

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

INSIDE = "/event-data"
"""Where a webhook puts the event; the events API lists it bare."""

PLACES = {
    "time": ("/timestamp",),
    "event": ("/event",),
    "severity": ("/severity",),
    "email": ("/recipient",),
    "link": ("/url",),
    "event_id": ("/id",),
    "message_id": ("/message/headers/message-id",),
    "client": ("/client-info/user-agent",),
    "category": ("/tags", "/tag", "/X-Mailgun-Tag"),
}
"""Field → places in the event; the mapping of a source goes before them."""

FAILED = {"permanent": "permanent_fail", "temporary": "temporary_fail"}
"""Severity → what the webhooks call `failed`: only one of the two is the end of an address."""


@contextmanager
def read_mailgun(
    files: Sequence[InputFile], source: SourceSettings, connection: Any
) -> Iterator[Rows]:
    """Read a file of events. Whoever the recipient's address belongs to did it.

    A property of a naming rule is a variable of the user's, or else a key of
    the event.
    """
    places = {field: _both(pointers) for field, pointers in PLACES.items()}
    for name in wanted_properties(source):
        key = name.replace("~", "~0").replace("/", "~1")
        places[PROPERTY + name] = (*_both((f"/user-variables/{key}", f"/{key}")), name)
    for field, key in source.columns.items():
        places[field] = (key, *places.get(field, ()))
    known = (source.columns["known_at"],) if "known_at" in source.columns else ()
    with read_json_lines(files, Payload(places, ("category",), known), connection) as rows:
        table = rows.table
        failed = table.event == "failed"
        events = [(failed & (table.severity == s), ibis.literal(e)) for s, e in FAILED.items()]
        table = table.mutate(event=ibis.cases(*events, else_=table.event)).drop("severity")
        if "channel" not in places:
            table = table.mutate(channel=ibis.literal("email"))
        yield replace(rows, table=table, clocks={"time": Clock(unit="seconds")})


def _both(pointers: Sequence[str]) -> tuple[str, ...]:
    return (*(INSIDE + pointer for pointer in pointers), *pointers)
