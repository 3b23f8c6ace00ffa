"""Ten payload files of five vendors, as others collected them: every row accounted for.

What each row should come to was written down by reading the payloads; instants were
turned into dates with `date -u -d @SECONDS`.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from worlds.exports import Exports

needs_payloads = pytest.mark.skipif(
    "MICROCONV_REAL_DATA" not in os.environ, reason="needs MICROCONV_REAL_DATA"
)
PLAUSIBLE = {"plausible_from": "2012-01-01T00:00:00Z", "plausible_until": "2026-01-01T00:00:00Z"}
SEGMENT = ("segment_spec_track", "segment_spec_ecommerce_v2", "segment_spec_email",
           "segment_spec_b2b-saas")  # fmt: skip


def payloads() -> Path:
    """Name the folder of the payloads."""
    return Path(os.environ["MICROCONV_REAL_DATA"]).absolute() / "vendor_payloads"


def webhook_bodies(exports: Exports, vendor: str) -> str:
    """Write the bodies that a collection of `{test, payload}` holds, one event per line."""
    lines = []
    for case in json.loads((payloads() / vendor / "payloads.json").read_text()):
        body = case["payload"]
        lines += [json.dumps(row) for row in (body if isinstance(body, list) else [body])]
    name = f"{vendor}.jsonl"
    exports.write(name, "\n".join(lines))
    return name


def rows_of(exports: Exports, *columns: str) -> list[tuple[Any, ...]]:
    """List events with their instants written out, in any order of prospects."""
    written = [
        tuple(v.isoformat() if isinstance(v, datetime) else v for v in row)
        for row in exports.events(*columns)
    ]
    return sorted(written, key=str)


MAILGUN = [
    ("actual-recipient@example.com", "clicked", "2016-04-21T17:55:30+00:00"),
    ("invalid@example.com", "permanent_fail", "2018-08-12T21:47:02.389832+00:00"),
    ("recipient@example.com", "clicked", "2018-08-12T21:33:20.089676+00:00"),
    ("recipient@example.com", "complained", "2013-08-22T23:31:00.049634+00:00"),
    ("recipient@example.com", "delivered", "2018-08-12T21:17:17.153125+00:00"),
    ("recipient@example.com", "opened", "2018-08-12T21:33:20.089676+00:00"),
    ("recipient@example.com", "unsubscribed", "2013-08-22T23:23:11.421473+00:00"),
    ("undeliverable@mx.example.com", "temporary_fail", "2018-08-12T22:11:39.659519+00:00"),
    ("undeliverable@nomx.example.com", "temporary_fail", "2018-08-12T22:11:39.659519+00:00"),
]
MAILGUN_REFUSED = {
    1: "no_prospect", 6: "no_prospect", 11: "no_prospect", 12: "no_time", 13: "no_time",
    14: "no_time", 15: "no_time", 16: "no_prospect", 17: "bad_time", 19: "no_prospect",
    20: "no_prospect", 21: "no_event",
}  # fmt: skip

SENDGRID = [
    ("example@example.com", "dropped", "2017-12-15T00:59:29+00:00"),
    ("invalid@invalid", "dropped", "2016-04-19T19:47:30+00:00"),
    ("noreply@example.com", "bounce", "2016-04-19T19:47:30+00:00"),
    ("recipient@example.com", "click", "2016-04-19T19:47:30+00:00"),
    ("recipient@example.com", "deferred", "2016-04-21T01:09:50+00:00"),
    ("recipient@example.com", "delivered", "2016-04-19T19:47:30+00:00"),
    ("recipient@example.com", "open", "2016-04-19T19:47:30+00:00"),
    ("recipient@example.com", "processed", "2016-04-19T19:47:26+00:00"),
    ("unsubscribe@example.com", "dropped", "2016-04-19T19:47:30+00:00"),
]


@needs_payloads
def test_mail_webhooks_come_out_as_they_read(exports: Exports) -> None:
    """Bodies of two vendors, old and new; one SendGrid event is there twice, by its id."""
    facts = exports.ingest(
        {"format": "mailgun", "files": webhook_bodies(exports, "anymail_mailgun"), "prefix": "m:"},
        {"format": "sendgrid", "files": webhook_bodies(exports, "anymail_sendgrid"),
         "prefix": "s:"},
        **PLAUSIBLE,
    )  # fmt: skip
    expected = [(who, f"m:{name}", when) for who, name, when in MAILGUN]
    expected += [(who, f"s:{name}", when) for who, name, when in SENDGRID]
    assert rows_of(exports, "prospect_id", "event_name", "time") == sorted(expected, key=str)
    mailgun, sendgrid = facts["sources"]
    assert (mailgun["rows"], mailgun["events"], mailgun["duplicates"]) == (21, 9, 0)
    assert (sendgrid["rows"], sendgrid["events"], sendgrid["duplicates"]) == (10, 9, 1)
    assert exports.rejected() == [("source0", row, why) for row, why in MAILGUN_REFUSED.items()]
    [opened] = [row for row in exports.events() if row["event_name"] == "m:opened"]
    assert opened["message_id"] == "20180812213139.1.BC6694A917BB7E6A@example.org"
    links = {row["event_name"]: row["link"] for row in exports.events() if row["link"]}
    assert links["s:click"] == "http://www.example.com"
    assert "http://clicked.example.com/actual/event/param" in [
        row["link"] for row in exports.events()
    ]


SHOP = (
    "Products Searched", "Product List Viewed", "Product List Filtered", "Promotion Viewed",
    "Promotion Clicked", "Product Clicked", "Product Viewed", "Product Added", "Product Removed",
    "Cart Viewed", "Checkout Started", "Checkout Step Viewed", "Checkout Step Completed",
    "Payment Info Entered", "Order Updated", "Order Completed", "Order Refunded",
    "Order Cancelled", "Coupon Entered", "Product Added to Wishlist",
    "Product Removed from Wishlist", "Wishlist Product Added to Cart", "Product Shared",
    "Cart Shared", "Product Reviewed",
)  # fmt: skip
SHOP_VALUES = {
    "Product Viewed": 18.99, "Checkout Started": 30.0, "Order Updated": 25.0,
    "Order Completed": 22.5, "Order Cancelled": 25.0,
}  # fmt: skip
MAILS = ("Email Bounced", "Email Delivered", "Email Link Clicked", "Email Marked as Spam",
         "Email Opened", "Unsubscribed")  # fmt: skip
SAAS = ("Account Created", "Account Deleted", "Signed Up", None, "Signed In", "Signed Out",
        "Invite Sent", "Account Added User", "Account Removed User", "Trial Started",
        "Trial Ended")  # fmt: skip


@needs_payloads
def test_segments_examples_are_refused_for_what_they_leave_out(exports: Exports) -> None:
    """The spec's pages leave out who and when; only one call of theirs is whole."""
    mapped = {"segment_spec_email": {"prospect_id": "user_id"}}
    facts = exports.ingest(
        *(
            {"name": name, "format": "segment", "files": f"{payloads()}/{name}/payloads.json",
             "columns": mapped.get(name, {})}
            for name in SEGMENT
        ),
        **PLAUSIBLE,
    )  # fmt: skip
    assert rows_of(exports, "prospect_id", "event_name", "time", "visible_at", "link") == [
        ("AiUGstSDIg", "Course Clicked", "2015-12-12T19:11:01.249000+00:00",
         "2015-12-12T19:11:01.266000+00:00", "https://segment.com/academy/"),
    ]  # fmt: skip
    assert [(s["rows"], s["rejected"]) for s in facts["sources"]] == [
        (2, {"no_prospect": 1}),
        (25, {"no_prospect": 25}),
        (6, {"no_time": 6}),
        (11, {"no_event": 1, "no_time": 10}),
    ]


