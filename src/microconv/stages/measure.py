"""measure: which small steps lead to the big one, every figure with its interval."""

from __future__ import annotations

from pathlib import Path

from microconv.events.log import EventLog
from microconv.journey import JourneyMap
from microconv.measurement.measure import measure as measure_all
from microconv.measurement.measure import write_measurement
from microconv.measurement.study_load import load_study
from microconv.settings import Settings
from microconv.stages.shell import run


def measure(settings: Settings, *, log: Path, journey: Path, tables: Path) -> str:
    """Measure the journey, looking back from the instant up to which outcomes are complete."""
    opened, steps = EventLog.open(log), JourneyMap.from_settings(settings.journey)
    study = load_study(
        opened,
        steps,
        observed_until=opened.observed_until(steps),
        messages=opened.read_messages(),
        threads=settings.engine.threads,
    )
    sections = measure_all(study, settings, threads=settings.engine.threads)
    write_measurement(study, sections, report=journey, tables=tables)
    gaps = sum(len(section.missing) for section in sections.values())
    said = sections["impact"].says[0] if sections["impact"].says else "nothing to compare"
    return f"{len(study):,} prospects, {len(sections)} sections, {gaps} gaps named; {said}"


if __name__ == "__main__":
    run(measure)
