"""Vendors' formats on small payloads of obviously fictional senders."""

from __future__ import annotations

import json
from typing import Any

from exports import Exports, day, iso

SECONDS = 1704153600  # 2024-01-02T00:00:00Z, which is `day(1)`


def lines(*rows: dict[str, Any]) -> str:
    """Write JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def mail(event: str, **more: Any) -> dict[str, Any]:
    """Write an event as Mailgun's events API lists it."""
    row = {"event": event, "timestamp": SECONDS + 0.25, "id": event + str(len(more)),
           "recipient": "Ada@Fiction.example"}  # fmt: skip
    return row | more


def test_mailgun_is_read_as_the_webhook_posts_it_and_as_the_api_lists_it(exports: Exports) -> None:
    """The webhook wraps the event; only a permanent failure is the end of an address."""
    wrapped = {
        "signature": {"timestamp": "1", "token": "t", "signature": "s"},
        "event-data": mail(
            "clicked",
            url="https://fiction.example/pricing",
            tags=["news", "b2b"],
            message={"headers": {"message-id": "m1@fiction.example"}},
            **{"client-info": {"user-agent": "curl/8"}, "user-variables": {"plan": "pro"}},
        ),
    }
    rows = [
        wrapped,
        mail("failed", severity="permanent"),
        mail("failed", severity="temporary", reason="greylisted"),
        mail("opened"),
        {"event": "bounced", "recipient": "old@fiction.example", "timestamp": str(SECONDS)},
        mail("opened", id="o2", timestamp="abc"),
        mail("opened", id="o3", timestamp=SECONDS * 1000),
        mail("opened", id="o4", recipient=["a@fiction.example", "b@fiction.example"]),
        {"event": "opened", "timestamp": SECONDS},
        {"recipient": "in@fiction.example", "body-plain": "hello"},
    ]
    exports.write("mail.jsonl", lines(*rows))
    rules = [{"event": "clicked", "category": "b2?", "property": {"plan": "pro"}, "name": "click"}]
    exports.ingest({"format": "mailgun", "files": "mail.jsonl", "rules": rules, "prefix": "mail_"})
    assert sorted(exports.events("event_name", "prospect_id")) == [
        ("click", "ada@fiction.example"),
        ("mail_bounced", "old@fiction.example"),
        ("mail_opened", "ada@fiction.example"),
        ("mail_permanent_fail", "ada@fiction.example"),
        ("mail_temporary_fail", "ada@fiction.example"),
    ]
    [click] = [row for row in exports.events() if row["event_name"] == "click"]
    assert click == click | {
        "time": day(1).replace(microsecond=250_000), "message_id": "m1@fiction.example",
        "link": "https://fiction.example/pricing", "client": "script", "channel": "email",
    }  # fmt: skip
    assert exports.refused() == [
        ("source0", 6, "bad_time"),
        ("source0", 7, "implausible_time"),
        ("source0", 8, "bad_type"),
        ("source0", 9, "no_prospect"),
        ("source0", 10, "no_event"),
    ]


def parameter(key: str, **value: Any) -> dict[str, Any]:
    """Write a parameter as BigQuery does: every kind of value has a place of its own."""
    empty = dict.fromkeys(("string_value", "int_value", "float_value", "double_value"))
    return {"key": key, "value": empty | value}


def visit(name: str, *parameters: Any, **more: Any) -> dict[str, Any]:
    """Write an event as GA4 exports it: microseconds, as text."""
    return {
        "event_name": name, "event_timestamp": str(SECONDS * 1_000_000),
        "event_params": list(parameters), "user_pseudo_id": "7.1", "user_id": None,
    } | more  # fmt: skip


def user(name: str) -> dict[str, str]:
    """Name a user, and the browser of theirs."""
    return {"user_id": name, "user_pseudo_id": f"{name}.1"}