@needs_payloads
def test_segments_examples_with_who_and_when_are_what_they_say(exports: Exports) -> None:
    """What every library of Segment's adds to a call, added: each is its own event, in order."""
    names = {"segment_spec_ecommerce_v2": SHOP, "segment_spec_email": MAILS,
             "segment_spec_b2b-saas": SAAS}  # fmt: skip
    for folder in names:
        calls = json.loads((payloads() / folder / "payloads.json").read_text())
        whole = [
            {"userId": folder, "timestamp": f"2024-01-02T00:{minute:02}:00Z"} | call
            for minute, call in enumerate(calls)
        ]
        exports.write(f"{folder}.json", json.dumps([c | {"userId": folder} for c in whole]))
    facts = exports.ingest(
        *({"format": "segment", "files": f"{folder}.json"} for folder in names), **PLAUSIBLE
    )
    for folder, said in names.items():
        ours = [row for row in exports.events() if row["prospect_id"] == folder]
        assert [(row["time"].minute, row["event_name"]) for row in ours] == [
            (minute, name) for minute, name in enumerate(said) if name is not None
        ]
    values = {row["event_name"]: row["value"] for row in exports.events() if row["value"]}
    assert values == SHOP_VALUES
    assert [source["rows"] for source in facts["sources"]] == [25, 6, 11]
    assert exports.rejected() == [("source2", 4, "no_event")]


