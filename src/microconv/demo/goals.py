"""Which opportunities become completed steps: the goal formula, as level and stage rise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from microconv.demo import catalogue as c
from microconv.demo.mail import NEVER, logistic
from microconv.demo.opportunities import FOOTER, GOAL, Opportunities
from microconv.demo.people import DAY, Bools, Floats, Ints

Small = npt.NDArray[np.int8]

NOTHING, CLICKED, LEFT, FAILED, DONE = range(5)
"""Outcomes: nothing, only a click, left before the end, could not be sent, done."""

COMMITMENT = np.array([step.commitment for step in c.STEPS])
STAGE = np.array([step.stage for step in c.STEPS])
UNFINISHED = np.array([1 / step.reach[-1] - 1 for step in c.STEPS])
"""For every one who finishes a step, so many start it and leave."""

CLICK_ONLY = np.array([0.0 if m.clicked else c.CLICK_ONLY_PROBABILITY for m in c.MESSAGES])


@dataclass(frozen=True)
class Decisions:
    """What became of each chance, and the state it met.

    Attributes
    ----------
    outcome : ndarray of int8
        :data:`NOTHING`, :data:`CLICKED`, :data:`LEFT`, :data:`FAILED` or :data:`DONE`.
    level, stage : ndarray of int8
        Highest commitment, and stage, of any step done before.
    wary : ndarray of bool
        A decision step in the weeks after pricing, without a reference.
    """

    outcome: Small
    level: Small
    stage: Small
    wary: Bools


def goal_probability(
    appeal: Floats, step: Ints, level: Ints | Small, stage: Ints | Small
) -> Floats:
    """Return the probability that a reader completes a message's goal.

    logit⁻¹(a_step + 0.8 u + 0.5 w − 0.9 max(0, c_goal − level − 1) − 0.7 |stage_goal − stage|),
    where `appeal` is a_step + 0.8 u + 0.5 w.

    Parameters
    ----------
    appeal : ndarray of float64
    step : ndarray of int64
    level, stage : Ints | Small
    """
    jump = np.maximum(0, COMMITMENT[step] - level - 1)
    apart = np.abs(STAGE[step] - stage)
    return logistic(appeal - c.GOAL_JUMP * jump - c.GOAL_STAGE * apart)


def decide(opportunities: Opportunities, prospects: int) -> Decisions:
    """Draw the outcome of every opportunity of each prospect, in time order.

    All prospects advance together: the k-th pass decides the k-th chance of
    each who has that many.

    Parameters
    ----------
    opportunities : Opportunities
    prospects : int
    """
    count = np.bincount(opportunities.prospect, minlength=prospects)
    first = np.cumsum(count) - count
    by_count = np.argsort(-count, kind="stable")
    having = np.searchsorted(-count[by_count], -np.arange(count.max(initial=0)), side="left")
    state = _State.fresh(prospects)
    n = len(opportunities)
    made = Decisions(
        np.zeros(n, np.int8), np.zeros(n, np.int8), np.zeros(n, np.int8), np.zeros(n, bool)
    )
    for k, busy in enumerate(having):
        who = by_count[:busy]
        row = first[who] + k
        step, time = opportunities.step[row], opportunities.time[row]
        made.level[row], made.stage[row] = state.level[who], state.stage[who]
        made.wary[row] = state.is_wary(who, step, time)
        outcome = _decide_one(opportunities, row, made)
        made.outcome[row] = outcome
        done = outcome == DONE
        state.advance(who[done], step[done], time[done])
    return made


@dataclass(frozen=True)
class _State:
    level: Ints
    stage: Ints
    priced: Ints
    assured: Bools

    @classmethod
    def fresh(cls, n: int) -> _State:
        return cls(np.zeros(n, int), np.zeros(n, int), np.full(n, -NEVER), np.zeros(n, bool))

    def is_wary(self, who: Ints, step: Ints, time: Ints) -> Bools:
        recent = time - self.priced[who] < c.TRUST_DAYS * DAY
        return np.asarray((STAGE[step] == c.DECISION) & recent & ~self.assured[who])

    def advance(self, who: Ints, step: Ints, time: Ints) -> None:
        self.level[who] = np.maximum(self.level[who], COMMITMENT[step])
        self.stage[who] = np.maximum(self.stage[who], STAGE[step])
        priced = step == c.CODE["pricing_visit"]
        self.priced[who[priced]] = time[priced]
        self.assured[who[step == c.CODE["reference_request"]]] = True


def _decide_one(opportunities: Opportunities, row: Ints, met: Decisions) -> Small:
    """Decide one chance of each of several prospects."""
    step, draw = opportunities.step[row], opportunities.draw[row]
    goal = opportunities.origin[row] == GOAL
    chance = probability_done(opportunities, row, met)
    outcome = np.where(draw < chance, DONE, NOTHING)
    starts = chance * (1 + UNFINISHED[step])
    clicks = starts + CLICK_ONLY[opportunities.message[row]]
    outcome[goal & (draw >= chance) & (draw < starts)] = LEFT
    outcome[goal & (draw >= starts) & (draw < clicks)] = CLICKED
    outcome[(outcome == DONE) & opportunities.fails[row]] = FAILED
    return outcome.astype(np.int8)


def probability_done(
    opportunities: Opportunities, row: Ints, met: Decisions, *, trusting: bool = False
) -> Floats:
    """Return the probability of each opportunity given the prospect's state, without friction.

    With `trusting`, as if nobody were wary of deciding after pricing.

    Parameters
    ----------
    opportunities : Opportunities
    row : ndarray of int64
    met : Decisions
    trusting : bool
    """
    goal = goal_probability(
        opportunities.appeal[row], opportunities.step[row], met.level[row], met.stage[row]
    )
    chance = np.where(opportunities.origin[row] == GOAL, goal * opportunities.lift[row], 1.0)
    if not trusting:
        chance *= np.where(met.wary[row], c.TRUST_FACTOR, 1.0)
    return np.asarray(np.minimum(chance, 1.0))


def is_click(opportunities: Opportunities, outcome: Small) -> Bools:
    """Return which opportunities are a person's click in an email.

    Parameters
    ----------
    opportunities : Opportunities
    outcome : ndarray of int8
    """
    footer = (opportunities.origin == FOOTER) & (outcome == DONE)
    return np.asarray(footer | ((opportunities.origin == GOAL) & (outcome != NOTHING)))
