"""Events of the email service, by people and by bots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from microconv.demo import catalogue as c
from microconv.demo.goals import Decisions, is_click
from microconv.demo.mail import NEVER, Mail
from microconv.demo.opportunities import FOOTER, Opportunities
from microconv.demo.people import HOUR, SECOND, Bools, Ints, People

EVENTS = (
    "processed", "deferred", "delivered", "bounce", "dropped", "open", "click", "unsubscribe",
    "spamreport",
)  # fmt: skip
EVENT = {name: code for code, name in enumerate(EVENTS)}

GOAL_LINK, FOOTER_LINK, PREFERENCES = range(3)
"""The links of a message; -1 where an event has none."""


@dataclass(frozen=True)
class EmailRows:
    """One entry per event of the email service, as if nobody converted.

    Attributes
    ----------
    prospect, message, time : ndarray of int64
    event : ndarray of int64
        Position in :data:`EVENTS`.
    link : ndarray of int64
        Which link of the message; -1 where none.
    machine : ndarray of bool
        A proxy or a scanner did it, not a person.
    """

    prospect: Ints
    message: Ints
    time: Ints
    event: Ints
    link: Ints
    machine: Bools

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.time)


def list_email_rows(
    people: People, mail: Mail, opportunities: Opportunities, decisions: Decisions, rng: Generator
) -> EmailRows:
    """List every row of the email service, as if nobody converted.

    Parameters
    ----------
    people : People
    mail : Mail
    opportunities : Opportunities
    decisions : Decisions
    rng : Generator
    """
    rows = _Rows()
    _transport(rows, mail)
    _opens(rows, people, mail, rng)
    _scans(rows, people, mail, rng)
    clicked = np.flatnonzero(is_click(opportunities, decisions.outcome))
    link = np.where(opportunities.origin[clicked] == FOOTER, FOOTER_LINK, GOAL_LINK)
    of = opportunities.prospect[clicked], opportunities.message[clicked]
    rows.add("click", of, opportunities.clicked[clicked], link=link)
    _exits(rows, mail)
    return rows.gathered()


Sent = tuple[Ints, ...]
"""Prospect and message of some events."""


class _Rows:
    def __init__(self) -> None:
        self.parts: list[tuple[npt.NDArray[np.generic], ...]] = []

    def add(
        self, event: str, of: Sent, time: Ints, *, link: Ints | int = -1, machine: bool = False
    ) -> None:
        prospect, message = of
        same = np.broadcast_to(np.int64(EVENT[event]), time.shape)
        links = np.broadcast_to(np.asarray(link, dtype=np.int64), time.shape)
        self.parts.append((prospect, message, time, same, links, np.full(len(time), machine)))

    def gathered(self) -> EmailRows:
        return EmailRows(*(np.concatenate(column) for column in zip(*self.parts, strict=True)))


def _transport(rows: _Rows, mail: Mail) -> None:
    reached = np.nonzero(mail.reached)
    rows.add("processed", reached, mail.sent[reached])
    rows.add("delivered", reached, mail.delivered[reached])
    deferred = np.nonzero(mail.reached & mail.deferred)
    rows.add("deferred", deferred, mail.sent[deferred] + 30 * SECOND)
    lost = np.flatnonzero(mail.bounces)
    first, second = np.zeros(len(lost), np.int64), np.ones(len(lost), np.int64)
    rows.add("processed", (lost, first), mail.sent[lost, 0])
    rows.add("bounce", (lost, first), mail.sent[lost, 0] + 4 * SECOND)
    rows.add("dropped", (lost, second), mail.sent[lost, 1])


def _opens(rows: _Rows, people: People, mail: Mail, rng: Generator) -> None:
    """List opens: a proxy hides its people's behind its own, made soon after delivery."""
    behind = np.nonzero(mail.reached & people.proxy[:, None])
    fetched = mail.delivered[behind] + rng.integers(SECOND, HOUR // 4, len(behind[0]))
    rows.add("open", behind, fetched, machine=True)
    read = np.nonzero((mail.opened < NEVER) & ~people.proxy[:, None])
    rows.add("open", read, mail.opened[read])
    again = rng.random(len(read[0])) < 0.2
    later = mail.opened[read] + rng.integers(HOUR // 6, 30 * HOUR, len(read[0]))
    rows.add("open", (read[0][again], read[1][again]), later[again])


def _scans(rows: _Rows, people: People, mail: Mail, rng: Generator) -> None:
    scanned = np.nonzero(mail.reached & people.scanner[:, None])
    low, high = (round(seconds * SECOND) for seconds in c.SCANNER_SECONDS)
    for link in (GOAL_LINK, FOOTER_LINK, PREFERENCES):
        soon = mail.delivered[scanned] + rng.integers(low, high + 1, len(scanned[0]))
        rows.add("click", scanned, soon, link=link, machine=True)


def _exits(rows: _Rows, mail: Mail) -> None:
    """List unsubscriptions (after a click on the preferences link) and spam reports."""
    left = np.flatnonzero((mail.left_by >= 0) & _reached(mail))
    complains = mail.complained[left]
    by, at = mail.left_by[left], mail.left[left]
    rows.add("spamreport", (left[complains], by[complains]), at[complains])
    calm = ~complains
    rows.add("click", (left[calm], by[calm]), at[calm] - 6 * SECOND, link=PREFERENCES)
    rows.add("unsubscribe", (left[calm], by[calm]), at[calm])


def _reached(mail: Mail) -> Bools:
    """Find the prospects whose last message was sent before their disqualification."""
    who = np.arange(len(mail.left_by))
    return np.asarray(mail.reached[who, np.maximum(mail.left_by, 0)])
