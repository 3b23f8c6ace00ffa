"""Reluctance after a step, each prospect against themselves."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from microconv.measurement.bottlenecks.self_controlled import find_barriers, self_controlled
from microconv.settings import BottleneckSettings
from worlds.logs import AS_OF, JOURNEY, event, instant
from worlds.studies import sends_of, study_of

DAY = 86_400


def drawn(rng, ratio, prospects=300):
    """Draw prospects of very different eagerness, with time after the step and without."""
    days_after, days_other = rng.uniform(5, 40, prospects), rng.uniform(20, 150, prospects)
    rate = 0.03 * np.exp(rng.standard_normal(prospects))
    return (
        rng.poisson(ratio * rate * days_after).astype(float),
        rng.poisson(rate * days_other).astype(float),
        days_after,
        days_other,
    )


def test_the_ratio_is_that_of_a_poisson_regression_with_one_level_per_prospect():
    """The conditional and the unconditional likelihood have the same maximum."""
    after, other, days_after, days_other = drawn(np.random.default_rng(1), 0.5, prospects=60)
    used = after + other > 0
    count = np.r_[after[used], other[used]]
    exposed = np.r_[np.ones(used.sum()), np.zeros(used.sum())]
    level = np.tile(np.eye(used.sum()), (2, 1))
    offset = np.log(np.r_[days_after[used], days_other[used]])
    design = np.column_stack([exposed, level])
    fitted = sm.GLM(count, design, family=sm.families.Poisson(), offset=offset).fit()
    found = self_controlled(after, other, days_after, days_other, confidence=0.95)
    assert np.log(found.ratio) == pytest.approx(fitted.params[0], abs=1e-6)
    low, high = fitted.conf_int()[0]
    assert (np.log(found.low), np.log(found.high)) == pytest.approx((low, high), abs=1e-3)


def test_the_interval_holds_the_true_ratio_as_often_as_promised():
    """Whoever is eager is so before and after: no bias from that."""
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        found = self_controlled(*drawn(rng, 0.5), confidence=0.95)
        held += found.low <= 0.5 <= found.high
    assert held >= 180


def test_without_any_step_after_nothing_is_claimed():
    """A ratio of nothing is unknown, not zero."""
    found = self_controlled(np.zeros(3), np.ones(3), np.ones(3), np.ones(3), confidence=0.95)
    assert np.isnan(found.ratio)


def history(rng, who, factor):
    """Let a prospect visit pricing at times and ask for references, `factor` times after it."""
    rows = [event(who, "blog", instant(-200 * DAY))]
    pricing = np.sort(rng.uniform(0, 190, rng.poisson(2)))
    rows += [event(who, "pricing", instant(-day * DAY), event_id=f"{who}{day}") for day in pricing]
    eager = 0.03 * np.exp(0.7 * rng.standard_normal())
    for day in rng.uniform(0, 195, rng.poisson(eager * 195)):
        after = any(0 < then - day <= 30 for then in pricing)
        if not after or rng.random() < factor:
            rows.append(event(who, "reference", instant(-day * DAY), event_id=f"{who}r{day}"))
    return rows


def found_in(factor, seed):
    """Look for barriers in a world of 250 prospects."""
    rng = np.random.default_rng(seed)
    rows = [row for k in range(250) for row in history(rng, f"p{k:03d}", factor)]
    study = study_of(*rows)
    sends = sends_of(study)
    return find_barriers(study, sends, BottleneckSettings(), confidence=0.95)


def test_a_planted_barrier_is_found_with_its_size_and_nothing_else_is():
    """Three in ten decide where all would; the lost are the other seven."""
    (found,) = found_in(0.3, seed=1)
    assert (found.kind, found.step) == ("trust_barrier", "pricing")
    assert found.lost_completions_low < found.lost_completions < found.lost_completions_high
    assert "for 30 days after it" in found.evidence.lower()


def test_without_a_barrier_none_is_found():
    """Five worlds in which pricing changes nothing."""
    assert [found_in(1.0, seed=seed) for seed in range(5)] == [[]] * 5


def test_the_time_after_the_step_is_counted_by_the_day():
    """Pricing on day 0, references on days 10 and 40, the end on day 100: 30 and 70 days."""
    from microconv.histories.arrays import microseconds
    from microconv.measurement.bottlenecks.self_controlled import _count

    start = AS_OF
    study = study_of(
        event("ada", "pricing", instant(-100 * DAY)),
        event("ada", "reference", instant(-90 * DAY)),
        event("ada", "reference", instant(-60 * DAY)),
    )
    decides = study.step == JOURNEY.code_of("reference")
    lines = study.follow_up
    counts = _count(
        (study.offsets, study.time, study.step, decides),
        (lines.first_seen, lines.ended_at),
        (JOURNEY.code_of("pricing"), np.zeros(len(JOURNEY), bool), 30 * DAY * 10**6),
    )
    after, other, days_after, days_other = (float(c[0]) for c in counts)
    assert (after, other) == (1, 1)
    assert (days_after, days_other) == (30 * DAY * 1e6, 70 * DAY * 1e6)
    assert study.until == microseconds(start)
