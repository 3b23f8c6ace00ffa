"""The audit of the email sequence: each fault, on messages made to have it."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from microconv.measurement.audit import audit, normalize
from microconv.settings import AuditSettings
from microconv.storage.schema import MESSAGES
from worlds.logs import event, instant
from worlds.studies import sends_of, study_of

DAY = 86_400


def day(number, seconds=0):
    """Return an instant so many days before the end of the study."""
    return instant(-number * DAY + seconds)


def message(number, goal, cta="Get the guide", **more):
    """Make a message of the sequence."""
    return {
        "message_id": f"m{number}", "campaign_id": "nurture", "position": number, "goal": goal,
        "cta": cta, **more,
    }  # fmt: skip


def audited(messages, *rows, **changes):
    """Audit a sequence."""
    table = pa.Table.from_pylist(messages, schema=MESSAGES)
    study = study_of(event("ada", "blog", day(99)), *rows, messages=table)
    sends = sends_of(study)
    return audit(study, sends, AuditSettings(**changes), confidence=0.95)


def kinds(found):
    """List kind and message of each finding about a message."""
    table = found.tables["findings"]
    table = table[table["kind"] != "step_without_message"]
    return list(zip(table["kind"], table["message"], strict=True))


@pytest.mark.parametrize(
    ("faulty", "kind"),
    [
        (message(2, None), "no_goal"),
        (message(2, "  "), "no_goal"),
        (message(2, "brochure"), "unknown_goal"),
        (message(2, "won"), "unknown_goal"),
        (message(2, "blog; guide"), "several_goals"),
        (message(2, "guide", cta="LEARN more…"), "generic_cta"),
        (message(2, "pricing"), "commitment_rise"),
    ],
    ids=["none", "blank", "unknown", "no micro-conversion", "two", "generic", "too much"],
)
def test_each_fault_is_found_and_nothing_else(faulty, kind):
    """One sound message before it, so that the rise is from 1 to 3."""
    found = audited([message(1, "blog"), faulty])
    assert kinds(found) == [(kind, "m2")]
    assert found.summary


def test_a_sound_sequence_has_no_finding():
    """Commitment rises level by level: 1, 2, 3, 4."""
    steps = enumerate(["blog", "guide", "pricing", "reference"], start=1)
    found = audited([message(k, goal) for k, goal in steps])
    assert found.tables == {}
    assert found.summary == ("The audit found no faults in the sequence.",)


def test_the_rise_is_from_the_highest_commitment_so_far():
    """After 3 and then 1 a goal of level 4 is no jump; in another campaign it is."""
    sound = [message(k, g) for k, g in enumerate(["blog", "guide", "pricing", "blog"], start=1)]
    other = [
        {**message(1, "blog"), "message_id": "x1", "campaign_id": "other"},
        {**message(2, "reference"), "message_id": "x2", "campaign_id": "other"},
    ]
    assert kinds(audited([*sound, message(5, "reference"), *other])) == [("commitment_rise", "x2")]


def test_the_list_of_generic_phrases_can_be_edited():
    """What is generic differs between languages and companies."""
    german = [message(1, "blog", cta="Mehr erfahren")]
    assert "findings" in audited(german).tables
    assert kinds(audited(german)) == []
    assert kinds(audited(german, generic_ctas=("mehr erfahren",))) == [("generic_cta", "m1")]
    assert normalize("→ Click, here!") == "click here"


def test_a_message_behind_its_recipients_is_found_and_one_ahead():
    """Three of four are past the stage of the blog; none is near a reference."""
    rows = []
    for k in range(4):
        who = f"p{k}"
        if k:
            rows.append(event(who, "guide", day(30)))
        rows.append(event(who, "sent", day(20), message_id="m1"))
    found = audited([message(1, "blog")], *rows)
    assert kinds(found) == [("stage_behind", "m1")]
    cold = [event(f"p{k}", "sent", day(20), message_id="m1") for k in range(4)]
    assert kinds(audited([message(1, "reference")], *cold)) == [("stage_ahead", "m1")]


def test_the_cost_of_a_finding_is_measured_against_messages_without_one():
    """Half respond to the sound message, a tenth to the generic one: 4 of 10 are lost."""
    rows = []
    for k in range(10):
        who = f"p{k}"
        rows += [event(who, "sent", day(60), message_id="m1")]
        rows += [event(who, "sent", day(40), message_id="m2")]
        if k < 5:
            rows.append(event(who, "blog", day(59)))
        if k < 1:
            rows.append(event(who, "guide", day(39)))
    found = audited([message(1, "blog"), message(2, "guide", cta="click here")], *rows)
    row = found.tables["findings"].iloc[0]
    assert (row["sends"], row["responses"], row["lost_responses"]) == (10, 1, pytest.approx(4))
    assert row["rate_low"] < 0.1 < row["rate_high"]
    assert "about 4 more responses" in found.summary[0]
    json.dumps(found.report())


def test_steps_without_a_message_are_listed():
    """What prospects do anyway could be the goal of a message."""
    found = audited([message(1, "guide")])
    table = found.tables["findings"]
    named = table.loc[table["kind"] == "step_without_message", "detail"].tolist()
    assert named == [
        "blog: done 1 times anyway", "pricing: done 0 times anyway",
        "reference: done 0 times anyway",
    ]  # fmt: skip


def test_without_messages_the_section_says_what_to_bring():
    """The way out is named."""
    study = study_of(event("ada", "blog", day(9)))
    sends = sends_of(study)
    found = audit(study, sends, AuditSettings(), confidence=0.95)
    assert "no table of messages" in found.missing[0]
