"""Attempts at a multi-step micro-conversion, and the clients they fail on."""

from __future__ import annotations

import numpy as np
import pytest

from microconv.journey import JourneyMap
from microconv.measurement.bottlenecks.friction import find_friction, list_attempts
from microconv.settings import BottleneckSettings, JourneySettings
from worlds.logs import event, instant
from worlds.studies import study_of

MINUTE, DAY = 60, 86_400

JOURNEY = JourneyMap.from_settings(
    JourneySettings.model_validate(
        {
            "steps": {
                "page": {"kind": "exposure", "events": ["page_1", "page_2", "page_3"]},
                "form": {"kind": "micro", "stage": "awareness", "commitment": 2},
                "won": {"kind": "major"},
            },
            "multi_step": {"form": ["page_1", "page_2", "page_3"]},
        }
    )
)


def at(day, minute):
    """Return an instant so many days before the end, and minutes after that."""
    return instant(-day * DAY + minute * MINUTE)


def attempts(*rows):
    """List the attempts of some rows."""
    return list_attempts(study_of(*rows, journey=JOURNEY), "form", pause_minutes=30)


def test_parts_without_a_pause_are_one_attempt():
    """Half an hour to the second is a pause: two attempts, the second finished."""
    found = attempts(
        event("ada", "page_1", at(9, 0)), event("ada", "page_2", at(9, 29)),
        event("ada", "page_1", at(9, 59)), event("ada", "page_2", at(9, 60)),
        event("ada", "page_3", at(9, 61)), event("ada", "form", at(9, 62)),
    )  # fmt: skip
    assert found.reached.tolist() == [1, 2]
    assert found.finished.tolist() == [False, True]
    assert found.repeats.tolist() == [1, 1]


def test_a_step_after_the_pause_finishes_no_attempt():
    """Coming back the next day without the parts is another attempt."""
    found = attempts(event("ada", "page_1", at(9, 0)), event("ada", "form", at(8, 0)))
    assert found.finished.tolist() == [False]


def test_a_part_after_the_step_is_done_begins_another_attempt():
    """Whoever fills the form in twice made two attempts, and finished one so far."""
    found = attempts(
        event("ada", "page_1", at(9, 0)), event("ada", "form", at(9, 5)),
        event("ada", "page_1", at(9, 6)),
    )  # fmt: skip
    assert found.finished.tolist() == [True, False]


def test_repeats_of_a_part_are_counted():
    """The last page, five times within minutes."""
    rows = [event("ada", "page_3", at(9, k), event_id=f"{k}") for k in range(5)]
    assert attempts(event("ada", "page_1", at(9, -1)), *rows).repeats.tolist() == [5]


def test_an_attempt_in_progress_at_the_end_is_left_out():
    """Ten minutes before the end it may still be finished."""
    found = attempts(event("ada", "page_1", at(0, -10)), event("bob", "page_1", at(0, -30)))
    assert found.prospect.tolist() == [1]


def world(failing, other, *, clients=("safari", "chrome")):
    """Let 100 prospects on each of two clients start; so many finish, the others retry."""
    rows = []
    for client, finish in zip(clients, (failing, other), strict=True):
        for k in range(100):
            who = f"{client}{k:03d}"
            rows.append(event(who, "page_1", at(9, 0), client=client))
            if k < finish:
                rows.append(event(who, "form", at(9, 5)))
            else:
                rows += [
                    event(who, "page_3", at(9, 5 + n), client=client, event_id=f"{who}{n}")
                    for n in range(4)
                ]
    return study_of(*rows, journey=JOURNEY)


def test_the_client_that_fails_is_named_with_what_it_costs():
    """20 of 100 finish there against 60 elsewhere: 40 are lost."""
    (found,) = find_friction(world(20, 60), BottleneckSettings(), confidence=0.95)
    assert (found.kind, found.step, found.detail) == ("technical_friction", "form", "safari")
    assert found.lost_completions == pytest.approx(40)
    assert found.lost_completions_low < 40 < found.lost_completions_high
    assert "80% of them repeat a part 3 times" in found.evidence


def test_where_all_clients_fail_alike_the_retries_are_the_finding():
    """Half of all attempts end in retries, on both clients."""
    (found,) = find_friction(world(50, 50), BottleneckSettings(), confidence=0.95)
    assert found.detail == ""
    assert found.lost_completions == 100


def test_nothing_is_found_where_nothing_fails():
    """Small differences between clients are chance."""
    assert find_friction(world(95, 92), BottleneckSettings(), confidence=0.95) == []


def test_clients_that_differ_by_chance_are_rarely_reported():
    """Twenty worlds without friction, two clients each."""
    rng = np.random.default_rng(1)
    reported = 0
    for _ in range(20):
        study = world(*rng.binomial(100, 0.95, 2))
        reported += len(find_friction(study, BottleneckSettings(), confidence=0.95))
    assert reported == 0
