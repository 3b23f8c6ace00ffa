"""Step grouping: journeys of thousands of steps are measured in bounded time and memory."""

from __future__ import annotations

import json

import numpy as np
import pytest

from microconv.journey import JourneyMap
from microconv.measurement.funnel.completion import completion
from microconv.measurement.study.step_grouping import MAX_STEPS, group_rare_steps, named_steps
from microconv.settings import MeasureSettings, check_settings
from microconv.stages.measure import measure
from worlds.logs import JOURNEY, event
from worlds.ranking import settings
from worlds.skewed_logs import events_of, write_log
from worlds.studies import SHIPPED, at, sends_of, study_of

COUNTS = {"blog": 9, "guide": 2, "pricing": 5, "reference": 1, "sent": 7, "opened": 6}


def test_common_steps_stay_and_rare_steps_of_a_stage_are_grouped():
    """Two micro steps and two exposures stay; guide and reference are rare and of two stages."""
    journey, note = group_rare_steps(JOURNEY, COUNTS, named=(), max_steps=2)
    others = {step.name: step for step in journey.steps if step.name.startswith("(other")}
    assert set(journey.step_names) - set(others) == {
        "sent", "opened", "blog", "pricing", "won", "left",
    }  # fmt: skip
    assert others["(other consideration)"].events == ("guide",)
    assert others["(other decision)"].commitment == 4
    assert note.startswith("2 of the 8 steps are grouped")


def test_steps_named_in_the_settings_are_never_grouped():
    """Planned sequences are always measured."""
    journey, _ = group_rare_steps(JOURNEY, COUNTS, named={"reference"}, max_steps=2)
    assert "reference" in journey.step_names
    assert "guide" not in journey.step_names


def test_a_short_journey_is_unchanged():
    """The same object, and no note."""
    assert group_rare_steps(JOURNEY, COUNTS, named=(), max_steps=4) == (JOURNEY, "")


def test_steps_named_in_the_shipped_settings_are_found():
    """The planned sequence and the parts of the video are never grouped."""
    journey = JourneyMap.from_settings(SHIPPED.journey)
    named = named_steps(SHIPPED, journey)
    assert {step for planned in SHIPPED.measure.sequences for step in planned.steps} <= named


def test_grouping_keeps_stage_counts():
    """Ada's guide and Bob's pricing are consideration, together or apart."""
    rows = [
        event("ada", "guide", at(1)),
        event("bob", "pricing", at(2)),
        event("cy", "blog", at(3)),
    ]
    gathered, _ = group_rare_steps(JOURNEY, {}, named=(), max_steps=1)
    apart, order_prospects = (
        completion(study, sends_of(study), MeasureSettings()).tables["stages"]
        for study in (study_of(*rows, journey=journey) for journey in (JOURNEY, gathered))
    )
    assert len(gathered) < len(JOURNEY)
    assert apart.equals(order_prospects)


@pytest.mark.slow
def test_5000_steps_are_measured_in_bounded_time_and_memory(tmp_path):
    """60,000 events over 5,000 pages: the report is written, and names the grouping."""
    pages = {
        f"page_{n:04d}": {"kind": "micro", "stage": "awareness", "commitment": 1}
        for n in range(5000)
    }
    given = settings().model_dump(mode="json")
    given["journey"] = {"stages": ["awareness"], "steps": pages | {"won": {"kind": "major"}}}
    given["features"] = {}
    random = np.random.default_rng(3)
    page = (5000 * random.power(0.4, 60_000)).astype(int)
    names = [*(f"page_{n:04d}" for n in page), *["won"] * 200]
    who = [*random.integers(0, 3000, 60_000), *range(0, 3000, 15)]
    days = [*random.uniform(0, 150, 60_000), *[151] * 200]
    write_log(tmp_path / "log", events_of(who, days, names))
    places = {"log": tmp_path / "log", "journey": tmp_path / "journey.json"}
    measure(check_settings(given), **places, tables=tmp_path / "tables")
    report = json.loads((tmp_path / "journey.json").read_text(encoding="utf-8"))
    assert "4,800 of the 5,001 steps are grouped" in report["completion"]["missing"][0]
    assert len(report["completion"]["tables"]["steps"]) == MAX_STEPS + 1