def test_ga4_parameters_are_looked_up_by_their_key(exports: Exports) -> None:
    """A visitor is somebody from the first event with a user id on."""
    page = parameter("page_location", string_value="https://fiction.example/pricing")
    rows = [
        visit("page_view", parameter("other", int_value="4"), page),
        visit("purchase", parameter("value", double_value=12.5), user_id="u1",
              event_timestamp=str((SECONDS + 86_400) * 1_000_000)),
        visit("page_view", page, user_pseudo_id="8.2"),
        visit("scroll", parameter("percent", int_value="90"), **user("u2"),
              ecommerce={"purchase_revenue": 3.0}),
        visit("scroll", "odd", 7, None, {"key": "percent"}, **user("u3")),
        visit("scroll", **user("u4"), event_params="none"),
        visit("scroll", **user("u5"), event_timestamp=SECONDS),
        visit("scroll", user_id={"id": "u6"}, user_pseudo_id="u6.1"),
    ]  # fmt: skip
    exports.write("ga4.json", json.dumps(rows, indent=1))
    rules = [{"event": "scroll", "property": {"percent": "90"}, "name": "read"},
             {"event": "page_view", "link": "/pricing", "name": "pricing"}]  # fmt: skip
    facts = exports.ingest({"format": "ga4", "files": "ga4.json", "rules": rules})
    assert exports.events("prospect_id", "event_name", "time", "visible_at", "value") == [
        ("u1", "pricing", day(1), day(2), None),
        ("u1", "purchase", day(2), day(2), 12.5),
        ("u2", "read", day(1), day(1), 3.0),
        ("u3", "scroll", day(1), day(1), None),
        ("u4", "scroll", day(1), day(1), None),
    ]
    assert facts["sources"][0]["ignored"] == {"anonymous": 1}
    assert exports.refused() == [
        ("source0", 7, "implausible_time"), ("source0", 8, "bad_type"),
    ]  # fmt: skip


def test_what_a_source_says_of_times_is_how_they_are_read(exports: Exports) -> None:
    """A day first, a zone of its own, and milliseconds that are never taken for seconds."""
    exports.write(
        "a.csv",
        "who,when,what\nada,02/01/2024 01:00,x\nbob,2024-01-02T00:00:00Z,x\n"
        "cyd,13/13/2024 01:00,x\ndan,1704153600,x\n",
    )
    exports.write("b.jsonl", lines(
        {"who": "eve", "when": SECONDS * 1000, "what": "x"},
        {"who": "fay", "when": str(SECONDS * 1000), "what": "x"},
        {"who": "gus", "when": SECONDS, "what": "x"},
        {"who": "hal", "when": iso(1), "what": "x"},
    ))  # fmt: skip
    exports.write("c.csv", "who,when,what\nian,Jan 02 2024 02:00 +0200,x\n")
    exports.ingest(
        {"files": "a.csv", "timezone": "Europe/Berlin", "time_format": "%d/%m/%Y %H:%M"},
        {"files": "b.jsonl", "time_unit": "milliseconds"},
        {"files": "c.csv", "time_format": "%b %d %Y %H:%M %z"},
    )
    who = ["ada", "bob", "eve", "fay", "hal", "ian"]
    assert exports.events("prospect_id", "time") == [(name, day(1)) for name in who]
    assert exports.refused() == [
        ("source0", 4, "bad_time"), ("source0", 5, "bad_time"), ("source1", 3, "implausible_time"),
    ]  # fmt: skip


def test_a_sendgrid_timestamp_is_seconds_and_nothing_else(exports: Exports) -> None:
    """Milliseconds in its place mean that something else wrote them: the year 55971."""
    row = {"email": "ada@fiction.example", "event": "open", "timestamp": SECONDS}
    exports.write("mail.jsonl", lines(row, row | {"timestamp": SECONDS * 1000},
                                      row | {"timestamp": "abc"}, row | {"timestamp": 1e300},
                                      row | {"timestamp": None}))  # fmt: skip
    exports.ingest({"format": "sendgrid", "files": "mail.jsonl"})
    assert exports.events("prospect_id", "time") == [("ada@fiction.example", day(1))]
    reasons = [reason for _, _, reason in exports.refused()]
    assert reasons == ["implausible_time", "bad_time", "bad_time", "no_time"]
