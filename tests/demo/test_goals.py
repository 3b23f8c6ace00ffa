"""The goal formula by hand, and the walk against a slow one."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from microconv.demo import catalogue as c
from microconv.demo.goals import CLICKED, DONE, FAILED, LEFT, NOTHING, goal_probability
from microconv.demo.offers import GOAL
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


def walk(chances, row, state):
    """Decide one chance as the design says it, in plain Python."""
    step = c.STEPS[chances.step[row]]
    wary = (
        step.stage == c.DECISION
        and state["priced"] is not None
        and chances.time[row] - state["priced"] < 30 * DAY
        and not state["assured"]
    )
    chance, starts, clicks = 1.0, 1.0, 1.0
    if chances.origin[row] == GOAL:
        jump = max(0, step.commitment - state["level"] - 1)
        logit = chances.appeal[row] - 0.9 * jump - 0.7 * abs(step.stage - state["stage"])
        chance = min(1.0, chances.lift[row] / (1 + exp(-logit)))
    chance *= 0.35 if wary else 1.0
    if chances.origin[row] == GOAL:
        starts = chance / step.reach[-1]
        clicks = starts + (0 if c.MESSAGES[chances.message[row]].clicked else 0.04)
    draw = chances.draw[row]
    if draw < chance:
        return FAILED if chances.fails[row] else DONE
    if chances.origin[row] != GOAL:
        return NOTHING
    return LEFT if draw < starts else CLICKED if draw < clicks else NOTHING


def test_the_walk_agrees_with_a_slow_one(story):
    """One prospect after another, one chance after another, level and stage carried along."""
    chances = story.chances
    known = -1
    for row in range(20_000):
        if chances.prospect[row] != known:
            known = chances.prospect[row]
            state = {"level": 0, "stage": 0, "priced": None, "assured": False}
        outcome = walk(chances, row, state)
        assert story.decisions.outcome[row] == outcome
        assert story.decisions.level[row] == state["level"]
        assert story.decisions.stage[row] == state["stage"]
        if outcome == DONE:
            step = c.STEPS[chances.step[row]]
            state["level"] = max(state["level"], step.commitment)
            state["stage"] = max(state["stage"], step.stage)
            state["assured"] |= step.name == "reference_request"
            if step.name == "pricing_visit":
                state["priced"] = chances.time[row]
    assert set(story.decisions.outcome[:20_000]) == {NOTHING, CLICKED, LEFT, FAILED, DONE}


def test_only_readers_do_what_a_message_asks(story):
    """The click on a goal's link comes within a minute after the opening, the goal after that."""
    goals = story.chances.origin == GOAL
    who, message = story.chances.prospect[goals], story.chances.message[goals]
    since_open = story.chances.clicked[goals] - story.mail.opened[who, message]
    assert since_open.min() > 0
    assert since_open.max() <= 60_000_000
    assert (story.chances.time[goals] >= story.chances.clicked[goals]).all()
    on_page = np.array([not message.clicked for message in c.MESSAGES])[message]
    assert (story.chances.time[goals] > story.chances.clicked[goals])[on_page].all()


def test_the_better_call_to_action_is_a_quarter_better(story):
    """Twenty worlds' worth of draws on the same readers, so that only the arm differs."""
    number = [m.goal for m in c.MESSAGES].index("preference_survey")
    mine = (story.chances.origin == GOAL) & (story.chances.message == number)
    second = story.people.variant[story.chances.prospect[mine], number]
    assert set(story.chances.lift[mine][second]) == {1.25}
    assert set(story.chances.lift[mine][~second]) == {1.0}
    assert second.mean() == pytest.approx(0.5, abs=0.04)
