"""Switching the effect off, and worlds of one seed."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from microconv.demo.mail import NEVER
from microconv.demo.world import simulate_world
from worlds.demo import world


def same(one, other):
    """Compare two frozen tables of arrays."""
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        for field in fields(one)
    )


@pytest.fixture(scope="module")
def without(simulated):
    """Tell the same world with the effect switched off."""
    return simulate_world(world(prospects=6000), effect=1.0)


def test_the_effect_changes_nothing_but_conversions(simulated, without):
    """People, messages, visits and what everybody does are the same numbers."""
    for part in ("people", "outcomes", "mail", "visits", "opportunities", "decisions", "spans"):
        assert same(getattr(simulated, part), getattr(without, part))


def test_the_effect_hastens_conversions_of_those_who_completed_the_sequence(simulated, without):
    """Nobody converts later because of it, and nobody else at another time."""
    assert (simulated.converted <= without.converted).all()
    completed = np.zeros(len(simulated.people), bool)
    completed[simulated.spans.prospect[simulated.spans.in_order]] = True
    assert (simulated.converted == without.converted)[~completed].all()
    hastened = simulated.converted < without.converted
    assert 10 < hastened.sum() < (simulated.converted < NEVER).sum()


def test_worlds_of_one_seed_are_the_same_people_doing_the_same_things(simulated):
    """So that what differs between them is what was planted."""
    other = simulate_world(world("confounded", prospects=6000))
    for part in ("people", "mail", "visits", "opportunities", "decisions"):
        assert same(getattr(simulated, part), getattr(other, part))


def test_another_seed_is_another_world(simulated):
    """The seed reaches everything."""
    other = simulate_world(world(prospects=6000, seed=4))
    assert not np.array_equal(simulated.people.arrival, other.people.arrival)
    assert not np.array_equal(simulated.converted, other.converted)


def test_nothing_follows_from_messages_that_a_customer_would_not_get(simulated):
    """After a conversion no message goes out; visits go on."""
    customer = np.flatnonzero(simulated.converted < NEVER)[:1]
    after = simulated.converted[customer] + 1
    prospect, none = customer, np.array([-1])
    assert simulated.happens(prospect, none, after).all()
    late = simulated.mail.sent[customer[0]] >= simulated.converted[customer[0]]
    for number in range(12):
        kept = simulated.happens(
            prospect, np.array([number]), simulated.mail.sent[customer, number]
        )
        in_time = simulated.mail.sent[customer, number] < simulated.period
        assert kept[0] == (in_time[0] and not late[number])
