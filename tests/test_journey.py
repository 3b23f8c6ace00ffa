"""The journey map: event names to steps, and the contradictions it rejects."""

from __future__ import annotations

import pytest

from microconv.errors import JourneyError
from microconv.journey import IGNORED, UNMAPPED, JourneyMap
from microconv.settings import JourneySettings

STEPS = {
    "blog": {"kind": "micro", "stage": "awareness", "commitment": 1},
    "pricing": {
        "kind": "micro",
        "stage": "consideration",
        "commitment": 3,
        "events": ["page:pricing", "click:pricing"],
        "label": "visited pricing",
    },
    "won": {"kind": "major", "events": ["deal"]},
}


def journey(steps=STEPS, **more):
    """Build a map from settings."""
    return JourneyMap.from_settings(JourneySettings.model_validate({"steps": steps, **more}))


def test_event_names_map_to_the_steps_that_list_them():
    """A step without `events` has its own name as event name; two event names may mean one step."""
    codes = journey(ignore=["noise"]).step_codes(
        ["click:pricing", "deal", "blog", "pricing", "noise", "page:pricing"]
    )
    assert codes.tolist() == [1, 2, 0, UNMAPPED, IGNORED, 1]


def test_unmapped_names_are_listed_and_ignored_ones_are_not():
    """Names that were left out on purpose are not reported."""
    assert journey(ignore=["noise"]).unmapped(["zeta", "noise", "blog", "alpha"]) == [
        "alpha",
        "zeta",
    ]


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        ({"offer": {"kind": "micro"}}, {}, "The micro step `offer` has no stage"),
        (
            {"offer": {"kind": "micro", "stage": "awarness"}},
            {},
            "Did you mean `awareness`",
        ),
        ({"offer": {"kind": "exposure", "events": ["deal"]}}, {}, "both `won` and `offer`"),
        ({}, {"ignore": ["deal"]}, "both `journey.ignore` and `won`"),
        ({"won": {"kind": "micro", "stage": "decision"}}, {}, "nothing to predict"),
    ],
    ids=["no stage", "unknown stage", "two steps", "ignored and mapped", "no major"],
)
def test_a_contradictory_journey_is_rejected(change, more, message):
    """Each event name must have exactly one meaning."""
    with pytest.raises(JourneyError) as error:
        journey({**STEPS, **change}, **more)
    assert message in str(error.value)


def test_an_unknown_step_suggests_a_similar_one():
    """Pairs and sequences name steps by hand."""
    with pytest.raises(JourneyError, match="Did you mean `pricing`"):
        journey().code_of("prcing")


def test_the_digest_changes_only_with_what_features_depend_on():
    """Changing a label must not make a model unusable; moving a step must."""
    reworded = {**STEPS, "blog": {**STEPS["blog"], "label": "read an article"}}
    moved = {**STEPS, "blog": {**STEPS["blog"], "commitment": 2}}
    assert journey(reworded).digest() == journey().digest()
    assert journey(moved).digest() != journey().digest()
    assert journey(ignore=["noise"]).digest() != journey().digest()
