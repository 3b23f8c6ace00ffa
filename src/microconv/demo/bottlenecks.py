"""Cost of each planted bottleneck: expected completions with and without its fault."""

from __future__ import annotations

from typing import Any

import numpy as np

from microconv.demo import catalogue as c
from microconv.demo.goals import (
    COMMITMENT,
    DONE,
    FAILED,
    STAGE,
    Decisions,
    probability_done,
)  # fmt: skip
from microconv.demo.mail import logistic
from microconv.demo.opportunities import GOAL, Opportunities
from microconv.demo.people import Bools, Floats, Ints

GOALS = [message.goal for message in c.MESSAGES]


def planted_bottlenecks(
    opportunities: Opportunities, decisions: Decisions, happened: Bools
) -> list[dict[str, Any]]:
    """State every planted bottleneck and its cost.

    Parameters
    ----------
    happened : ndarray of bool, shape (n_chances,)
        Opportunities that were there: their message was sent.

    Returns
    -------
    list of dict
        Kind, place, mechanism, how many met it, and `lost`: completions expected
        without the fault, in the state that each prospect was in, minus with it.
    """
    jump = _of_goal(opportunities, happened, "cart_add")
    apart = _of_goal(opportunities, happened, "about_visit")
    unclear = _of_goal(opportunities, happened, "topic_subscription")
    wary = np.flatnonzero(happened & decisions.wary)
    tried = opportunities.step == c.CODE["solution_assessment"]
    tried &= happened & np.isin(decisions.outcome, (DONE, FAILED))
    failed = int((happened & (decisions.outcome == FAILED)).sum())
    extra = c.VALUE_PROPOSITION_APPEAL - c.STEPS[c.CODE["topic_subscription"]].appeal
    trusting = probability_done(opportunities, wary, decisions, trusting=True)
    trust = trusting - probability_done(opportunities, wary, decisions)
    return [
        _bottleneck(
            "commitment_jump", "cart_add", len(jump),
            _gain(opportunities, decisions, jump, jump=0.0),
            "Message 11 asks for commitment 5 right after message 10 asked for 3.",
        ),
        _bottleneck(
            "stage_mismatch", "about_visit", len(apart),
            _gain(opportunities, decisions, apart, stage=0.0),
            "Message 9 asks for an awareness step of people who consider or decide.",
        ),
        _bottleneck(
            "technical_friction", "solution_assessment", int(tried.sum()), float(failed),
            f"With {c.FRICTION_CLIENT}, {c.FRICTION_SHARE:.0%} of finished assessments cannot be "
            "sent: their last page is sent again 3 to 7 times within minutes.",
        ),
        _bottleneck(
            "value_proposition", "topic_subscription", len(unclear),
            _gain(opportunities, decisions, unclear, extra=extra),
            "Message 7 (\"Learn more\") is opened as the others are, and hardly ever clicked.",
        ),
        _bottleneck(
            "trust_barrier", "pricing_visit", len(wary), float(trust.sum()),
            f"For {c.TRUST_DAYS} days after a pricing visit decision steps happen "
            f"{c.TRUST_FACTOR} times as often as they would, until a reference was asked for.",
        ),
    ]  # fmt: skip


def _of_goal(opportunities: Opportunities, happened: Bools, goal: str) -> Ints:
    mine = (opportunities.origin == GOAL) & (opportunities.message == GOALS.index(goal))
    return np.flatnonzero(happened & mine)


def _gain(
    opportunities: Opportunities, met: Decisions, row: Ints, *, jump: float = c.GOAL_JUMP,
    stage: float = c.GOAL_STAGE, extra: float = 0.0,
) -> float:  # fmt: skip
    """Sum what the goal formula with other coefficients would add to completions."""
    step = opportunities.step[row]
    over = np.maximum(0, COMMITMENT[step] - met.level[row] - 1)
    apart = np.abs(STAGE[step] - met.stage[row])
    without: Floats = logistic(opportunities.appeal[row] + extra - jump * over - stage * apart)
    without = without * np.where(met.wary[row], c.TRUST_FACTOR, 1.0)
    return float((without - probability_done(opportunities, row, met)).sum())


def _bottleneck(kind: str, step: str, met: int, lost: float, note: str) -> dict[str, Any]:
    message = GOALS.index(step) + 1 if step in GOALS else None
    return {
        "kind": kind, "step": step, "message_position": message, "met_by": met,
        "lost": round(lost, 1), "note": note,
    }  # fmt: skip
