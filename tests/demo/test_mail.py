"""Opens, exits and machines, against the formulas integrated by scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from microconv.demo.email_rows import EVENT, list_email_rows
from microconv.demo.mail import NEVER
from microconv.demo.people import SECOND


def test_opens_follow_their_formula(simulated):
    """The share opened is the integral of logit⁻¹(−.5 + .8 o) over a standard normal o."""
    expected = quad(lambda o: expit(-0.5 + 0.8 * o) * norm.pdf(o), -8, 8)[0]
    opened = (simulated.mail.opened < NEVER)[simulated.mail.reached.all(axis=1)]
    spread = np.sqrt(opened.mean(axis=1).var() / len(opened))  # prospects, not messages, are drawn
    assert abs(opened.mean() - expected) < 4 * spread


def test_opens_rise_with_taste_as_the_formula_says(simulated):
    """In each fifth of the taste, the mean of the formula there."""
    whole = simulated.mail.reached.all(axis=1)
    taste, opened = (
        simulated.people.taste[whole],
        (simulated.mail.opened < NEVER)[whole].mean(axis=1),
    )
    for part in np.array_split(np.argsort(taste), 5):
        assert opened[part].mean() == pytest.approx(
            expit(-0.5 + 0.8 * taste[part]).mean(), abs=0.02
        )


def test_two_in_a_hundred_messages_are_put_off(simulated):
    """By five minutes to an hour; all others arrive within seconds."""
    wait = (simulated.mail.delivered - simulated.mail.sent) / SECOND
    assert simulated.mail.deferred.mean() == pytest.approx(0.02, abs=0.003)
    assert wait[simulated.mail.deferred].min() >= 300
    assert 1 <= wait[~simulated.mail.deferred].min() <= wait[~simulated.mail.deferred].max() < 5


def test_nothing_is_sent_after_leaving(simulated):
    """Whoever unsubscribes, complains or is disqualified gets no message after that instant."""
    stop = np.minimum(simulated.mail.left, simulated.outcomes.disqualified)
    assert (simulated.mail.left < NEVER).sum() > 50
    assert (
        simulated.mail.sent[simulated.mail.reached] < np.repeat(stop, simulated.mail.reached.sum(1))
    ).all()


@pytest.fixture(scope="module")
def rows(simulated):
    """Every row of the email service."""
    rng = np.random.default_rng(0)
    return list_email_rows(
        simulated.people, simulated.mail, simulated.opportunities, simulated.decisions, rng
    )


def test_a_scanner_clicks_every_link_of_every_message_soon_after_delivery(simulated, rows):
    """Three links a message, 1 to 20 seconds after delivery, at scanned addresses alone."""
    scans = rows.machine & (rows.event == EVENT["click"])
    assert simulated.people.scanner[rows.prospect[scans]].all()
    reached = simulated.mail.reached[simulated.people.scanner]
    assert scans.sum() == 3 * reached.sum()
    delivered = simulated.mail.delivered[rows.prospect[scans], rows.message[scans]]
    after = (rows.time[scans] - delivered) / SECOND
    assert after.min() >= 1
    assert after.max() <= 20


def test_a_proxy_opens_every_message_and_hides_the_person(simulated, rows):
    """Behind a proxy each delivered message has exactly one open, the proxy's."""
    opens = rows.event == EVENT["open"]
    behind = simulated.people.proxy[rows.prospect]
    assert (rows.machine[opens] == behind[opens]).all()
    assert (opens & behind).sum() == simulated.mail.reached[simulated.people.proxy].sum()


def test_an_address_that_does_not_exist_bounces_once_and_is_dropped_once(simulated, rows):
    """Then the mailing tool gives up."""
    lost = np.flatnonzero(simulated.mail.bounces)
    assert len(lost) > 30
    mine = np.isin(rows.prospect, lost) & (rows.event != EVENT["processed"])
    assert sorted(np.bincount(rows.event[mine])) == sorted(
        [0] * EVENT["bounce"] + [len(lost), len(lost)]
    )
