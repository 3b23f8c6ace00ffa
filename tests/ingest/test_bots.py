"""Bot detection: its features, and that no probability uses later events."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from worlds.exports import Exports, day

SECOND = timedelta(seconds=1)
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/115.0"
LINKS = [f"https://example.com/{name}" for name in ("pricing", "cases", "preferences")]


def mail(
    event: str, after: float, *, who: str = "ada@firm.example", link: int | None = None, **more: Any
) -> dict[str, Any]:
    """Say what a webhook tells of an event, so many seconds after the second of January."""
    at = day(1) + after * SECOND
    row = {
        "email": who, "timestamp": round(at.timestamp()), "event": event, "sg_message_id": "m",
        "sg_event_id": f"{event}:{who}:{after}:{link}", "useragent": BROWSER,
    }  # fmt: skip
    return row | ({} if link is None else {"url": LINKS[link]}) | more


def told(exports: Exports, rows: list[dict[str, Any]], **bots: Any) -> dict[str, dict[str, Any]]:
    """Ingest webhook rows; return the events by id."""
    exports.write("mail.jsonl", "\n".join(json.dumps(row) for row in rows))
    exports.ingest(
        {"format": "sendgrid", "files": "mail.jsonl", "columns": {"known_at": "heard"}}
        if any("heard" in row for row in rows)
        else {"format": "sendgrid", "files": "mail.jsonl"},
        bots=bots,
    )
    return {row["event_id"]: row for row in exports.events()}


def clicks(events: dict[str, dict[str, Any]]) -> list[float]:
    """Read the probabilities of the clicks in the order of their time."""
    rows = sorted(events.values(), key=lambda row: row["time"])
    return [row["human_probability"] for row in rows if row["event_name"] == "click"]


SCAN = [mail("delivered", 0), *(mail("click", 3 + 4 * n, link=n) for n in range(3))]


def test_every_link_seconds_after_delivery_is_a_scanner(exports: Exports) -> None:
    """Three links within 11 s of delivery, though the program says it is Firefox."""
    events = told(exports, SCAN)
    assert max(clicks(events)) < 0.1


def test_one_link_hours_after_delivery_is_a_person(exports: Exports) -> None:
    """Nothing about it is hasty."""
    events = told(exports, [mail("delivered", 0), mail("click", 7200, link=0)])
    assert min(clicks(events)) > 0.95


def test_a_person_may_click_at_once(exports: Exports) -> None:
    """One link of a mail, 15 s after delivery: quick, but no scanner leaves the others out."""
    events = told(exports, [mail("delivered", 0), mail("click", 15, link=0)])
    assert min(clicks(events)) > 0.5


def test_an_open_by_a_privacy_proxy_is_hardly_human(exports: Exports) -> None:
    """The user agent of Apple's proxy is only Mozilla/5.0; mail programs add more."""
    rows = [mail("delivered", 0), mail("open", 400, useragent="Mozilla/5.0"), mail("open", 500)]
    events = told(exports, rows)
    by_proxy, by_person = (events[f"open:ada@firm.example:{s}:None"] for s in (400, 500))
    assert by_proxy["human_probability"] < 0.1
    assert by_person["human_probability"] > 0.5


def test_clicks_and_opens_become_visible_once_they_are_classified(exports: Exports) -> None:
    """Every other event is visible as soon as it is known."""
    events = told(exports, [*SCAN, mail("open", 50)], window_seconds=90)
    for row in events.values():
        waits = 90 if row["event_name"] in ("click", "open") else 0
        assert row["visible_at"] == row["time"] + waits * SECOND


def test_without_bot_detection_every_event_counts_as_human_and_is_visible_at_once(
    exports: Exports,
) -> None:
    """`enabled: false` sets every probability to 1."""
    events = told(exports, SCAN, enabled=False)
    assert {row["human_probability"] for row in events.values()} == {1.0}
    assert all(row["visible_at"] == row["time"] for row in events.values())


def test_an_unsubscription_by_a_bot_is_counted_and_kept(exports: Exports) -> None:
    """One inside a scanner's burst is reported; one of a person, after one click, is not."""
    person = {"who": "bob@firm.example"}
    rows = [
        *SCAN,
        mail("unsubscribe", 12),
        mail("delivered", 0, **person),
        mail("click", 7200, link=2, **person),
        mail("unsubscribe", 7206, **person),
    ]
    events = told(exports, rows)
    facts = json.loads(exports.outputs.report.read_text(encoding="utf-8"))
    assert facts["bots"] == {
        "clicks": 4, "bot_clicks": 3, "opens": 0, "bot_opens": 0,
        "bot_unsubscribes": 1,
    }  # fmt: skip
    left = [row for row in events.values() if row["event_name"] == "unsubscribe"]
    assert [row["human_probability"] for row in left] == [1.0, 1.0]
    assert all(row["visible_at"] == row["time"] for row in left)


def test_the_settings_change_the_probability(exports: Exports) -> None:
    """One click, classified under each setting: event names, clients and priors all count."""
    rows = [mail("delivered", 0), mail("tap", 900, link=0, useragent="curl/8")]
    click = "tap:ada@firm.example:900:0"

    def probability(**bots: Any) -> float:
        return float(told(exports, rows, **bots)[click]["human_probability"])

    assert probability() == 1.0
    tapped = {"clicked": ["ta*"]}
    script = probability(**tapped)
    assert script < 0.5
    unknown = probability(**tapped, scanner_clients=[])
    assert unknown > 0.5
    proxy = probability(**tapped, scanner_clients=[], proxy_clients=["script"])
    assert script < proxy < unknown
    assert probability(**tapped, scanner_clients=[], prior_clicks=0.9) < unknown
    without = probability(**tapped, scanner_clients=[], delivered=["handed_over"])
    assert without < unknown  # a click 15 minutes after delivery is probably a person's