@needs_payloads
def test_the_ga4_visitor_is_nobody_until_a_form_says_who(exports: Exports) -> None:
    """One first visit, whose client id a table of our own links to a prospect two days later."""
    exports.write("forms.csv", "who,cookie,when\nada,1166526666.1617691776,2021-04-08T00:00:00Z\n")
    ga4 = {"format": "ga4", "files": f"{payloads()}/ga4_bigquery_export/payloads.json"}
    columns = {"prospect_id": "who", "anonymous_id": "cookie", "time": "when"}
    forms = {"files": "forms.csv", "prefix": "form", "columns": columns}
    facts = exports.ingest(ga4, forms, **PLAUSIBLE)
    assert rows_of(exports, "prospect_id", "event_name", "time", "visible_at", "link") == [
        ("ada", "first_visit", "2021-04-06T06:49:50.431476+00:00", "2021-04-08T00:00:00+00:00",
         "https://www.velir.com/blog/2016/08/25/behavior-driven-testing-drupal-8"),
        ("ada", "form", "2021-04-08T00:00:00+00:00", "2021-04-08T00:00:00+00:00", None),
    ]  # fmt: skip
    assert [source["events"] for source in facts["sources"]] == [1, 1]
    alone = exports.ingest(ga4, **PLAUSIBLE)
    assert alone["sources"][0]["ignored"] == {"anonymous": 1}


FORMS = [
    ("001", "2023-11-01T10:20:00+00:00", "https://example.com/newsletter"),
    ("002", "2023-10-15T08:10:00+00:00", "https://example.com/guide"),
    ("003", "2023-09-20T09:50:00+00:00", "https://example.com/contact"),
    ("004", "2023-08-12T14:05:00+00:00", "https://example.com/demo"),
    ("005", "2023-07-05T12:05:00+00:00", "https://example.com/signup"),
]


@needs_payloads
def test_hubspots_tables_come_out_as_they_read(exports: Exports) -> None:
    """E-mail events, forms, deals, stages and contacts: no deal of the files has a contact."""
    folder = payloads() / "hubspot_fivetran"
    facts = exports.ingest(
        {"name": "mail", "format": "hubspot", "files": f"{folder}/email_event*.csv"},
        {"name": "forms", "format": "hubspot", "files": f"{folder}/contact_form*.csv"},
        {"name": "deals", "format": "hubspot", "files": f"{folder}/deal*.csv"},
        {"name": "stages", "files": f"{folder}/deal_stage_data.csv", "timezone": "UTC",
         "columns": {"prospect_id": "deal_id", "time": "date_entered", "event": "value"},
         "only": {"_fivetran_active": "TRUE"}},
        {"name": "people", "format": "prospects", "files": f"{folder}/contact_data.csv",
         "timezone": "UTC", "attributes": ["property_annualrevenue"],
         "columns": {"prospect_id": "id", "known_at": "_fivetran_synced",
                     "email": "property_email"}},
        **PLAUSIBLE,
    )  # fmt: skip
    counts = {s["name"]: (s["rows"], s["events"], s["ignored"]) for s in facts["sources"]}
    assert counts == {
        "mail": (100, 97, {"filtered": 3}), "forms": (5, 5, {}), "deals": (11, 0, {}),
        "stages": (14, 14, {}), "people": (22, 22, {}),
    }  # fmt: skip
    assert exports.rejected() == [("deals", row, "no_event") for row in range(2, 13)]
    forms = [row for row in exports.events() if row["event_name"] == "form_submission"]
    assert [(r["prospect_id"], r["time"].isoformat(), r["link"]) for r in forms] == FORMS
    with (folder / "email_event_data.csv").open() as content:
        read = [row for row in csv.DictReader(content) if row["filtered_event"] != "true"]
    mail = {row["event_id"]: row for row in exports.events() if row["channel"] == "email"}
    assert len(read) == len(mail)
    for row in read:
        event = mail[row["id"]]
        when = datetime.fromisoformat(row["created"]).replace(tzinfo=UTC)
        assert (event["prospect_id"], event["time"]) == (row["recipient"].lower(), when)
        assert (event["event_name"], event["message_id"]) == (
            row["type"].lower(), row["sent_by_id"],
        )  # fmt: skip
    assert Counter(row["event_name"] for row in mail.values()) == {
        "open": 90, "sent": 4, "delivered": 3,
    }  # fmt: skip
    stages = [row for row in exports.events() if row["event_name"].startswith("6e81db")]
    assert [(r["prospect_id"], r["time"].isoformat()) for r in stages] == [
        ("3964918501", "2021-01-09T10:49:26+00:00")
    ]
    first = next(row for row in exports.prospects() if row["prospect_id"] == "78971951")
    assert first["known_at"] == datetime(2021, 4, 2, 11, 16, 5, tzinfo=UTC)
    assert (first["email"], first["property_annualrevenue"]) == (
        "fcb67ef339b691956cc85fa12be6490c", 111111.0,
    )  # fmt: skip
