"""The goal formula by hand, and the walk against a slow one."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from microconv.demo import catalogue as c
from microconv.demo.goals import CLICKED, DONE, FAILED, LEFT, NOTHING, goal_probability
from microconv.demo.opportunities import GOAL
from microconv.demo.people import DAY


@pytest.mark.parametrize(
    ("goal", "appeal", "level", "stage", "logit"),
    [
        pytest.param("resource_click", -0.5, 0, 0, -0.5, id="nothing in the way"),
        pytest.param("cart_add", -0.7, 3, 1, -0.7 - 0.9 * 1 - 0.7 * 1, id="5 after 3, next stage"),
        pytest.param("cart_add", 0.3, 0, 0, 0.3 - 0.9 * 4 - 0.7 * 2, id="5 after nothing"),
        pytest.param("about_visit", -0.7, 5, 2, -0.7 - 0.7 * 2, id="two stages back, no jump"),
        pytest.param("pricing_visit", -0.6, 2, 1, -0.6, id="one level up is no jump"),
    ],
)
def test_the_goal_formula(goal, appeal, level, stage, logit):
    """Logit = a + .8 u + .5 w − .9 max(0, c − level − 1) − .7 |stage − stage|."""
    step = np.array([c.CODE[goal]])
    found = goal_probability(np.array([appeal]), step, np.array([level]), np.array([stage]))
    assert found[0] == pytest.approx(1 / (1 + exp(-logit)))


def walk(opportunities, row, state):
    """Decide one chance as the design says it, in plain Python."""
    step = c.STEPS[opportunities.step[row]]
    wary = (
        step.stage == c.DECISION
        and state["priced"] is not None
        and opportunities.time[row] - state["priced"] < 30 * DAY
        and not state["assured"]
    )
    chance, starts, clicks = 1.0, 1.0, 1.0
    if opportunities.origin[row] == GOAL:
        jump = max(0, step.commitment - state["level"] - 1)
        logit = opportunities.appeal[row] - 0.9 * jump - 0.7 * abs(step.stage - state["stage"])
        chance = min(1.0, opportunities.lift[row] / (1 + exp(-logit)))
    chance *= 0.35 if wary else 1.0
    if opportunities.origin[row] == GOAL:
        starts = chance / step.reach[-1]
        clicks = starts + (0 if c.MESSAGES[opportunities.message[row]].clicked else 0.04)
    draw = opportunities.draw[row]
    if draw < chance:
        return FAILED if opportunities.fails[row] else DONE
    if opportunities.origin[row] != GOAL:
        return NOTHING
    return LEFT if draw < starts else CLICKED if draw < clicks else NOTHING


def test_the_walk_agrees_with_a_slow_one(simulated):
    """One prospect after another, one chance after another, level and stage carried along."""
    opportunities = simulated.opportunities
    known = -1
    for row in range(20_000):
        if opportunities.prospect[row] != known:
            known = opportunities.prospect[row]
            state = {"level": 0, "stage": 0, "priced": None, "assured": False}
        outcome = walk(opportunities, row, state)
        assert simulated.decisions.outcome[row] == outcome
        assert simulated.decisions.level[row] == state["level"]
        assert simulated.decisions.stage[row] == state["stage"]
        if outcome == DONE:
            step = c.STEPS[opportunities.step[row]]
            state["level"] = max(state["level"], step.commitment)
            state["stage"] = max(state["stage"], step.stage)
            state["assured"] |= step.name == "reference_request"
            if step.name == "pricing_visit":
                state["priced"] = opportunities.time[row]
    assert set(simulated.decisions.outcome[:20_000]) == {NOTHING, CLICKED, LEFT, FAILED, DONE}


def test_only_readers_do_what_a_message_asks(simulated):
    """The click on a goal's link comes within a minute after the opening, the goal after that."""
    goals = simulated.opportunities.origin == GOAL
    who, message = simulated.opportunities.prospect[goals], simulated.opportunities.message[goals]
    since_open = simulated.opportunities.clicked[goals] - simulated.mail.opened[who, message]
    assert since_open.min() > 0
    assert since_open.max() <= 60_000_000
    assert (simulated.opportunities.time[goals] >= simulated.opportunities.clicked[goals]).all()
    on_page = np.array([not message.clicked for message in c.MESSAGES])[message]
    assert (simulated.opportunities.time[goals] > simulated.opportunities.clicked[goals])[
        on_page
    ].all()


def test_the_better_call_to_action_is_a_quarter_better(simulated):
    """Twenty worlds' worth of draws on the same readers, so that only the arm differs."""
    number = [m.goal for m in c.MESSAGES].index("preference_survey")
    mine = (simulated.opportunities.origin == GOAL) & (simulated.opportunities.message == number)
    second = simulated.people.variant[simulated.opportunities.prospect[mine], number]
    assert set(simulated.opportunities.lift[mine][second]) == {1.25}
    assert set(simulated.opportunities.lift[mine][~second]) == {1.0}
    assert second.mean() == pytest.approx(0.5, abs=0.04)
