"""Who is who and since when, on timelines small enough to follow by hand."""

from __future__ import annotations

import json

from microconv.ingest.identity import Merge, follow_merges
from worlds.exports import Exports, day, iso

SEEN = ("prospect_id", "time", "visible_at", "visible_until")


def call(kind: str, number: float, received: float | None = None, **ids: str | None) -> str:
    """Write one Segment call that happened on a day and was received on another."""
    at = number if received is None else received
    content = {
        "type": kind, "timestamp": iso(number), "receivedAt": iso(at), "event": "Visit",
        "messageId": f"{kind}-{number}-{sorted(ids.items())}", **ids,
    }  # fmt: skip
    return json.dumps(content) + "\n"


def ingest_calls(exports: Exports, *calls: str) -> dict[str, object]:
    """Ingest calls, and return their entry in the report."""
    exports.write("web.jsonl", "".join(calls))
    facts = exports.ingest({"format": "segment", "files": "web.jsonl"})
    return facts["sources"][0]


def test_an_anonymous_visit_counts_from_the_instant_of_the_merge(exports: Exports) -> None:
    """Visit on day 1, identified on day 5, which was received on day 6."""
    ingest_calls(
        exports,
        call("track", 1, anonymousId="x"),
        call("identify", 5, 6, anonymousId="x", userId="ada"),
        call("track", 7, anonymousId="x"),
    )
    assert exports.events(*SEEN) == [
        ("ada", day(1), day(6), None),
        ("ada", day(7), day(7), None),
    ]


def test_any_call_with_both_ids_identifies(exports: Exports) -> None:
    """Many sites never send identify: the first track after the login identifies too."""
    ingest_calls(
        exports,
        call("track", 1, anonymousId="x"),
        call("track", 4, anonymousId="x", userId="ada"),
    )
    assert exports.events(*SEEN) == [
        ("ada", day(1), day(4), None),
        ("ada", day(4), day(4), None),
    ]


def test_of_several_merges_the_latest_before_the_event_wins(exports: Exports) -> None:
    """A shared computer: ada on day 2, bob on day 6; what came before both is ada's."""
    ingest_calls(
        exports,
        call("identify", 2, anonymousId="x", userId="ada"),
        call("identify", 6, anonymousId="x", userId="bob"),
        *(call("track", number, anonymousId="x") for number in (1, 2, 3, 6, 9)),
    )
    assert exports.events(*SEEN) == [
        ("ada", day(1), day(2), None),
        ("ada", day(2), day(2), None),
        ("ada", day(3), day(3), None),
        ("bob", day(6), day(6), None),
        ("bob", day(9), day(9), None),
    ]


def test_a_later_merge_changes_nothing_that_was_visible_before(exports: Exports) -> None:
    """The future never reaches an identity merge: without day 6, days 1 to 5 look the same."""
    calls = [
        call("track", 1, anonymousId="x"),
        call("identify", 2, anonymousId="x", userId="ada"),
        call("track", 3, anonymousId="x"),
        call("track", 4, 9, anonymousId="x"),
    ]
    ingest_calls(exports, *calls)
    before = [row for row in exports.events(*SEEN) if row[2] < day(6)]
    ingest_calls(exports, *calls, call("identify", 6, anonymousId="x", userId="bob"))
    after = [row for row in exports.events(*SEEN) if row[2] < day(6)]
    assert before == after
    assert len(after) == 2


def test_who_is_never_identified_is_ignored_and_counted(exports: Exports) -> None:
    """Nobody can call an anonymous id."""
    source = ingest_calls(
        exports, call("track", 1, anonymousId="x"), call("track", 2, userId="ada")
    )
    assert source["ignored"] == {"anonymous": 1}
    assert exports.events("prospect_id") == [("ada",)]


def test_a_merge_of_two_known_prospects_writes_the_losers_events_twice(exports: Exports) -> None:
    """Under its own id until day 5, under the winner's from day 5 on; later ones only there."""
    source = ingest_calls(
        exports,
        call("track", 1, userId="ada"),
        call("track", 2, userId="bob"),
        call("alias", 5, previousId="ada", userId="bob"),
        call("track", 7, userId="ada"),
    )
    assert exports.events(*SEEN) == [
        ("ada", day(1), day(1), day(5)),
        ("bob", day(1), day(5), None),
        ("bob", day(2), day(2), None),
        ("bob", day(7), day(7), None),
    ]
    assert (source["events"], source["copies"], source["ignored"]) == (3, 1, {"identity": 1})


def test_chains_of_merges_are_followed(exports: Exports) -> None:
    """An anonymous visit of day 1 goes to ada on day 2, to bob on day 4, to cyd on day 6."""
    ingest_calls(
        exports,
        call("track", 1, anonymousId="x"),
        call("identify", 2, anonymousId="x", userId="ada"),
        call("alias", 4, previousId="ada", userId="bob"),
        call("alias", 6, previousId="bob", userId="cyd"),
    )
    assert exports.events(*SEEN) == [
        ("ada", day(1), day(2), day(4)),
        ("bob", day(1), day(4), day(6)),
        ("cyd", day(1), day(6), None),
    ]


def test_an_alias_of_an_anonymous_id_is_an_identification(exports: Exports) -> None:
    """Older libraries send alias where newer ones identify."""
    ingest_calls(
        exports,
        call("track", 1, anonymousId="x"),
        call("alias", 3, previousId="x", userId="ada"),
    )
    assert exports.events(*SEEN) == [("ada", day(1), day(3), None)]


