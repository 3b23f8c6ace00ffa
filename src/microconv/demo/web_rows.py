"""Calls that the website tracks: pages of every visit, and identification of visitors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from microconv.demo import catalogue as c
from microconv.demo.goals import DONE, FAILED, LEFT, Decisions, is_click
from microconv.demo.opportunities import FOOTER, GOAL, VISIT, Opportunities
from microconv.demo.people import DAY, SECOND, Bools, Ints, People
from microconv.demo.visits import Visits

OTHER_PAGES = ("/", "/news", "/docs", "/contact-us")

PAGES: tuple[c.Page, ...] = (
    *(page for step in c.STEPS for page in step.pages),
    *(c.Page("Page Viewed", path, properties=f'"path":"{path}"') for path in OTHER_PAGES),
)
"""Every row that a visit can send; rows refer to it by position."""

FIRST_PAGE = np.cumsum([0, *(len(step.pages) for step in c.STEPS)])
N_PAGES = np.array([len(step.pages) for step in c.STEPS])
N_POINTS = np.array([len(step.reach) for step in c.STEPS])
RETRY_PAGE = FIRST_PAGE[c.CODE["solution_assessment"]] + N_PAGES[c.CODE["solution_assessment"]] - 2

WANDERINGS = 0.15
"""Other pages looked at, per visit."""

NO_MESSAGE = -1
IDENTIFY = -1


@dataclass(frozen=True)
class WebRows:
    """One entry per track or identify call, as if nobody converted.

    Attributes
    ----------
    prospect, time : ndarray of int64
    page : ndarray of int64
        Position in :data:`PAGES`; :data:`IDENTIFY` for an identify call.
    message : ndarray of int64
        The message that led there; -1 for a visit of one's own.
    """

    prospect: Ints
    time: Ints
    page: Ints
    message: Ints

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.time)


@dataclass(frozen=True)
class _Sessions:
    prospect: Ints
    time: Ints
    step: Ints
    reached: Ints
    failed: Bools
    message: Ints


def list_web_rows(
    people: People,
    visits: Visits,
    opportunities: Opportunities,
    decisions: Decisions,
    rng: Generator,
) -> WebRows:
    """List every call that the website sends, as if nobody converted.

    Parameters
    ----------
    people : People
    visits : Visits
    opportunities : Opportunities
    decisions : Decisions
    rng : Generator
    """
    sessions = _sessions(visits, opportunities, decisions)
    parts = [
        _pages(sessions), _retries(sessions, rng), _wanderings(sessions, rng),
        _before_arrival(people, rng), _identifications(people, opportunities, decisions),
    ]  # fmt: skip
    return WebRows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


Part = tuple[Ints, Ints, Ints, Ints]
"""Prospect, time, page and message of some rows."""


def _sessions(visits: Visits, opportunities: Opportunities, decisions: Decisions) -> _Sessions:
    """List the visits that show on the website: their own, and those that messages led to."""
    outcome = decisions.outcome
    unfinished = visits.reached < N_POINTS[visits.step]
    on_page = np.array([not message.clicked for message in c.MESSAGES])[opportunities.message]
    goal = (opportunities.origin == GOAL) & on_page & np.isin(outcome, (LEFT, FAILED, DONE))
    own = (opportunities.origin == VISIT) & np.isin(outcome, (FAILED, DONE))
    shown = np.flatnonzero(goal | own)
    reached = np.where(outcome == LEFT, opportunities.reached, N_POINTS[opportunities.step])[shown]
    failed = outcome[shown] == FAILED
    none = np.full(int(unfinished.sum()), NO_MESSAGE)
    return _Sessions(
        prospect=np.append(opportunities.prospect[shown], visits.prospect[unfinished]),
        time=np.append(opportunities.time[shown], visits.time[unfinished]),
        step=np.append(opportunities.step[shown], visits.step[unfinished]),
        reached=np.append(reached - failed, visits.reached[unfinished]),
        failed=np.append(failed, none == 0),
        message=np.append(opportunities.message[shown], none),
    )


def _pages(sessions: _Sessions) -> Part:
    """List the pages of each visit up to the point that it reached."""
    step = sessions.step
    count = N_PAGES[step] - N_POINTS[step] + sessions.reached
    owner = np.repeat(np.arange(len(step)), count)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    page = FIRST_PAGE[step[owner]] + place
    before = np.array([round(page.before * SECOND) for page in PAGES])[page]
    return sessions.prospect[owner], sessions.time[owner] - before, page, sessions.message[owner]


def _retries(sessions: _Sessions, rng: Generator) -> Part:
    """List the repeats of the last page where the form cannot be sent."""
    failed = np.flatnonzero(sessions.failed)
    owner = np.repeat(failed, rng.integers(3, 8, len(failed)))
    first = np.append(True, owner[1:] != owner[:-1]) if len(owner) else np.empty(0, bool)
    pause = np.cumsum(rng.integers(6 * SECOND, 25 * SECOND, len(owner)))
    since = pause - np.maximum.accumulate(np.where(first, pause, 0))
    time = sessions.time[owner] + 2 * SECOND + since
    page = np.full(len(owner), RETRY_PAGE)
    return sessions.prospect[owner], time, page, sessions.message[owner]


def _wanderings(sessions: _Sessions, rng: Generator) -> Part:
    """List other pages viewed before."""
    owner = np.repeat(np.arange(len(sessions.time)), rng.poisson(WANDERINGS, len(sessions.time)))
    longest = np.array([s.pages[0].before if s.pages else 0.0 for s in c.STEPS])
    lead = (longest[sessions.step[owner]] * SECOND).astype(np.int64)
    time = sessions.time[owner] - lead - rng.integers(10 * SECOND, 240 * SECOND, len(owner))
    page = len(PAGES) - len(OTHER_PAGES) + rng.integers(0, len(OTHER_PAGES), len(owner))
    return sessions.prospect[owner], time, page, sessions.message[owner]


def _before_arrival(people: People, rng: Generator) -> Part:
    """List pages that visitors viewed before they became prospects by a form."""
    owner = np.flatnonzero(~people.outbound)
    wait = (rng.exponential(2.0, len(owner)) * DAY).astype(np.int64) + 60 * SECOND
    page = len(PAGES) - len(OTHER_PAGES) + rng.integers(0, len(OTHER_PAGES), len(owner))
    return owner, people.arrival[owner] - wait, page, np.full(len(owner), NO_MESSAGE)


def _identifications(people: People, opportunities: Opportunities, decisions: Decisions) -> Part:
    """Identify browsers: by the form that made a prospect, by other forms, by imports' clicks."""
    inbound = np.flatnonzero(~people.outbound)
    forms = np.array([step.form for step in c.STEPS])[opportunities.step]
    in_mail = np.array([message.clicked for message in c.MESSAGES])[opportunities.message]
    in_mail = (opportunities.origin == FOOTER) | ((opportunities.origin == GOAL) & in_mail)
    sent = np.flatnonzero((decisions.outcome == DONE) & forms & ~in_mail)
    imported = people.outbound[opportunities.prospect]
    clicked = np.flatnonzero(is_click(opportunities, decisions.outcome) & imported)
    followed = opportunities.clicked[clicked] + SECOND
    time = np.concatenate([people.arrival[inbound], opportunities.time[sent], followed])
    prospect = np.concatenate(
        [inbound, opportunities.prospect[sent], opportunities.prospect[clicked]]
    )
    none = np.full(len(inbound), NO_MESSAGE)
    message = np.concatenate([none, opportunities.message[sent], opportunities.message[clicked]])
    return prospect, time, np.full(len(time), IDENTIFY), message
