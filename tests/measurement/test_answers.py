"""Barriers where decisions come only by a click: answers per ask, within each prospect."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from microconv.histories.arrays import DAY
from microconv.measurement.bottlenecks.self_controlled import find_barriers, hesitant
from microconv.measurement.study.answers import answers_after, asked_to_decide
from microconv.settings import BottleneckSettings
from microconv.storage.schema import MESSAGES
from worlds.logs import JOURNEY, event, instant
from worlds.studies import sends_of, study_of

SETTINGS = BottleneckSettings()
SENT = 86_400
"""One day, in seconds."""

RATES = (0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.1)
"""How many answer each message: ever fewer, while pricing is visited ever later."""


def messages(count):
    """Make a sequence in which every message asks for a reference."""
    rows = [{"message_id": f"m{k}", "position": k, "goal": "reference"} for k in range(count)]
    return pa.Table.from_pylist(rows, schema=MESSAGES)


def answered(who, name, message, day):
    """Make an event of a message."""
    return event(who, name, instant(-day * SENT), message_id=message, event_id=f"{who}{name}{day}")


def history(rng, who, factor):
    """Send a message every twenty days; after pricing answers are `factor` times as likely."""
    pricing = 200 - 200 * np.sqrt(rng.random(rng.poisson(1.5)))
    rows = [event(who, "pricing", instant(-d * SENT), event_id=f"{who}p{d}") for d in pricing]
    eager = rng.choice([0.3, 1.0, 1.8])
    for k, rate in enumerate(RATES):
        day = 200 - 20 * k
        rows.append(answered(who, "sent", f"m{k}", day))
        wary = any(0 <= visited - day < SETTINGS.barrier_days for visited in pricing)
        if rng.random() < rate * eager * (factor if wary else 1.0):
            rows.append(answered(who, "reference", f"m{k}", day - 0.1))
    return rows


def world(factor, seed, prospects=400):
    """Return a world's study and its sends."""
    rng = np.random.default_rng(seed)
    rows = [row for k in range(prospects) for row in history(rng, f"p{k:03d}", factor)]
    study = study_of(*rows, messages=messages(len(RATES)))
    sends = sends_of(study)
    return study, sends.where(sends.window_closed)


def test_a_planted_barrier_is_found_where_every_decision_is_a_click():
    """Three in ten answer where all would; nobody ever decides of their own accord."""
    study, sends = world(0.3, seed=1)
    (found,) = find_barriers(study, sends, SETTINGS, confidence=0.95)
    assert (found.kind, found.step) == ("trust_barrier", "pricing")
    assert found.lost_completions_low < found.lost_completions < found.lost_completions_high
    assert "that a message asks for are done" in found.evidence
    marked = hesitant(study, sends, [found], SETTINGS)
    assert sends.responded[~marked].mean() > 0.2
    assert sends.responded[marked].mean() < 0.5 * sends.responded[~marked].mean()


def test_without_a_barrier_none_is_found_though_later_messages_get_fewer_answers():
    """Pricing comes late, as do the messages that few answer: that alone is no barrier."""
    for seed in range(4):
        study, sends = world(1.0, seed=seed)
        assert find_barriers(study, sends, SETTINGS, confidence=0.95) == []


def test_answers_and_expectations_by_hand():
    """One asked twice, after pricing and before; the other never saw it."""
    rows = [
        answered("ada", "sent", "m0", 90),
        answered("ada", "reference", "m0", 89),
        event("ada", "pricing", instant(-60 * SENT)),
        answered("ada", "sent", "m1", 50),
        answered("ada", "sent", "m2", 29),
        answered("bob", "sent", "m0", 90),
        answered("bob", "sent", "m1", 50),
        answered("bob", "reference", "m1", 49),
    ]
    study = study_of(*rows, messages=messages(3))
    sends = asked_to_decide(study, sends_of(study))
    nothing = np.zeros(len(JOURNEY), bool)
    found = answers_after(study, sends, JOURNEY.code_of("pricing"), nothing, 30 * DAY)
    hit_after, hit_else, after, other = (column.tolist() for column in found)
    assert (hit_after, hit_else) == ([0, 0], [1, 1])
    assert after == pytest.approx([1.0, 0])  # m1: bob alone is asked at another time, and answers
    assert other == pytest.approx([0.5, 1.5])  # m0: one of two; m2 gets no answer from anybody
