"""truth.json against the exports and the world behind them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare, norm

from microconv.demo import catalogue as c
from microconv.demo.bottlenecks import planted_bottlenecks
from microconv.demo.goals import DONE, FAILED, LEFT
from microconv.demo.opportunities import GOAL
from microconv.demo.truth import _experiments as experiments


@pytest.fixture(scope="module")
def happened(simulated):
    """Opportunities whose message was sent."""
    opportunities = simulated.opportunities
    return simulated.happens(opportunities.prospect, opportunities.message, opportunities.time)


def test_every_kind_of_bottleneck_is_planted_once_and_costs(simulated, happened):
    """Each loses a good part of what it touches."""
    planted = planted_bottlenecks(simulated.opportunities, simulated.decisions, happened)
    assert [bottleneck["kind"] for bottleneck in planted] == [
        "commitment_jump", "stage_mismatch", "technical_friction", "value_proposition",
        "trust_barrier",
    ]  # fmt: skip
    for bottleneck in planted:
        assert bottleneck["lost"] > 0.05 * bottleneck["met_by"] > 10


def test_one_client_family_cannot_send_the_assessment(simulated):
    """Seven in ten fail there, none elsewhere."""
    tried = simulated.opportunities.step == c.CODE["solution_assessment"]
    tried &= np.isin(simulated.decisions.outcome, (DONE, FAILED))
    safari = simulated.people.client[simulated.opportunities.prospect] == 1
    failed = simulated.decisions.outcome == FAILED
    assert failed[tried & safari].mean() == pytest.approx(0.7, abs=0.1)
    assert not failed[~safari].any()


def test_the_weak_message_is_opened_and_not_clicked(simulated):
    """Its readers are as many as the next message's, its clicks are few."""
    goals = simulated.opportunities.origin == GOAL
    read = np.bincount(simulated.opportunities.message[goals], minlength=12)
    done = goals & (simulated.decisions.outcome == DONE)
    rate = np.bincount(simulated.opportunities.message[done], minlength=12) / read
    assert abs(read[6] / read[7] - 1) < 0.1
    assert rate.argmin() == 6
    assert rate[6] < 0.06


def test_decision_steps_stall_after_pricing(simulated):
    """A chance of one's own to take a decision step is taken .35 times as often then."""
    own = (simulated.opportunities.message < 0) & simulated.decisions.wary
    taken = (simulated.decisions.outcome == DONE)[own]
    assert taken.mean() == pytest.approx(0.35, abs=4 * np.sqrt(0.35 * 0.65 / own.sum()))
    free = (
        (simulated.opportunities.message < 0)
        & ~simulated.decisions.wary
        & ~simulated.opportunities.fails
    )
    assert (simulated.decisions.outcome == DONE)[free].all()


@pytest.fixture(scope="module")
def tests(simulated, happened):
    """The experiments by their kind."""
    return {test["kind"]: test for test in experiments(simulated, happened)}


def z_of(test):
    """Compare the arms' shares the textbook way."""
    n, k = (np.array([arm[x] for arm in test["arms"].values()]) for x in
            ("received", "goal_by_message"))  # fmt: skip
    pooled = k.sum() / n.sum()
    return np.diff(k / n)[0] / np.sqrt(pooled * (1 - pooled) * (1 / n).sum())


def test_the_a_b_test_has_a_winner_and_the_a_a_test_has_none(tests):
    """+25 % on a step of about one in ten: near 3 standard errors in 6,000 prospects."""
    assert norm.sf(z_of(tests["A/B"])) < 0.05
    assert abs(z_of(tests["A/A"])) < 3
    assert tests["A/B"]["true_relative_effect"] == pytest.approx(0.25)
    assert tests["A/A"]["true_relative_effect"] == 0


def test_one_split_is_broken_and_the_others_are_not(tests):
    """A chi-square test against halves sees it at once."""
    p = {
        kind: chisquare([arm["received"] for arm in test["arms"].values()]).pvalue
        for kind, test in tests.items()
    }
    assert p["broken split"] < 1e-6
    assert min(p["A/A"], p["A/B"]) > 1e-3


@pytest.mark.parametrize(("name", "point"), [("demo_video", 3), ("solution_assessment", 3)])
def test_the_drop_off_lies_where_the_truth_says(simulated, name, point):
    """Nobody loses more than between the known point and the one before."""
    goals = (simulated.opportunities.origin == GOAL) & (
        simulated.opportunities.step == c.CODE[name]
    )
    left = simulated.opportunities.reached[goals & (simulated.decisions.outcome == LEFT)]
    lost = np.bincount(left, minlength=7)
    assert lost.argmax() == point - 1


def test_the_truth_of_the_sequence_is_in_the_file(written):
    """Steps, effect, and for each comparison the ratio with what confounding alone shows."""
    sequence = written.truth["sequence"]
    assert list(sequence["steps"]) == ["comparison_guide", "demo_video", "pricing_visit"]
    assert sequence["effect"] == 2.5
    for comparison in sequence["rate_ratios"].values():
        assert 2.3 < comparison["ratio"] <= 2.5
        assert 0.5 < comparison["crude_off"] < 4
