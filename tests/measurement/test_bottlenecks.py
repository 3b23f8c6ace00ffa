"""Bottlenecks in the demo world, against what was planted in it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pyarrow.parquet as pq
import pytest
import yaml

from microconv.journey import JourneyMap
from microconv.measurement.bottlenecks.bottlenecks import NONE_FOUND, bottlenecks
from microconv.measurement.experiments.experiments import experiments
from microconv.measurement.study.load import load_study
from microconv.settings import BottleneckSettings, check_settings
from microconv.stages.ingest import ingest
from microconv.storage.log import EventLog
from worlds.demo import Written
from worlds.demo import world as demo
from worlds.logs import event, instant
from worlds.studies import sends_of, study_of

ROOT = Path(__file__).parents[2]


@cache
def settings():
    """Read the project's own settings."""
    return check_settings(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")))


@cache
def measured(seed, prospects):
    """Make a world, read it, and look for bottlenecks and at its tests."""
    folder = Path(mkdtemp())
    written = Written(folder, demo(prospects=prospects, seed=seed))
    journey = JourneyMap.from_settings(settings().journey)
    ingest(
        settings(), inputs=written.raw, log=folder / "log", quarantine=folder / "q.parquet",
        summary=folder / "ingest.json",
    )  # fmt: skip
    log = EventLog.open(folder / "log")
    messages = pq.read_table(folder / "log" / "messages.parquet")
    until = log.observed_until(journey)
    study = load_study(log, journey, observed_until=until, messages=messages)
    sends = sends_of(study, settings().benchmarks.response_days)
    found = bottlenecks(study, sends, settings().bottlenecks, confidence=0.95)
    return (
        found,
        experiments(study, settings().experiments, min_human_probability=0.5),
        written.truth,
    )


def check_bottlenecks(found, truth):
    """Hold what was found against what was planted: each one, of its kind, at its step."""
    table = found.tables["bottlenecks"]
    planted = {(each["kind"], each["step"]) for each in truth["bottlenecks"]}
    assert set(zip(table["kind"], table["step"], strict=True)) == planted
    assert (table["lost_completions_low"] <= table["lost_completions"]).all()
    assert (table["lost_revenue"] > 0).any()
    friction = table[table["kind"] == "technical_friction"].iloc[0]
    assert friction["detail"] == "safari"


def check_tests(tests):
    """Hold the three tests against what was planted: nothing, a winner, a broken split."""
    verdicts = tests.tables["experiments"].set_index("experiment")["result"]
    assert verdicts["demo_subject"] == "sample_ratio_mismatch"
    return verdicts["survey_cta"] == "winner", verdicts["story_subject"] == "no_difference"


@pytest.mark.slow
def test_every_planted_bottleneck_is_found_and_classified_and_no_other():
    """One of each kind; what each costs is stated with its interval."""
    found, _, truth = measured(3, 5000)
    check_bottlenecks(found, truth)


@pytest.mark.slow
def test_what_the_friction_costs_is_what_was_planted():
    """The world counts the assessments that could not be sent."""
    found, _, truth = measured(3, 5000)
    planted = next(b for b in truth["bottlenecks"] if b["kind"] == "technical_friction")
    table = found.tables["bottlenecks"].set_index("kind")
    row = table.loc["technical_friction"]
    assert row["lost_completions"] == pytest.approx(planted["lost"], rel=0.25)


@pytest.mark.slow
def test_the_broken_split_is_refused():
    """42 to 58 instead of half and half, in a world of 5,000."""
    check_tests(measured(3, 5000)[1])


@pytest.mark.slow
def test_bottlenecks_and_tests_are_found_in_other_worlds_too():
    """Four worlds of 10,000: every bottleneck, every broken split, at least 3 winners of 4."""
    won = quiet = 0
    for seed in (11, 12, 13, 14):
        found, tests, truth = measured(seed, 10_000)
        check_bottlenecks(found, truth)
        winner, nothing = check_tests(tests)
        won += winner
        quiet += nothing
    assert won >= 3
    assert quiet >= 3


def test_a_journey_without_messages_parts_or_money_says_what_is_missing():
    """What can be looked for is looked for; nothing fails."""
    study = study_of(event("ada", "blog", instant(-86_400)))
    sends = sends_of(study)
    found = bottlenecks(study, sends, BottleneckSettings(), confidence=0.95)
    assert found.summary == (NONE_FOUND,)
    assert found.tables == {}
    missing = " ".join(found.missing)
    assert "no table of messages" in missing
    assert "journey.multi_step" in missing
    assert "no conversion has a value" in missing.lower()
    json.dumps(found.report())
