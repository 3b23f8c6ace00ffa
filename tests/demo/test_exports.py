"""The files as a reader finds them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow.parquet as pq
import pytest

from microconv.demo import catalogue as c
from microconv.demo.goals import DONE
from microconv.demo.opportunities import GOAL, VISIT
from microconv.demo.world import simulate_world
from microconv.journey import JourneyMap
from microconv.settings import read_settings

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture(scope="module")
def mails(written):
    """Whole rows of the email service, each as it first came."""
    plausible = [row for row in written.calls("email_events.jsonl") if usable_mail(row)]
    return list({row["sg_event_id"]: row for row in reversed(plausible)}.values())


@pytest.fixture(scope="module")
def calls(written):
    """Whole calls of the website, each as it first came."""
    plausible = [call for call in written.calls("web_events.jsonl") if usable_call(call)]
    return list({call["messageId"]: call for call in reversed(plausible)}.values())


@pytest.fixture(scope="module")
def deals(written):
    """Whole deals, each once."""
    rows = written.rows("deals.csv")
    whole = [r for r in rows if r["contact_id"] and r["closed_at"] != "?" and r["amount"] != "n/a"]
    return list({row["deal_id"]: row for row in whole}.values())


def usable_mail(row):
    """Say whether nothing is wrong with a row of the email service."""
    inside = isinstance(row["timestamp"], int) and 0 < row["timestamp"] < 4e9
    return inside and bool(row["email"])


def usable_call(call):
    """Say whether nothing is wrong with a call of the website."""
    if call["anonymousId"] is None and call["userId"] is None:
        return False
    try:
        at = datetime.fromisoformat(call["timestamp"])
    except ValueError:
        return False
    return at.tzinfo is not None and at.year < 2090


FILES = ["email_events.jsonl", "web_events.jsonl", "deals.csv", "prospects.csv"]


@pytest.mark.parametrize("name", FILES)
def test_the_counts_in_the_truth_are_those_of_the_file(written, name):
    """Lines = rows + duplicates + malformed, at the shares planted."""
    said = written.truth["files"][name]
    header = name.endswith(".csv")
    assert said["lines"] == len(written.lines(name)) - header
    assert said["lines"] == said["rows"] + said["duplicates"] + said["malformed"]
    for kind, share in (("duplicates", 0.01), ("malformed", 0.005)):
        expected = said["rows"] * share
        assert abs(said[kind] - expected) < 4 * np.sqrt(expected) + 1


def test_every_damaged_line_is_the_copy_of_a_whole_one(written, mails):
    """So that damage costs nothing but the work of refusing it."""
    said = written.truth["files"]["email_events.jsonl"]
    assert len(mails) == said["rows"]
    broken = 0
    for line in written.lines("email_events.jsonl"):
        try:
            row = json.loads(line)
            broken += not isinstance(row, dict) or not usable_mail(row)
        except ValueError:
            broken += 1
    assert broken == said["malformed"]


def test_a_duplicate_repeats_its_event_id(written):
    """As a webhook does that is sent again; only the time of receipt differs."""
    rows = [row for row in written.calls("email_events.jsonl") if usable_mail(row)]
    by_id = defaultdict(list)
    for row in rows:
        by_id[row["sg_event_id"]].append(row)
    twice = [pair for pair in by_id.values() if len(pair) > 1]
    assert len(twice) == written.truth["files"]["email_events.jsonl"]["duplicates"]
    for one, other in twice:
        assert one["received_at"] < other["received_at"]
        assert one | {"received_at": ""} == other | {"received_at": ""}


def test_two_in_a_hundred_rows_are_late_by_at_most_five_days(mails, calls):
    """All others are received within seconds."""
    waits = [
        datetime.fromisoformat(row["received_at"]) - datetime.fromtimestamp(row["timestamp"], UTC)
        for row in mails
    ] + [
        datetime.fromisoformat(call["receivedAt"]) - datetime.fromisoformat(call["timestamp"])
        for call in calls
    ]
    late = [wait for wait in waits if wait > timedelta(minutes=1)]
    assert len(late) / len(waits) == pytest.approx(0.02, abs=4 * np.sqrt(0.02 / len(waits)))
    assert max(waits) <= timedelta(days=5, seconds=1)
    assert min(waits) >= timedelta(0)


def test_timestamps_come_in_several_zones(calls):
    """Each as the visitor's browser wrote it."""
    zones = Counter(datetime.fromisoformat(call["timestamp"]).utcoffset() for call in calls)
    hours = {zone / timedelta(hours=1) for zone in zones}
    assert hours == {-5, -3, 0, 1, 5.5}
    assert any(call["timestamp"].endswith("Z") for call in calls)


