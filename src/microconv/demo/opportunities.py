"""Opportunities to do a step, in time order: goals of opened messages, links, visits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from microconv.demo import catalogue as c
from microconv.demo.mail import NEVER, Mail
from microconv.demo.people import CLIENTS, SECOND, WEEK, Bools, Floats, Ints, People
from microconv.demo.visits import Visits

GOAL, FOOTER, VISIT = range(3)
"""Origins: the goal link of a message, the link in its footer, a visit."""


@dataclass(frozen=True)
class Opportunities:
    """One entry per opportunity to do a step, sorted by prospect and time.

    Attributes
    ----------
    prospect, time : ndarray of int64
        `time` is when the step is done, if it is.
    step : ndarray of int64
    origin : ndarray of int64
        :data:`GOAL`, :data:`FOOTER` or :data:`VISIT`.
    message : ndarray of int64
        Position of the message, from 0; -1 for visits.
    clicked : ndarray of int64
        When the link in the message is clicked; equals `time` for visits.
    appeal : ndarray of float64
        a_step + 0.8 u + 0.5 w where `origin` is :data:`GOAL`; else unused.
    lift : ndarray of float64
        Factor on the probability of a goal, by the variant received.
    reached : ndarray of int64
        Points of the step's `reach` that a visit gets to, or that a reader who
        starts and does not finish gets to.
    draw : ndarray of float64
        Uniform number that decides it.
    fails : ndarray of bool
        The visitor's browser cannot send the form, should it come to that.
    """

    prospect: Ints
    time: Ints
    step: Ints
    origin: Ints
    message: Ints
    clicked: Ints
    appeal: Floats
    lift: Floats
    reached: Ints
    draw: Floats
    fails: Bools

    def __len__(self) -> int:
        """Return the number of opportunities."""
        return len(self.time)


def list_opportunities(
    people: People, mail: Mail, visits: Visits, period: int, rng: Generator
) -> Opportunities:
    """Return every opportunity before the end of the period.

    Parameters
    ----------
    people : People
    mail : Mail
    visits : Visits
    period : int
    rng : Generator
    """
    parts = [_goals(people, mail, rng), _footers(mail, rng), _visits(visits)]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    within = columns[1] < period
    order = np.lexsort((columns[1][within], columns[0][within]))
    prospect, time, step, origin, message, clicked, lift, reached = (
        column[within][order] for column in columns
    )
    week = np.minimum((time - people.arrival[prospect]) // WEEK, people.week.shape[1] - 1)
    mood = c.GOAL_ENGAGEMENT * people.engagement[prospect]
    mood += c.GOAL_WEEK * people.week[prospect, week]
    awkward = people.client[prospect] == CLIENTS.index(c.FRICTION_CLIENT)
    assessed = step == c.CODE["solution_assessment"]
    return Opportunities(
        prospect=prospect,
        time=time,
        step=step,
        origin=origin,
        message=message,
        clicked=clicked,
        appeal=np.array([s.appeal for s in c.STEPS])[step] + mood,
        lift=lift,
        reached=reached,
        draw=rng.random(len(time)),
        fails=awkward & assessed & (rng.random(len(time)) < c.FRICTION_SHARE),
    )


def _goals(people: People, mail: Mail, rng: Generator) -> list[Ints | Floats]:
    prospect, message = np.nonzero(mail.opened < NEVER)
    step = np.array([c.CODE[m.goal] for m in c.MESSAGES])[message]
    clicked = mail.opened[prospect, message] + rng.integers(5 * SECOND, 60 * SECOND, len(prospect))
    stay = np.array([round(pages_last(s) * SECOND) for s in c.STEPS])[step]
    on_page = np.array([not m.clicked for m in c.MESSAGES])[message]
    stay = np.where(on_page, stay + rng.integers(2 * SECOND, 20 * SECOND, len(stay)), 0)
    factors = np.array([[arm[2] for arm in (*m.arms.values(),) * 2][:2] for m in c.MESSAGES])
    lift = factors[message, people.variant[prospect, message].astype(int)]
    reached = _points(step, rng)
    origin = np.full(len(step), GOAL)
    return [prospect, clicked + stay, step, origin, message, clicked, lift, reached]


def _points(step: Ints, rng: Generator) -> Ints:
    """Draw how far somebody gets who starts the step and does not finish it."""
    draw = rng.random(len(step))
    points = np.zeros(len(step), dtype=np.int64)
    for code in c.MULTI_STEP:
        reach = np.array(c.STEPS[code].reach)
        left_before = (1 - reach[1:]) / (1 - reach[-1])
        mine = step == code
        points[mine] = 1 + np.searchsorted(left_before[:-1], draw[mine], side="right")
    return points


def _footers(mail: Mail, rng: Generator) -> list[Ints | Floats]:
    follows = (mail.opened < NEVER) & (rng.random(mail.opened.shape) < c.FOOTER_PROBABILITY)
    prospect, message = np.nonzero(follows)
    of_message = np.empty(len(c.MESSAGES), dtype=np.int64)
    for step, (_, messages) in c.FOOTERS.items():
        of_message[list(messages)] = c.CODE[step]
    time = mail.opened[prospect, message] + rng.integers(10 * SECOND, 120 * SECOND, len(prospect))
    origin, one = np.full(len(time), FOOTER), np.ones(len(time))
    return [prospect, time, of_message[message], origin, message, time, one, origin]


def _visits(visits: Visits) -> list[Ints | Floats]:
    points = np.array([len(step.reach) for step in c.STEPS])
    done = visits.reached == points[visits.step]
    prospect, time, step = visits.prospect[done], visits.time[done], visits.step[done]
    origin, one = np.full(len(time), VISIT), np.ones(len(time))
    return [prospect, time, step, origin, origin - VISIT - 1, time, one, visits.reached[done]]


def pages_last(step: c.Step) -> float:
    """Return how many seconds a visit for this step takes, from the first page to the last."""
    return step.pages[0].before if step.pages else 0.0
