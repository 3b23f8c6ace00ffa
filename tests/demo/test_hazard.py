"""Spans, integrals and conversions, against slow ones."""

from __future__ import annotations

from math import exp

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microconv.demo import catalogue as c
from microconv.demo.daily_hazard import write_hazard
from microconv.demo.directory import Directory
from microconv.demo.goals import DONE
from microconv.demo.hazard import find_completions
from microconv.demo.mail import NEVER
from microconv.demo.people import DAY
from microconv.demo.world import simulate_world
from worlds.demo import world

GUIDE, DEMO, PRICING = (c.CODE[name] for name in c.SEQUENCE)
OTHER = c.CODE["blog_read"]


def completions(steps):
    """Find, for each of one prospect's steps, both kinds of completion the slow way."""
    found = []
    for time, step in steps:
        recent = [(t, s) for t, s in steps if t <= time and time - t <= 30 * DAY]
        in_order = step == PRICING and any(
            g < d < time for g, s in recent if s == GUIDE for d, z in recent if z == DEMO
        )
        names = {s for _, s in recent}
        together = step != OTHER and {GUIDE, DEMO, PRICING} <= names
        found.append((in_order, together))
    return found


@st.composite
def histories(draw):
    """Two prospects' steps at distinct instants, days and hours apart."""
    both = []
    for _ in range(2):
        hours = draw(st.lists(st.integers(0, 24 * 90), unique=True, max_size=14))
        steps = [draw(st.sampled_from([GUIDE, DEMO, PRICING, OTHER])) for _ in hours]
        both.append(
            [(hour * DAY // 24, step) for hour, step in zip(sorted(hours), steps, strict=True)]
        )
    return both


@given(both=histories())
def test_completions_agree_with_a_search_through_every_triple(both):
    """In order: guide < demo < pricing within 30 days; together: all three in any order."""
    flat = [(who, *event) for who, steps in enumerate(both) for event in steps]
    prospect, time, step = np.array(flat, dtype=np.int64).reshape(-1, 3).T
    in_order, together = find_completions(prospect, time, step)
    expected = [pair for steps in both for pair in completions(steps)]
    assert list(zip(in_order, together, strict=True)) == expected


@pytest.mark.parametrize(
    ("days", "complete"),
    [
        pytest.param((0, 10, 30), True, id="the last instant that counts"),
        pytest.param((0, 10, 30 + 1e-6), False, id="an instant too late"),
        pytest.param((10, 0, 20), False, id="demo before guide"),
    ],
)
def test_the_sequence_must_be_completed_within_thirty_days(days, complete):
    """From the guide to pricing, the thirtieth day included."""
    order = np.argsort(days)
    time = np.array([round(day * DAY) for day in days])[order]
    step = np.array([GUIDE, DEMO, PRICING])[order]
    assert find_completions(np.zeros(3, int), time, step)[0].any() == complete


def hazard_at(simulated, who, instant):
    """Give a prospect's hazard at an instant from the steps it has done, the slow way."""
    done = simulated.decisions.outcome == DONE
    mine = (
        done & (simulated.opportunities.prospect == who) & (simulated.opportunities.time <= instant)
    )
    steps = list(
        zip(simulated.opportunities.time[mine], simulated.opportunities.step[mine], strict=True)
    )
    level = max((c.STEPS[step].commitment for _, step in steps), default=0)
    completed = [t for (t, _), (yes, _) in zip(steps, completions(steps), strict=True) if yes]
    effect = 2.5 if completed and instant < completed[-1] + 30 * DAY else 1.0
    trait = 0.5 * simulated.people.fit[who] + 0.6 * simulated.people.engagement[who]
    return effect * c.BASE_HAZARD * exp(trait + 0.15 * level)


def test_the_hazard_follows_its_formula_at_random_instants(simulated):
    """h₀ exp(.5 f + .6 u + .15 level) F, with level and F found again from the steps."""
    rng = np.random.default_rng(1)
    spans = simulated.spans
    boosted = np.flatnonzero(spans.in_order)
    for span in [*rng.integers(0, len(spans.start), 150), *rng.choice(boosted, 50)]:
        who, start, end = spans.prospect[span], spans.start[span], spans.end[span]
        for instant in (start, rng.integers(start, end), end - 1):
            assert simulated.hazard[span] == pytest.approx(hazard_at(simulated, who, instant))


def test_the_spans_say_where_the_sequence_stands(simulated):
    """Not yet, this order or another at the first coming together: from the steps again."""
    rng = np.random.default_rng(4)
    spans = simulated.spans
    odd = np.flatnonzero(spans.another_order | spans.this_order | spans.in_order)
    done = simulated.decisions.outcome == DONE
    for span in [*rng.integers(0, len(spans.start), 50), *rng.choice(odd, 150)]:
        mine = done & (simulated.opportunities.prospect == spans.prospect[span])
        mine &= simulated.opportunities.time <= spans.start[span]
        steps = list(
            zip(simulated.opportunities.time[mine], simulated.opportunities.step[mine], strict=True)
        )
        found = [(t, *kind) for (t, _), kind in zip(steps, completions(steps), strict=True)]
        not_yet = not any(in_order for _, in_order, _ in found)
        met = [(t, in_order) for t, in_order, together in found if together]
        recent = bool(met) and spans.start[span] < met[0][0] + 30 * DAY
        assert spans.not_yet[span] == not_yet
        assert spans.this_order[span] == (recent and met[0][1])
        assert spans.another_order[span] == (recent and not met[0][1] and not_yet)


def test_the_spans_cover_all_time_at_risk_once(simulated):
    """From arrival to disqualification or the end, without a gap and without an overlap."""
    spans = simulated.spans
    until = np.minimum(simulated.outcomes.disqualified, simulated.period)
    same = spans.prospect[1:] == spans.prospect[:-1]
    assert (spans.end[:-1] == spans.start[1:])[same].all()
    first = np.append(True, ~same)
    assert (spans.start[first] == simulated.people.arrival).all()
    assert (spans.end[np.append(~same, True)] == until).all()


def test_a_prospect_converts_where_its_integrated_hazard_meets_its_threshold(simulated):
    """The integral up to the conversion is the threshold; who never converts stays below it."""
    spans = simulated.spans
    total = np.zeros(len(simulated.people))
    end = np.minimum(spans.end, simulated.converted[spans.prospect])
    at_risk = np.maximum(end - spans.start, 0) / DAY * simulated.hazard
    np.add.at(total, spans.prospect, at_risk)
    converts = simulated.converted < NEVER
    assert converts.sum() > 200
    assert total[converts] == pytest.approx(simulated.outcomes.threshold[converts], abs=1e-9)
    assert (total[~converts] < simulated.outcomes.threshold[~converts]).all()


def test_as_many_convert_as_the_hazard_expects(simulated):
    """Conversions minus the integrated hazard is a martingale with that variance."""
    spans = simulated.spans
    end = np.minimum(spans.end, simulated.converted[spans.prospect])
    expected = (np.maximum(end - spans.start, 0) / DAY * simulated.hazard).sum()
    assert abs((simulated.converted < NEVER).sum() - expected) < 4 * np.sqrt(expected)


def test_the_file_of_hazards_adds_up_to_the_conversions(written):
    """One row per prospect and day at risk; `expected` sums to the conversions within 4 sd."""
    hazard = pq.read_table(written.truth_folder / "hazard.parquet").to_pandas()
    truth = written.truth
    expected = hazard["expected"].astype(float).sum()
    assert expected == pytest.approx(truth["expected_conversions"], rel=1e-5)
    assert abs(truth["conversions"] - expected) < 4 * np.sqrt(expected)
    assert not hazard.duplicated(["prospect_id", "day"]).any()
    assert hazard["prospect_id"].nunique() == truth["prospects"]
    days = (hazard["instant"] - hazard["instant"].dt.floor("D")).dt.total_seconds() / 86_400
    whole = (days == 0) & (hazard["expected"] > 0)
    steady = np.isclose(hazard["hazard"], hazard["expected"], rtol=1e-4)[whole]
    assert steady.mean() > 0.9  # on most days nothing changes, and a day's integral is its rate


def test_the_file_of_hazards_says_the_hazard_at_each_instant(tmp_path, simulated):
    """Row by row the formula again; on the day of arrival from the arrival on."""
    directory = Directory.of(simulated.people, 0)
    write_hazard(tmp_path / "hazard.parquet", simulated, directory)
    hazard = pq.read_table(tmp_path / "hazard.parquet").to_pandas()
    instant = hazard["instant"].astype("int64").to_numpy()
    who = hazard["prospect_id"].str[1:].astype(int).to_numpy() - 1
    begin = np.maximum(hazard["day"].to_numpy(np.int64) * DAY, simulated.people.arrival[who])
    assert (instant == begin).all()
    arrivals = np.flatnonzero(instant == simulated.people.arrival[who])
    rng = np.random.default_rng(2)
    for row in [*rng.integers(0, len(hazard), 100), *rng.choice(arrivals, 50)]:
        expected = hazard_at(simulated, who[row], instant[row])
        assert hazard["hazard"][row] == pytest.approx(expected, rel=1e-6)
        midnight = (int(hazard["day"][row]) + 1) * DAY
        days = (min(midnight, simulated.until[who[row]]) - instant[row]) / DAY
        last = hazard_at(simulated, who[row], instant[row] + days * DAY - 1)
        if last == pytest.approx(expected):  # nothing changed on that day
            assert hazard["expected"][row] == pytest.approx(expected * days, rel=1e-5)


def test_worlds_differ_in_who_converts(simulated):
    """In `null` the hazard is constant; planting an effect makes more convert."""
    null = simulate_world(world("null", prospects=6000))
    assert set(null.hazard) == {c.BASE_HAZARD}
    rates = [(s.converted < NEVER).mean() for s in (null, simulated)]
    assert 0.02 < rates[0] < 0.05
    assert 0.05 < rates[1] < 0.09
