"""Intervals where nothing has an effect, through real exports, as often as one likes.

``python benchmarks/nulls.py`` writes the exports of the demo world `null` and
ingests them, with machines, dirt and identities. Its conversions have the same
hazard for everybody at all times, so they are drawn anew ``--draws`` times: each
draw is another null world of the same journeys, in seconds instead of minutes. A
prospect who did convert is followed until then. Printed are how often the
intervals of the planted sequence hold 1, and the rate of either order over the
true rate, all draws together: away from 1, the measurement would be biased.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from microconv.demo import simulate
from microconv.histories.arrays import DAY, NEVER
from microconv.ingest.ingest import Outputs, ingest
from microconv.journey import JourneyMap
from microconv.measurement.impact.person_time import (
    SequenceFollowUp,
    follow_sequence,
    total_person_time,
)
from microconv.measurement.stats.intervals import Ratio, pooled_rate_ratio, rate_ratio
from microconv.measurement.study.human_events import select_human_events
from microconv.measurement.study.load import load_study
from microconv.measurement.study.study import Study
from microconv.settings import Settings, read_settings
from microconv.storage.log import EventLog

HERE = Path(__file__).parents[1]


def main() -> None:
    """Write the exports, read them, draw and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prospects", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=150)
    parser.add_argument("--per-day", type=float, nargs="+", default=[0.00025, 0.005])
    arguments = parser.parse_args()
    settings = read_settings(HERE / "params.yaml")
    with tempfile.TemporaryDirectory() as scratch:
        study = null_study(settings, Path(scratch), arguments.prospects, arguments.seed)
    for rate in arguments.per_day:
        draws = list(followed(study, settings, rate, arguments.draws))
        print(f"{rate:g} conversions per day at risk: {summary(draws, rate)}", flush=True)


def null_study(settings: Settings, folder: Path, prospects: int, seed: int) -> Study:
    """Simulate the world `null`, ingest its exports and load the study."""
    if settings.simulate is None:
        raise SystemExit("params.yaml has no section `simulate`.")
    world = settings.simulate.model_copy(
        update={"world": "null", "prospects": prospects, "seed": seed}
    )
    simulate(world, out=folder / "raw", truth=folder / "truth")
    outputs = Outputs(folder / "log", folder / "quarantine", folder / "ingest.json")
    ingest(settings.ingest, outputs=outputs, input_dir=folder / "raw")
    log, journey = EventLog.open(folder / "log"), JourneyMap.from_settings(settings.journey)
    return load_study(log, journey, observed_until=log.observed_until(journey))


def followed(
    study: Study, settings: Settings, rate: float, draws: int
) -> Iterator[SequenceFollowUp]:
    """Redraw the conversions and follow the first planned sequence."""
    steps = settings.measure.sequences[0].steps
    sequence = np.array([study.journey.code_of(step) for step in steps], np.int16)
    within, effect = settings.measure.within_days, settings.measure.effect_days
    spans = round(within * DAY), round(effect * DAY)
    everybody = np.ones(len(study), bool)
    rng = np.random.default_rng(1)
    for _ in range(draws):
        drawn = redrawn(study, rate, rng)
        human_events = select_human_events(
            drawn, min_human_probability=settings.measure.min_human_probability
        )
        yield follow_sequence(
            sequence, total_person_time(human_events, drawn.follow_up, everybody), spans=spans
        )


def redrawn(study: Study, rate: float, rng: np.random.Generator) -> Study:
    """Let everybody at risk convert at the same rate per day, whatever they do."""
    follow_up = study.follow_up
    wait = np.minimum(rng.exponential(1 / rate, len(study)), 1e4) * DAY
    converted = follow_up.first_seen + wait.astype(np.int64)
    converted = np.where(converted < follow_up.ended_at, converted, NEVER)
    ended = np.minimum(converted, follow_up.ended_at)
    return replace(study, follow_up=replace(follow_up, converted_at=converted, ended_at=ended))


def summary(draws: list[SequenceFollowUp], rate: float) -> str:
    """Say what all draws together show."""
    events = np.sum([each.order_events for each in draws], axis=0)
    days = np.sum([each.order_days for each in draws], axis=0)
    in_order, other = (float(found) for found in events / days / rate)
    spread = 1.96 * np.sqrt(1 / events)
    order = [
        rate_ratio(tuple(each.order_events), tuple(each.order_days), confidence=0.95)
        for each in draws
    ]
    not_yet = [pooled_rate_ratio(tuple(d.events), tuple(d.days), confidence=0.95) for d in draws]
    return (
        f"{events[0] / len(draws):.1f} and {events[1] / len(draws):.1f} conversions a draw, in "
        f"order and in another; rate over the true one {in_order:.3f} +- {spread[0]:.3f} and "
        f"{other:.3f} +- {spread[1]:.3f}; against another order the interval contains 1 in "
        f"{holding(order):.1%} of {len(draws)} draws, against not yet in {holding(not_yet):.1%}"
    )


def holding(ratios: list[Ratio]) -> float:
    """Return the share of defined intervals that contain 1."""
    return float(np.mean([r.low <= 1 <= r.high for r in ratios if np.isfinite(r.p)]))


if __name__ == "__main__":
    main()
