"""The journey map: event names to steps, and the contradictions it refuses."""

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


def test_event_names_are_placed_by_the_steps_that_list_them():
    """A step without `events` goes by its own name; two event names may mean one step."""
    codes = journey(ignore=["noise"]).step_codes(
        ["click:pricing", "deal", "blog", "pricing", "noise", "page:pricing"]
    )
    assert codes.tolist() == [1, 2, 0, UNMAPPED, IGNORED, 1]


def test_unplaced_names_are_listed_sorted_and_ignored_ones_are_not():
    """What nobody mapped is shown; what somebody chose to leave out is not nagged about."""
    assert journey(ignore=["noise"]).unmapped(["zeta", "noise", "blog", "alpha"]) == [
        "alpha",
        "zeta",
    ]


@pytest.mark.parametrize(
    ("change", "more", "says"),
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
    ids=["no stage", "unknown stage", "two steps", "ignored and placed", "no major"],
)
def test_a_contradiction_is_refused_in_the_journeys_words(change, more, says):
    """A map that can be read two ways would be read the wrong way somewhere."""
    with pytest.raises(JourneyError) as refusal:
        journey({**STEPS, **change}, **more)
    assert says in str(refusal.value)


def test_a_step_that_does_not_exist_suggests_the_near_one():
    """Pairs and sequences name steps by hand."""
    with pytest.raises(JourneyError, match="Did you mean `pricing`"):
        journey().code_of("prcing")


def test_the_digest_follows_what_features_depend_on_and_nothing_else():
    """Rewording a reason must not make a model unusable; moving a step must."""
    reworded = {**STEPS, "blog": {**STEPS["blog"], "label": "read an article"}}
    moved = {**STEPS, "blog": {**STEPS["blog"], "commitment": 2}}
    assert journey(reworded).digest() == journey().digest()
    assert journey(moved).digest() != journey().digest()
    assert journey(ignore=["noise"]).digest() != journey().digest()
