"""The prospects: their traits and where they come from."""

from __future__ import annotations

import numpy as np
import pytest

from microconv.demo import catalogue as c
from microconv.demo.people import DAY


@pytest.mark.parametrize("trait", ["fit", "engagement", "taste"])
def test_traits_are_standard_normal(simulated, trait):
    """Mean 0 and variance 1, within 4 standard errors of a sample this large."""
    values, n = getattr(simulated.people, trait), len(simulated.people)
    inflated = 2 if trait == "fit" else 1  # prospects of one account share a part of it
    assert abs(values.mean()) < 4 * np.sqrt(inflated / n)
    assert abs(values.var() - 1) < 4 * np.sqrt(inflated * 2 / n)


def test_opening_taste_depends_on_nothing_else(simulated):
    """The design says that it is independent of all."""
    people = simulated.people
    for other in (people.fit, people.engagement, people.week[:, 0]):
        assert abs(np.corrcoef(people.taste, other)[0, 1]) < 4 / np.sqrt(len(people))


def test_weeks_follow_an_autoregression(simulated):
    """Standard deviation .5 from the first week to the last; lag 1 correlates .8, lag 3 .512."""
    week = simulated.people.week
    assert week.std(axis=0) == pytest.approx(np.full(week.shape[1], 0.5), abs=0.03)
    for lag in (1, 3):
        earlier, later = week[:, :-lag].ravel(), week[:, lag:].ravel()
        assert np.corrcoef(earlier, later)[0, 1] == pytest.approx(0.8**lag, abs=0.02)


def test_arrivals_are_uniform(simulated):
    """Each tenth of the period brings a tenth of the prospects."""
    tenth = np.bincount(simulated.people.arrival * 10 // simulated.period, minlength=10)
    expected = len(simulated.people) / 10
    assert ((tenth - expected) ** 2 / expected).sum() < 27.9  # chi-square, 9 degrees, p = .001


def test_shares_behind_proxies_and_scanners(simulated):
    """40 % and 15 %, within 4 standard errors."""
    n = len(simulated.people)
    for flag, share in ((simulated.people.proxy, 0.40), (simulated.people.scanner, 0.15)):
        assert abs(flag.mean() - share) < 4 * np.sqrt(share * (1 - share) / n)


def test_the_mix_of_sources_changes_after_two_thirds_of_the_period(simulated):
    """A source that did not exist before makes a good part of the later arrivals."""
    late = simulated.people.arrival >= simulated.period * 2 / 3
    partner = simulated.people.source == c.SOURCES.index("partner")
    assert not partner[~late].any()
    assert 0.15 < partner[late].mean() < 0.35


def test_company_size_shows_fit_through_noise(simulated):
    """Correlated, and far from telling it."""
    seen = np.corrcoef(simulated.people.size, simulated.people.fit)[0, 1]
    assert 0.3 < seen < 0.8


def test_accounts_have_several_contacts(simulated):
    """Some have one, some more; all contacts of one share its size."""
    contacts = np.bincount(simulated.people.account)
    assert (contacts > 1).sum() > 500
    sizes = np.stack([simulated.people.account, simulated.people.size])
    assert np.unique(sizes, axis=1).shape[1] == (contacts > 0).sum()


def test_messages_go_out_every_four_days_with_a_jitter_of_twelve_hours(simulated):
    """Message k leaves k times four days after arrival, and up to half a day later."""
    since = simulated.mail.sent - simulated.people.arrival[:, None] - np.arange(12) * 4 * DAY
    assert since.shape[1] == 12
    assert since.min() >= 0
    assert since.max() < DAY / 2
    assert since.mean() == pytest.approx(DAY / 4, rel=0.02)