def name_of(source, event, link, properties):
    """Apply the naming rules of params.yaml to a row, in plain Python."""
    parts = urlsplit(link or "")
    for rule in source.rules:
        target = parts.path if (rule.link or "").startswith("/") else parts.netloc + parts.path
        named = all(fnmatch(str(properties.get(k)), glob) for k, glob in rule.property.items())
        if (
            fnmatch(event, rule.event or "*")
            and (rule.link is None or fnmatch(target, rule.link))
            and named
        ):
            return rule.name
    return source.prefix + event


def test_params_places_every_event_that_the_world_sends(mails, calls, deals):
    """Naming rules and journey map leave nothing over, and no step of the journey unused."""
    settings = read_settings(PARAMS)
    journey = JourneyMap.from_settings(settings.journey)
    source = {s.name: s for s in settings.ingest.sources}
    sent = {(row["event"], row.get("url"), "{}") for row in mails}
    tracked = {
        (c["event"], c["context"].get("page", {}).get("url"), json.dumps(c["properties"]))
        for c in calls
        if c["type"] == "track"
    }
    names = {
        name_of(source[kind], event, link, json.loads(properties))
        for kind, told in (("email", sent), ("web", tracked))
        for event, link, properties in told
        if event not in source[kind].ignore
    }
    names |= {"deal_" + deal["stage"].lower().replace(" ", "_") for deal in deals}
    assert journey.unmapped(names) == []
    used = {journey.step_names[code] for code in journey.step_codes(sorted(names)) if code >= 0}
    assert set(journey.step_names) - used == set()


def test_the_steps_of_the_world_are_those_of_the_journey():
    """Stage and commitment in params.yaml are the ones that the formulas use."""
    journey = JourneyMap.from_settings(read_settings(PARAMS).journey)
    micro = {s.name: (s.stage, s.commitment) for s in journey.steps if s.kind == "micro"}
    assert micro == {s.name: (c.STAGES[s.stage], s.commitment) for s in c.STEPS}


def test_one_completion_is_told_by_one_channel(mails, calls):
    """After a click that is a step, the website reports no step of that name for the visit."""
    rules = {
        "comparison_guide": ("/guides/", "Guide Downloaded"),
        "case_study": ("/cases/", "Page Viewed"),
        "live_chat": ("/chat", "Chat Started"),
    }
    contact_of = {call["traits"]["email"]: call["userId"] for call in calls if "traits" in call}
    for part, event in rules.values():
        visits = defaultdict(list)
        for call in calls:
            url = call["context"].get("page", {}).get("url", "")
            tells = call["type"] == "track" and call["event"] == event
            if tells and (event != "Page Viewed" or part in url):
                at = datetime.fromisoformat(call["timestamp"]).timestamp()
                visits[call["userId"]].append(at)
        clicks = [
            (contact_of.get(row["email"]), row["timestamp"])
            for row in mails
            if row["event"] == "click" and urlsplit(row["url"]).path.startswith(part)
        ]
        told_twice = sum(
            any(0 <= at - time < 120 for at in visits[who]) for who, time in clicks if who
        )
        assert len(clicks) > 20
        assert told_twice <= 1  # two visits of one's own choice may meet by chance


def test_the_website_tells_of_every_completion_and_of_no_other(written, calls):
    """The last page of each step is sent as often as the step was done there."""
    simulated = simulate_world(written.settings)
    opportunities = simulated.opportunities
    own = opportunities.origin == VISIT
    on_page = np.array([not m.clicked for m in c.MESSAGES])[opportunities.message]
    shown = own | ((opportunities.origin == GOAL) & on_page)
    done = shown & (simulated.decisions.outcome == DONE)
    done &= simulated.happens(opportunities.prospect, opportunities.message, opportunities.time)
    told = Counter(
        (call["event"], json.dumps(call["properties"], separators=(",", ":")))
        for call in calls
        if call["type"] == "track"
    )
    for code, step in enumerate(c.STEPS):
        if step.pages:
            last = step.pages[-1]
            expected = (done & (opportunities.step == code)).sum()
            assert told[last.event, f"{{{last.properties}}}"] == expected > 0


def test_a_browser_that_cannot_send_the_form_tries_again_and_again(calls):
    """Three to seven more last pages within minutes, and no completion."""
    pages, sent = defaultdict(list), defaultdict(list)
    for call in calls:
        at = datetime.fromisoformat(call["timestamp"]).timestamp()
        if call.get("event") == "Assessment Completed":
            sent[call["anonymousId"]].append(at)
        if call.get("properties", {}).get("page") == 5:
            pages[call["anonymousId"]].append((at, "iPhone" in call["context"]["userAgent"]))
    bursts = 0
    for browser, seen in pages.items():
        seen.sort()
        for at, on_phone in seen:
            near = [other for other, _ in seen if 0 <= other - at < 200]
            if len(near) >= 4 and on_phone:
                bursts += 1
                assert not any(0 < done - at < 200 for done in sent[browser])
            assert len(near) < 4 or on_phone
    assert bursts > 20