def test_the_merge_that_closes_a_cycle_is_quarantined(exports: Exports) -> None:
    """The earlier merge stands."""
    source = ingest_calls(
        exports,
        call("track", 1, userId="ada"),
        call("alias", 2, previousId="ada", userId="bob"),
        call("alias", 3, previousId="bob", userId="ada"),
    )
    assert exports.rejected() == [("source0", 3, "merge_cycle")]
    assert source["ignored"] == {"identity": 1}
    assert exports.events(*SEEN) == [
        ("ada", day(1), day(1), day(2)),
        ("bob", day(1), day(2), None),
    ]


def test_a_repeated_merge_is_no_cycle() -> None:
    """Vendors say the same thing twice; a prospect merged into itself is nothing."""
    merges = [Merge(1, "a", "b"), Merge(2, "a", "b"), Merge(3, "c", "c")]
    spans, cycles = follow_merges(merges)
    assert cycles == []
    assert [tuple(span.values()) for span in spans.to_pylist()] == [
        ("a", "a", None, 1),
        ("a", "b", 1, None),
    ]


CRM = {
    "format": "prospects",
    "files": "crm.csv",
    "columns": {"prospect_id": "id", "known_at": "since", "email": "mail", "account_id": "firm"},
}
MAIL = {"format": "sendgrid", "files": "mail.jsonl"}
DEALS = {
    "format": "deals",
    "files": "deals.csv",
    "prefix": "deal_",
    "columns": {"prospect_id": "contact", "account_id": "firm", "time": "at", "event": "stage",
                "value": "amount"},
}  # fmt: skip


def mail(number: float, address: str) -> str:
    """Write one webhook event."""
    at = int(day(number).timestamp())
    return json.dumps({"email": address, "timestamp": at, "event": "open"}) + "\n"


def test_an_email_belongs_to_its_prospect_from_when_the_crm_knew_it(exports: Exports) -> None:
    """Ada's mail of day 1 counts from day 3; eve is unknown and is her address."""
    exports.write("crm.csv", f"id,since,mail,firm\nc1,{iso(3)},Ada@Example.com,\n")
    exports.write("mail.jsonl", mail(1, "ada@EXAMPLE.com") + mail(4, "Eve@example.com"))
    exports.ingest(CRM, MAIL)
    assert exports.events(*SEEN) == [
        ("c1", day(1), day(3), None),
        ("eve@example.com", day(4), day(4), None),
    ]


def firm(exports: Exports) -> None:
    """Lay down a firm of two, one of whom was with another before, and a stranger."""
    exports.write(
        "crm.csv",
        f"id,since,mail,firm\nc1,{iso(1)},,F\nc2,{iso(1)},,G\nc2,{iso(6)},,F\nc3,{iso(1)},,\n",
    )


def test_a_deal_is_credited_to_its_contact(exports: Exports) -> None:
    """The default; a deal without a contact is rejected, as its prospect is unknown."""
    firm(exports)
    exports.write(
        "deals.csv",
        f"contact,firm,at,stage,amount\nc1,F,{iso(9)},Closed Won,100\n,F,{iso(9)},Closed Won,5\n",
    )
    exports.ingest(CRM, DEALS)
    assert exports.events("prospect_id", "event_name", "value") == [("c1", "deal_closed_won", 100)]
    assert exports.rejected() == [("source1", 3, "no_contact")]


def test_a_deal_can_be_credited_to_all_whom_the_account_had_by_then(exports: Exports) -> None:
    """On day 3 the firm had c1 alone, on day 9 c2 as well; H never had anybody."""
    firm(exports)
    exports.write(
        "deals.csv",
        "contact,firm,at,stage,amount\n"
        f",F,{iso(3)},Won,3\n,F,{iso(9)},Won,9\n,H,{iso(9)},Won,1\nc3,H,{iso(9)},Won,4\n",
    )
    facts = exports.ingest(CRM, DEALS, credit="all")
    assert exports.events("prospect_id", "time", "value") == [
        ("c1", day(3), 3), ("c1", day(9), 9), ("c2", day(9), 9), ("c3", day(9), 4),
    ]  # fmt: skip
    assert exports.rejected() == [("source1", 4, "no_contact")]
    assert facts["sources"][1]["copies"] == 1


def test_accounts_can_be_the_prospects(exports: Exports) -> None:
    """An event is its contact's account's, from when the membership was known."""
    firm(exports)
    exports.write(
        "a.csv",
        "who,when,what\n" + "".join(f"{who},{iso(n)},visit\n" for who, n in
        [("c1", 0), ("c2", 3), ("c2", 8), ("c3", 5)]),
    )  # fmt: skip
    exports.write("deals.csv", f"contact,firm,at,stage,amount\n,G,{iso(9)},Closed Won,7\n")
    facts = exports.ingest(CRM, {"files": "a.csv"}, DEALS, unit="account")
    assert exports.events(*SEEN) == [
        ("F", day(0), day(1), None),
        ("F", day(8), day(8), None),
        ("G", day(3), day(3), None),
        ("G", day(9), day(9), None),
    ]
    assert facts["sources"][1]["ignored"] == {"no_account": 1}
    assert {row["prospect_id"] for row in exports.prospects()} == {"F", "G"}
