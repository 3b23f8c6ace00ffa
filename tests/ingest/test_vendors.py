"""Vendors' formats on small payloads of obviously fictional senders."""

from __future__ import annotations

import json
from typing import Any

import pytest

from microconv.errors import SourceError
from worlds.exports import Exports, day, iso

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
    assert exports.rejected() == [
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
    assert exports.rejected() == [
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
    assert exports.rejected() == [
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
    reasons = [reason for _, _, reason in exports.rejected()]
    assert reasons == ["implausible_time", "bad_time", "bad_time", "no_time"]


def table(*rows: str) -> str:
    """Write a CSV file."""
    return "\n".join(rows) + "\n"


HUBSPOT = {
    "email_event_data.csv": table(
        "id,created,type,recipient,sent_by_id,email_campaign_id,filtered_event,_fivetran_synced",
        "e1,2024-01-02 00:00:00.250,CLICK,Ada@Fiction.example,m1,c1,false,2024-01-05 0:00:00",
        "e2,2024-01-03 0:00:00,OPEN,ada@fiction.example,m1,c1,,2024-01-05 0:00:00",
        "e3,2024-01-03 0:00:00,OPEN,bob@fiction.example,m2,c1,TRUE,2024-01-05 0:00:00",
        "e4,2024-01-04 0:00:00,STATUSCHANGE,bob@fiction.example,,,false,2024-01-05 0:00:00",
        "e5,soon,OPEN,bob@fiction.example,,,false,2024-01-05 0:00:00",
        "e6,2024-01-04 0:00:00,OPEN,,,,false,2024-01-05 0:00:00",
    ),
    "email_event_click_data.csv": table(
        "id,url,user_agent", "e1,https://fiction.example/pricing,curl/8", "e9,x,x"
    ),
    "email_event_open_data.csv": table("id,user_agent", "e2,Thunderbird/1"),
    "email_event_status_change.csv": table("id,portal_subscription_status", "e4,UNSUBSCRIBED"),
    "email_event_sent.csv": table("id,subject", "m1,hello"),
    "contact_form_submission.csv": table(
        "contact_id,timestamp,title,page_url,form_id",
        "007,2024-01-02 0:00:00,Request demo,https://fiction.example/demo,9",
    ),
    "deal.csv": table(
        "deal_id,is_deleted,deal_pipeline_stage_id,property_amount,property_closedate",
        "1,false,won,250.5,2024-01-03 00:00:00", "2,false,talks,10,", "3,false,lost,,2024-01-04",
        "4,true,won,99,2024-01-04",
    ),
    "deal_contact.csv": table("contact_id,deal_id", "7,1", "8,1", "7,2", "8,3", "8,4", "8,5"),
    "deal_pipeline_stage.csv": table(
        "stage_id,closed_won,is_closed", "won,TRUE,TRUE", "lost,false,true", "talks,false,false"
    ),
}  # fmt: skip


def test_hubspot_is_read_as_fivetran_lands_it(exports: Exports) -> None:
    """Three tables of events, each with what the tables beside it say."""
    for name, content in HUBSPOT.items():
        exports.write(name, content)
    facts = exports.ingest(
        {"format": "hubspot", "files": "email_event*.csv", "prefix": "mail_",
         "columns": {"known_at": "_fivetran_synced"},
         "rules": [{"event": "click", "link": "/pricing", "name": "pricing"}]},
        {"format": "hubspot", "files": "contact_form*.csv",
         "rules": [{"category": "*demo", "property": {"form_id": "9"}, "name": "demo_form"}]},
        {"format": "hubspot", "files": "deal*.csv", "prefix": "deal_"},
    )  # fmt: skip
    names = ("prospect_id", "event_name", "time", "visible_at", "value", "event_id")
    assert exports.events(*names) == [
        ("007", "demo_form", day(1), day(1), None, exports.events("event_id")[0][0]),
        ("7", "deal_closed_won", day(2), day(2), 250.5, "1-7"),
        ("8", "deal_closed_won", day(2), day(2), 250.5, "1-8"),
        ("8", "deal_closed_lost", day(3), day(3), None, "3-8"),
        ("ada@fiction.example", "pricing", day(1).replace(microsecond=250_000), day(4), None, "e1"),
        ("ada@fiction.example", "mail_open", day(2), day(4), None, "e2"),
        ("bob@fiction.example", "mail_unsubscribed", day(3), day(4), None, "e4"),
    ]
    clients = {row["event_id"]: (row["client"], row["link"]) for row in exports.events()}
    assert clients["e1"] == ("script", "https://fiction.example/pricing")
    assert clients["e2"] == ("thunderbird", None)
    assert [source["rows"] for source in facts["sources"]] == [6, 1, 6]
    assert [source["ignored"] for source in facts["sources"]] == [
        {"filtered": 1}, {}, {"filtered": 2},
    ]  # fmt: skip
    assert exports.rejected() == [
        ("source0", 6, "bad_time"), ("source0", 7, "no_prospect"), ("source2", 7, "no_event"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["owner_data.csv"], r"owner_data\.csv is named after no table"),
        (["deal_contact.csv"], r"says nothing without `deal`, `deal_pipeline_stage`"),
        (["email_event_click_data.csv"], r"None of .* holds events.*`email_event`"),
    ],
    ids=["none of them", "half of a deal", "only a side"],
)
def test_hubspot_tables_that_say_no_events_are_named(
    exports: Exports, names: list[str], says: str
) -> None:
    """Which files belong together is HubSpot's to know, and not a guess of the reader's."""
    for name in names:
        exports.write(name, HUBSPOT.get(name, "id\n1\n"))
    with pytest.raises(SourceError, match=says):
        exports.ingest({"format": "hubspot", "files": "*.csv"})