def test_browsers_are_anonymous_until_somebody_says_whose_they_are(calls):
    """No call names a contact before the first identify call; some browsers stay unknown."""
    said = {}
    for call in calls:
        at = datetime.fromisoformat(call["timestamp"])
        if call["type"] == "identify":
            said[call["anonymousId"]] = min(at, said.get(call["anonymousId"], at))
    anonymous = Counter()
    for call in calls:
        if call["anonymousId"] is None:
            assert call["event"] == "Reply Received"
            continue
        known = said.get(call["anonymousId"])
        at = datetime.fromisoformat(call["timestamp"])
        assert (call["userId"] is not None) == (known is not None and at >= known)
        anonymous["later known" if known and at < known else "never" if not known else "known"] += 1
    assert min(anonymous["later known"], anonymous["never"], anonymous["known"]) > 100


def test_the_truth_about_robots_names_every_open_and_click(written, mails):
    """One row each, by event id; every click of a machine comes within 20 s of a collected."""
    bots = pq.read_table(written.truth_folder / "bots.parquet").to_pandas()
    told = {row["sg_event_id"] for row in mails if row["event"] in ("open", "click")}
    assert set(bots["event_id"]) == told
    delivered = {row["sg_message_id"]: row["timestamp"] for row in mails
                 if row["event"] == "delivered"}  # fmt: skip
    machine = dict(zip(bots["event_id"], bots["machine"], strict=True))
    for row in mails:
        if row["event"] == "click" and machine[row["sg_event_id"]]:
            assert 0 <= row["timestamp"] - delivered[row["sg_message_id"]] <= 21


def test_deals_hold_every_outcome_of_the_period(written, deals):
    """Each conversion is there, however late it was recorded; Berlin's clock, no zone written."""
    won = [deal for deal in deals if deal["stage"] == "Closed Won"]
    assert len(won) == written.truth["conversions"]
    assert len({deal["contact_id"] for deal in won}) == len(won)
    assert {deal["stage"] for deal in deals} == {"Closed Won", "Closed Lost", "Disqualified"}
    waits = [
        datetime.fromisoformat(deal["recorded_at"]) - datetime.fromisoformat(deal["closed_at"])
        for deal in deals
    ]
    assert timedelta(days=1) < max(waits) <= timedelta(days=5, hours=2)
    last = max(deal["closed_at"] for deal in deals)
    assert "2024-09-20" < last < "2024-09-27 02"  # UTC's midnight is two o'clock in Berlin


def test_amounts_rise_with_company_size(written, deals):
    """The mean logarithm rises by about .7 from one size to the next."""
    size = {row["contact_id"]: row["company_size"] for row in written.rows("prospects.csv")}
    logs = defaultdict(list)
    for deal in deals:
        if deal["amount"]:
            logs[size[deal["contact_id"]]].append(np.log(float(deal["amount"])))
    means = [np.mean(logs[name]) for name in c.COMPANY_SIZES if len(logs[name]) > 8]
    assert len(means) >= 3
    assert np.diff(means).min() > 0.2


def test_messages_name_the_rows_that_they_sent(written, mails):
    """Every row's message is in messages.csv, with the campaign and the variant of the row."""
    known = {row["message_id"]: row for row in written.rows("messages.csv")}
    for row in mails:
        message = known[row["message"]]
        assert message["campaign"] == row["campaign"]
        assert message["variant"] == row.get("variant", "")
        sent_at = datetime.fromisoformat(message["sent_at"] + "Z").timestamp()
        assert sent_at <= row["timestamp"]
    goals = [row["goal"] for row in known.values() if row["campaign"] == c.CAMPAIGNS[0]]
    assert list(dict.fromkeys(goals)) == [message.goal for message in c.MESSAGES]


def test_addresses_are_plainly_invented(mails, written):
    """Only domains that are reserved for examples, and networks that lead nowhere."""
    hosts = {row["email"].rsplit("@", 1)[1].split(".", 1)[1] for row in mails}
    assert hosts == {"example.com", "example.org", "example.net"}
    networks = {row["ip"].rsplit(".", 1)[0] for row in mails if "ip" in row}
    assert networks == {"203.0.113", "198.51.100", "192.0.2"}  # RFC 5737
