"""Reluctance after a step, each prospect against themselves."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm

from microconv.measurement.bottlenecks.self_controlled import (
    find_barriers,
    responses_after,
    self_controlled,
    sends_after_barriers,
)
from microconv.settings import BottleneckSettings
from microconv.storage.schema import MESSAGES
from worlds.logs import AS_OF, JOURNEY, event, instant
from worlds.studies import sends_of, study_of

DAY = 86_400
SETTINGS = BottleneckSettings()


def drawn(rng, ratio, prospects=300):
    """Draw prospects whose interest differs widely, with time after the step and without."""
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


def test_the_interval_holds_the_true_ratio_at_its_nominal_rate():
    """Interested prospects are so before and after: no bias from that."""
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        found = self_controlled(*drawn(rng, 0.5), confidence=0.95)
        held += found.low <= 0.5 <= found.high
    assert held >= 180


def test_without_decisions_after_the_step_the_ratio_is_unknown():
    """Without decisions after the step the ratio is unknown, not zero."""
    found = self_controlled(np.zeros(3), np.ones(3), np.ones(3), np.ones(3), confidence=0.95)
    assert np.isnan(found.ratio)


def history(rng, who, factor):
    """Return pricing visits and references, `factor` times as frequent after pricing."""
    rows = [event(who, "blog", instant(-200 * DAY))]
    pricing = np.sort(rng.uniform(0, 190, rng.poisson(2)))
    rows += [event(who, "pricing", instant(-day * DAY), event_id=f"{who}{day}") for day in pricing]
    interest = 0.03 * np.exp(0.7 * rng.standard_normal())
    for day in rng.uniform(0, 195, rng.poisson(interest * 195)):
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
    return find_barriers(study, sends, SETTINGS, confidence=0.95)


def test_a_planted_barrier_is_found_with_its_size_and_nothing_else_is():
    """Three in ten decide where all would; the other seven are lost."""
    (found,) = found_in(0.3, seed=1)
    assert (found.kind, found.step) == ("trust_barrier", "pricing")
    assert found.lost_completions_low < found.lost_completions < found.lost_completions_high
    assert "for 30 days after it" in found.evidence.lower()


def test_without_a_barrier_none_is_found():
    """Five worlds in which pricing changes nothing."""
    assert [found_in(1.0, seed=seed) for seed in range(5)] == [[]] * 5


def test_time_after_the_step_and_other_time_by_hand():
    """Pricing on day 0, references on days 10 and 40, the end on day 100: 30 and 70 days."""
    from microconv.histories.arrays import microseconds
    from microconv.measurement.bottlenecks.self_controlled import _count

    study = study_of(
        event("ada", "pricing", instant(-100 * DAY)),
        event("ada", "reference", instant(-90 * DAY)),
        event("ada", "reference", instant(-60 * DAY)),
    )
    decides = study.step == JOURNEY.code_of("reference")
    follow_up = study.follow_up
    counts = _count(
        (study.offsets, study.time, study.step, decides),
        (follow_up.first_seen, follow_up.ended_at),
        (JOURNEY.code_of("pricing"), np.zeros(len(JOURNEY), bool), 30 * DAY * 10**6),
    )
    after, other, days_after, days_other = (float(c[0]) for c in counts)
    assert (after, other) == (1, 1)
    assert (days_after, days_other) == (30 * DAY * 1e6, 70 * DAY * 1e6)
    assert study.until == microseconds(AS_OF)


RATES = (0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.1)
"""Response rate of each message: ever lower, while pricing is visited ever later."""


def messages(count):
    """Make a sequence in which every message has the goal `reference`."""
    rows = [{"message_id": f"m{k}", "position": k, "goal": "reference"} for k in range(count)]
    return pa.Table.from_pylist(rows, schema=MESSAGES)


def message_event(who, name, message, day):
    """Make an event of a message."""
    return event(who, name, instant(-day * DAY), message_id=message, event_id=f"{who}{name}{day}")


def message_history(rng, who, factor):
    """Send a message every twenty days; after pricing responses are `factor` times as likely."""
    pricing = 200 - 200 * np.sqrt(rng.random(rng.poisson(1.5)))
    rows = [event(who, "pricing", instant(-d * DAY), event_id=f"{who}p{d}") for d in pricing]
    interest = rng.choice([0.3, 1.0, 1.8])
    for k, rate in enumerate(RATES):
        day = 200 - 20 * k
        rows.append(message_event(who, "sent", f"m{k}", day))
        reluctant = any(0 <= visited - day < SETTINGS.barrier_days for visited in pricing)
        if rng.random() < rate * interest * (factor if reluctant else 1.0):
            rows.append(message_event(who, "reference", f"m{k}", day - 0.1))
    return rows


def message_world(factor, seed, prospects=400):
    """Return a world's study and its sends."""
    rng = np.random.default_rng(seed)
    rows = [row for k in range(prospects) for row in message_history(rng, f"p{k:03d}", factor)]
    study = study_of(*rows, messages=messages(len(RATES)))
    sends = sends_of(study)
    return study, sends.where(sends.window_closed)


def test_a_planted_barrier_is_found_where_every_decision_is_a_response():
    """Three in ten respond where all would; there is no decision without a message."""
    study, sends = message_world(0.3, seed=1)
    (found,) = find_barriers(study, sends, SETTINGS, confidence=0.95)
    assert (found.kind, found.step) == ("trust_barrier", "pricing")
    assert found.lost_completions_low < found.lost_completions < found.lost_completions_high
    assert "responses to messages of the stage" in found.evidence
    marked = sends_after_barriers(study, sends, [found], SETTINGS)
    assert sends.responded[~marked].mean() > 0.2
    assert sends.responded[marked].mean() < 0.5 * sends.responded[~marked].mean()


def test_later_messages_with_fewer_responses_are_no_barrier():
    """Pricing comes late, as do the messages with few responses: that alone is no barrier."""
    for seed in range(4):
        study, sends = message_world(1.0, seed=seed)
        assert find_barriers(study, sends, SETTINGS, confidence=0.95) == []


def test_responses_and_expected_responses_by_hand():
    """Ada has messages before and after pricing; Bob never saw pricing."""
    rows = [
        message_event("ada", "sent", "m0", 90),
        message_event("ada", "reference", "m0", 89),
        event("ada", "pricing", instant(-60 * DAY)),
        message_event("ada", "sent", "m1", 50),
        message_event("ada", "sent", "m2", 29),
        message_event("bob", "sent", "m0", 90),
        message_event("bob", "sent", "m1", 50),
        message_event("bob", "reference", "m1", 49),
    ]
    study = study_of(*rows, messages=messages(3))
    sends = sends_of(study)
    nothing = np.zeros(len(JOURNEY), bool)
    found = responses_after(
        study, sends, JOURNEY.code_of("pricing"), hidden=nothing, length=30 * DAY * 10**6
    )
    responses, other_responses, expected, other_expected = (column.tolist() for column in found)
    assert (responses, other_responses) == ([0, 0], [1, 1])
    assert expected == pytest.approx([1.0, 0])  # m1: only Bob gets it at another time, and responds
    assert other_expected == pytest.approx([0.5, 1.5])  # m0: one of two; m2 gets no response
