"""Stage `measure`: how micro-conversions relate to conversion, each figure with an interval."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from microconv.journey import JourneyMap
from microconv.measurement.measure import measure as measure_all
from microconv.measurement.measure import write_measurement
from microconv.measurement.study.load import load_study
from microconv.measurement.study.message_sends import parse_goals
from microconv.measurement.study.step_grouping import group_rare_steps, named_steps
from microconv.settings import Settings
from microconv.stages.runner import run
from microconv.storage.log import EventLog


def measure(settings: Settings, *, log: Path, journey: Path, tables: Path) -> str:
    """Measure the journey up to the instant until which outcomes are complete.

    Parameters
    ----------
    settings : Settings
    log : Path
        What it reads.
    journey, tables : Path
        What it writes.
    """
    opened, whole = EventLog.open(log), JourneyMap.from_settings(settings.journey)
    messages = opened.read_messages()
    goals = [] if messages is None else messages["goal"].unique().to_pylist()
    named = named_steps(settings, whole) | {step for goal in goals for step in parse_goals(goal)}
    steps, note = group_rare_steps(whole, opened.event_names, named=named)
    study = load_study(
        opened,
        steps,
        observed_until=opened.observed_until(steps),
        messages=messages,
        threads=settings.engine.threads,
    )
    sections = measure_all(study, settings, threads=settings.engine.threads)
    if note:
        first = sections["completion"]
        sections["completion"] = replace(first, missing=(note, *first.missing))
    write_measurement(study, sections, report=journey, tables=tables)
    gaps = sum(len(section.missing) for section in sections.values())
    said = sections["impact"].summary[0] if sections["impact"].summary else "nothing to compare"
    return f"{len(study):,} prospects, {len(sections)} sections, {gaps} gaps named; {said}"


if __name__ == "__main__":
    run(measure)
