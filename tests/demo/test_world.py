"""Switching the effect off, and worlds of one seed."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from microconv.demo.mail import NEVER
from microconv.demo.world import tell_story
from worlds.demo import world


def same(one, other):
    """Compare two frozen tables of arrays."""
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        for field in fields(one)
    )


@pytest.fixture(scope="module")
def without(story):
    """Tell the same world with the effect switched off."""
    return tell_story(world(prospects=6000), effect=1.0)


def test_the_effect_changes_nothing_but_conversions(story, without):
    """People, messages, visits and what everybody does are the same numbers."""
    for part in ("people", "fates", "mail", "visits", "chances", "decisions", "spans"):
        assert same(getattr(story, part), getattr(without, part))


def test_the_effect_hastens_conversions_of_those_who_completed_the_sequence(story, without):
    """Nobody converts later because of it, and nobody else at another time."""
    assert (story.converted <= without.converted).all()
    completed = np.zeros(len(story.people), bool)
    completed[story.spans.prospect[story.spans.in_order]] = True
    assert (story.converted == without.converted)[~completed].all()
    hastened = story.converted < without.converted
    assert 10 < hastened.sum() < (story.converted < NEVER).sum()


def test_worlds_of_one_seed_are_the_same_people_doing_the_same_things(story):
    """So that what differs between them is what was planted."""
    other = tell_story(world("confounded", prospects=6000))
    for part in ("people", "mail", "visits", "chances", "decisions"):
        assert same(getattr(story, part), getattr(other, part))


def test_another_seed_is_another_world(story):
    """The seed reaches everything."""
    other = tell_story(world(prospects=6000, seed=4))
    assert not np.array_equal(story.people.arrival, other.people.arrival)
    assert not np.array_equal(story.converted, other.converted)


def test_nothing_follows_from_messages_that_a_customer_would_not_get(story):
    """After a conversion no message goes out; visits go on."""
    customer = np.flatnonzero(story.converted < NEVER)[:1]
    after = story.converted[customer] + 1
    prospect, none = customer, np.array([-1])
    assert story.happens(prospect, none, after).all()
    late = story.mail.sent[customer[0]] >= story.converted[customer[0]]
    for number in range(12):
        kept = story.happens(prospect, np.array([number]), story.mail.sent[customer, number])
        in_time = story.mail.sent[customer, number] < story.period
        assert kept[0] == (in_time[0] and not late[number])
