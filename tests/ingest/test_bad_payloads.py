"""What no vendor should send and some do: quarantined with a reason, counted, never a traceback."""

from __future__ import annotations

import json
from typing import Any

import pytest

from worlds.exports import Exports, day

SECONDS = 1704153600  # 2024-01-02T00:00:00Z
FAR = SECONDS * 1000  # milliseconds in the place of seconds: the year 55971


def sendgrid(**more: Any) -> dict[str, Any]:
    """Write a webhook's event; `who`, `at` and `what` change those fields."""
    given = {"who": "ada@fiction.example", "at": SECONDS, "what": "open"} | more
    return {"email": given.pop("who"), "timestamp": given.pop("at"),
            "event": given.pop("what")} | given  # fmt: skip


def mailgun(**more: Any) -> dict[str, Any]:
    """Write the same as Mailgun posts it."""
    given = {"who": "ada@fiction.example", "at": SECONDS, "what": "open"} | more
    inside = {"recipient": given.pop("who"), "timestamp": given.pop("at"),
              "event": given.pop("what")}  # fmt: skip
    return {"event-data": inside | given}


def ga4(**more: Any) -> dict[str, Any]:
    """Write the same as GA4 exports it, in microseconds."""
    given = {"who": "ada@fiction.example", "at": SECONDS, "what": "open"} | more
    at = given.pop("at")
    return {"user_id": given.pop("who"), "event_name": given.pop("what"),
            "event_timestamp": at * 1_000_000 if type(at) is int else at} | given  # fmt: skip


def segment(**more: Any) -> dict[str, Any]:
    """Write the same as a track call."""
    given = {"who": "ada@fiction.example", "at": SECONDS, "what": "open"} | more
    return {"type": "track", "userId": given.pop("who"), "timestamp": given.pop("at"),
            "event": given.pop("what")} | given  # fmt: skip


BAD: list[tuple[dict[str, Any], str]] = [
    ({"at": "abc"}, "bad_time"),
    ({"at": {"$date": SECONDS}}, "bad_time"),
    ({"at": [SECONDS]}, "bad_time"),
    ({"at": True}, "bad_time"),
    ({"at": None}, "no_time"),
    ({"at": ""}, "no_time"),
    ({"who": ["ada@fiction.example", "bob@fiction.example"]}, "bad_type"),
    ({"who": {"address": "ada@fiction.example"}}, "bad_type"),
    ({"who": [[]]}, "bad_type"),
    ({"who": None}, "no_prospect"),
    ({"who": "  "}, "no_prospect"),
    ({"what": {"name": "open"}}, "bad_type"),
    ({"what": None}, "no_event"),
]
"""What is wrong with a row, and the reason it is refused for."""

LONG = "x" * 1000
GOOD: list[dict[str, Any]] = [
    {"who": "emoji-🦊@fiction.example", "what": "open 🦊"},
    {"who": "مثال@fiction.example"},
    {"who": "big@fiction.example", "properties": {f"key{n}": LONG for n in range(5000)}},
    {"who": "deep@fiction.example", "properties": [[[{"a": [None, {}]}]]]},
]
"""Rows that look odd and are not: the third is 5 MB."""

BROKEN = [
    (b'{"event": "open", "email": "tru', "bad_json"),
    (b'{"event": "caf\xe9"}', "bad_utf8"),
    (b"[1, 2]", "not_an_object"),
]


@pytest.mark.parametrize("vendor", [sendgrid, mailgun, ga4, segment], ids=lambda v: v.__name__)
def test_odd_rows_of_a_vendor_are_kept_or_refused_with_a_reason(
    exports: Exports, vendor: Any
) -> None:
    """Every row is an event or in quarantine; one with 5 MB of properties is but an event."""
    lines = [json.dumps(vendor(**change)).encode() for change, _ in BAD]
    lines += [line for line, _ in BROKEN]
    lines += [json.dumps(vendor(**change), ensure_ascii=False).encode() for change in GOOD]
    far = [json.dumps(vendor(at=FAR)).encode()] if vendor is not segment else []
    exports.write("a.jsonl", b"\n".join([*lines, *far]))
    facts = exports.ingest({"format": vendor.__name__, "files": "a.jsonl"})
    reasons = [reason for _, reason in [*BAD, *BROKEN]] + ["implausible_time" for _ in far]
    assert [reason for _, _, reason in exports.rejected()] == reasons
    assert facts["sources"][0]["rows"] == len(lines) + len(far)
    assert sorted(exports.events("prospect_id", "time")) == sorted(
        (row["who"].lower(), day(1)) for row in GOOD
    )
    assert ("open 🦊",) in exports.events("event_name")
    assert exports.outputs.quarantine.stat().st_size < 20_000
