"""Self-directed visits, against their rate."""

from __future__ import annotations

import numpy as np
import pytest

from microconv.demo import catalogue as c
from microconv.demo.people import DAY, WEEK
from microconv.demo.visits import visit_rates


@pytest.fixture(scope="module")
def eager_days(simulated):
    """Integrate exp(.6 u + .4 w) over each prospect's days, week by week, the slow way."""
    total = np.zeros(len(simulated.people))
    for who, arrival in enumerate(simulated.people.arrival):
        for week, w in enumerate(simulated.people.week[who]):
            begin = arrival + week * WEEK
            days = max(0, min(simulated.period, begin + WEEK) - begin) / DAY
            total[who] += days * np.exp(0.6 * simulated.people.engagement[who] + 0.4 * w)
    return total


def test_each_step_is_done_at_its_rate(simulated, eager_days):
    """Counts of finished visits are Poisson around exp(a) times the prospects' eager days."""
    for code, step in enumerate(c.STEPS):
        done = (simulated.visits.step == code) & (simulated.visits.reached == len(step.reach))
        expected = step.rate * eager_days.sum()
        assert abs(done.sum() - expected) <= 4 * np.sqrt(max(expected, 1))


def test_counts_follow_engagement_prospect_by_prospect(simulated, eager_days):
    """Summed over quarters of the expected number, the visits are as many as expected."""
    expected = visit_rates()[0].sum() * eager_days
    made = np.bincount(simulated.visits.prospect, minlength=len(simulated.people))
    for part in np.array_split(np.argsort(expected), 4):
        assert abs(made[part].sum() - expected[part].sum()) < 4 * np.sqrt(expected[part].sum())


def test_visits_lie_between_arrival_and_the_end(simulated):
    """Nobody visits before they are there."""
    assert (simulated.visits.time >= simulated.people.arrival[simulated.visits.prospect]).all()
    assert (simulated.visits.time < simulated.period).all()


@pytest.mark.parametrize("name", ["demo_video", "solution_assessment"])
def test_visits_of_several_pages_stop_where_the_catalogue_says(simulated, name):
    """Of those that start, the share planted gets to each point."""
    code, reach = c.CODE[name], c.STEPS[c.CODE[name]].reach
    reached = simulated.visits.reached[simulated.visits.step == code]
    for point, share in enumerate(reach, start=1):
        assert (reached >= point).mean() == pytest.approx(share, abs=0.05)


def test_people_browse_by_day(simulated):
    """On the visitor's own clock the night is quiet."""
    offset = (
        np.array(c.COUNTRY_OFFSETS)[simulated.people.country[simulated.visits.prospect]]
        * 60_000_000
    )
    hour = (simulated.visits.time + offset) % DAY * 24 // DAY
    assert np.isin(hour, range(8, 18)).mean() > 0.6
    assert np.isin(hour, range(5)).mean() < 0.06
