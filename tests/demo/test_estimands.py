"""The rate ratios that truth.json states."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from microconv.demo import catalogue as c
from microconv.demo.estimands import rate_ratios
from microconv.demo.hazard import Spans, convert, hazard_of
from microconv.demo.mail import NEVER
from microconv.demo.people import DAY
from microconv.demo.world import simulate_world
from worlds.demo import world

COMPARISONS = ("against_not_yet_completed", "against_another_order")


@pytest.mark.parametrize("name", ["confounded", "null"])
def test_a_sequence_without_effect_has_a_ratio_of_exactly_one(name):
    """Whatever confounding shows beside it."""
    settings = world(name)
    simulated = simulate_world(settings)
    ratios = rate_ratios(simulated.people, simulated.spans, c.WORLDS[name])
    assert [ratios[comparison]["ratio"] for comparison in COMPARISONS] == [1.0, 1.0]
    if name == "confounded":
        assert ratios["against_not_yet_completed"]["crude_on"] > 2


def test_the_planted_ratio_lies_a_little_below_the_effect(simulated):
    """The likelier ones convert earlier, so the rest are less likely; not by much in 30 days."""
    ratios = rate_ratios(simulated.people, simulated.spans, c.WORLDS["planted"])
    for comparison in COMPARISONS:
        found = ratios[comparison]
        assert 2.3 < found["ratio"] < 2.5
        crude = found["crude_on"] / found["crude_off"]
        assert crude == pytest.approx(found["ratio"], rel=0.02)


class TwoPeople:
    """Two prospects who differ in engagement, as far as the hazard needs them."""

    fit = np.zeros(2)
    engagement = np.array([0.0, 1.0])


def test_two_prospects_by_hand():
    """Ten days before, thirty after the sequence: survival, conversions and days on paper."""
    flags = [np.array(flag) for flag in ([0, 1, 0, 1], [1, 0, 1, 0])]
    after, before = (flag.astype(bool) for flag in flags)
    spans = Spans(
        prospect=np.array([0, 0, 1, 1]),
        start=np.array([0, 10, 0, 10]) * DAY,
        end=np.array([10, 40, 10, 40]) * DAY,
        level=np.zeros(4, int),
        in_order=after,
        not_yet=before,
        this_order=after,
        another_order=before,
    )
    low, high = c.BASE_HAZARD, c.BASE_HAZARD * exp(0.6)
    rate = {}
    for effect in (2.5, 1.0):
        conversions, days = 0.0, 0.0
        for h in (low, high):
            risky = exp(-10 * h) * (1 - exp(-30 * effect * h))
            conversions += risky
            days += risky / (effect * h)
        rate[effect] = conversions / days
    found = rate_ratios(TwoPeople(), spans, c.WORLDS["planted"])
    assert found["against_another_order"]["ratio"] == pytest.approx(rate[2.5] / rate[1.0])
    conversions = sum(1 - exp(-10 * h) for h in (low, high))
    comparator = found["against_not_yet_completed"]["comparator"]
    assert comparator["conversions"] == pytest.approx(conversions)


def test_counting_conversions_over_many_thresholds_gives_the_same_ratio(simulated):
    """Expectations over the threshold are means over drawn thresholds, within 4 %."""
    rng = np.random.default_rng(5)
    spans, world_of = simulated.spans, c.WORLDS["planted"]
    counted = {}
    for effect in (2.5, 1.0):
        hazard = hazard_of(simulated.people, spans, world_of, effect=effect)
        converted, days = 0.0, 0.0
        for _ in range(150):
            instant = convert(spans, hazard, rng.exponential(1.0, len(simulated.people)))
            end = np.minimum(spans.end, instant[spans.prospect])
            days += (np.maximum(end - spans.start, 0) / DAY)[spans.in_order].sum()
            hit = (instant[spans.prospect] < NEVER) & (spans.start <= instant[spans.prospect])
            converted += (hit & (instant[spans.prospect] < spans.end))[spans.in_order].sum()
        counted[effect] = converted / days
    found = rate_ratios(simulated.people, spans, world_of)["against_not_yet_completed"]
    assert counted[2.5] / counted[1.0] == pytest.approx(found["ratio"], rel=0.05)
