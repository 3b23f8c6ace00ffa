"""Messages of the nurture sequence: sent, delivered and opened, until a prospect leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from microconv.demo import catalogue as c
from microconv.demo.people import DAY, HOUR, SECOND, Bools, Floats, Ints, People

NEVER = np.iinfo(np.int64).max // 4
"""An instant after every other; small enough to add durations to."""

OPEN_DELAY_MEDIAN_HOURS, OPEN_DELAY_SPREAD = 3.0, 1.2
LONGEST_OPEN_DELAY = 60 * HOUR


@dataclass(frozen=True)
class Mail:
    """What happens to each message, as if nobody converted; shape (n_prospects, n_messages).

    Attributes
    ----------
    sent, delivered, opened : ndarray of int64
        `opened` is when the person reads it, :data:`NEVER` if they do not. A
        privacy proxy hides that from the sender, and changes nothing of it.
    deferred, reached : ndarray of bool
        Whether delivery was put off at first; whether it was delivered at all.
    bounces : ndarray of bool, shape (n_prospects,)
        The address does not exist.
    left : ndarray of int64, shape (n_prospects,)
        When the prospect unsubscribed or complained; no message is sent after.
    complained : ndarray of bool, shape (n_prospects,)
        Whether they left by reporting spam.
    left_by : ndarray of int64, shape (n_prospects,)
        The message that made them leave, -1 if none did.
    """

    sent: Ints
    delivered: Ints
    opened: Ints
    deferred: Bools
    reached: Bools
    bounces: Bools
    left: Ints
    complained: Bools
    left_by: Ints


def logistic(x: Floats) -> Floats:
    """Return logit⁻¹(x)."""
    return 1 / (1 + np.exp(-x))


def send_mail(people: People, disqualified: Ints, rng: Generator) -> Mail:
    """Simulate the messages: one every four days, with jitter, until the prospect leaves.

    Parameters
    ----------
    disqualified : ndarray of int64, shape (n_prospects,)
        When sales closed the file; no message is sent after.
    """
    shape = len(people), len(c.MESSAGES)
    jitter = rng.integers(0, c.MESSAGE_JITTER_HOURS * HOUR, shape)
    place = np.arange(shape[1]) * c.MESSAGE_EVERY_DAYS * DAY
    sent = people.arrival[:, None] + place + jitter
    deferred = rng.random(shape) < c.DEFERRED_SHARE
    transport = rng.integers(1 * SECOND, 5 * SECOND, shape)
    transport += np.where(deferred, rng.integers(5 * 60 * SECOND, HOUR, shape), 0)
    delivered = sent + transport
    delay = np.exp(OPEN_DELAY_SPREAD * rng.standard_normal(shape)) * OPEN_DELAY_MEDIAN_HOURS * HOUR
    delay = 20 * SECOND + np.minimum(delay.astype(np.int64), LONGEST_OPEN_DELAY)
    opens = rng.random(shape) < logistic(c.OPEN_INTERCEPT + c.OPEN_TASTE * people.taste)[:, None]
    bounces = rng.random(len(people)) < c.BOUNCE_SHARE
    opened = np.where(opens & ~bounces[:, None], delivered + delay, NEVER)
    left, left_by, complained = _leave(people, opened, rng)
    stop = np.minimum(left, disqualified)[:, None]
    reached = (sent < stop) & ~bounces[:, None]
    opened = np.where(reached, opened, NEVER)
    return Mail(sent, delivered, opened, deferred, reached, bounces, left, complained, left_by)


def _leave(people: People, opened: Ints, rng: Generator) -> tuple[Ints, Ints, Bools]:
    """Find the first message that makes a reader unsubscribe or complain, and when.

    Whoever leaves at one message never gets the next, so the earliest instant
    of all that would be is the one that is.
    """
    tired = logistic(c.UNSUBSCRIBE_INTERCEPT + c.UNSUBSCRIBE_ENGAGEMENT * people.engagement)
    unsubscribes = rng.random(opened.shape) < tired[:, None]
    complains = rng.random(opened.shape) < c.SPAM_REPORT_PROBABILITY
    pause = rng.integers(20 * SECOND, 90 * SECOND, opened.shape)
    instant = np.where((unsubscribes | complains) & (opened < NEVER), opened + pause, NEVER)
    which = instant.argmin(axis=1)
    rows = np.arange(len(which))
    left = instant[rows, which]
    return left, np.where(left < NEVER, which, -1), complains[rows, which] & (left < NEVER)
