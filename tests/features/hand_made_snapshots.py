"""Hand-made snapshots as `VisibleEvents`, and hypothesis strategies for any snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from microconv.features.family import Spec
from microconv.histories.arrays import DAY, NEVER, Histories, VisibleEvents, microseconds
from microconv.settings import FeatureSettings
from worlds.logs import AS_OF, JOURNEY

MINUTE = 60_000_000
HOUR = 60 * MINUTE

SETTINGS = FeatureSettings(
    windows_days=(0.5, 1, 7, 30),
    pairs=(
        ("blog", "pricing"),
        ("pricing", "blog"),
        ("guide", "guide"),
        ("opened", "guide"),
        ("blog", "pricing"),
    ),
    sequences=(
        ("blog", "guide", "pricing"),
        ("guide", "blog", "guide"),
        ("guide", "guide", "blog"),
        ("pricing", "reference"),
    ),
    last_steps=3,
    session_gap_minutes=30,
)
"""Settings that reach every branch: a pair twice, a pair of one step, a pair with an exposure."""


@dataclass(frozen=True)
class Snapshot:
    """One snapshot in plain Python: `as_of`, and (time, step, human_probability) of its events."""

    as_of: int
    events: tuple[tuple[int, str, float], ...]


def make_snapshot(*events: tuple[str, float] | tuple[str, float, float], as_of: datetime = AS_OF):
    """Make a snapshot of (step, days before `as_of`[, human_probability]), in the order given."""
    instant = microseconds(as_of)
    return Snapshot(
        instant,
        tuple(
            (instant - round(days * DAY), step, *(human_probability or [1.0]))
            for step, days, *human_probability in events
        ),
    )


def visible_of(snapshots) -> VisibleEvents:
    """Lay snapshots out as arrays, with hidden events before, between and behind them."""
    hidden = [(0, "pricing", 1.0), (9 * 10**15, "won", 1.0)]
    events, start, end = list(hidden), [], []
    for snapshot in snapshots:
        start.append(len(events))
        events += snapshot.events
        end.append(len(events))
        events += hidden
    time = np.array([event[0] for event in events], np.int64)
    step = np.array([JOURNEY.code_of(event[1]) for event in events], np.int16)
    human_probability = np.array([event[2] for event in events], np.float32)
    value = np.full(len(events), np.nan)
    rows = np.arange(len(snapshots))
    ids = pa.array([str(row) for row in rows])
    until = np.full(len(time), NEVER)
    histories = Histories(
        ids, np.append(start, len(time)), time, time, until, step, value, human_probability
    )
    as_of = np.array([snapshot.as_of for snapshot in snapshots], np.int64)
    starts, ends = np.array(start, np.int64), np.array(end, np.int64)
    return VisibleEvents(histories, rows, as_of, starts, ends, time, step, value, human_probability)


def fill_columns(family, visible: VisibleEvents, settings: FeatureSettings = SETTINGS, state=None):
    """Fill a family's columns over whatever was in memory before; return names and columns."""
    spec = Spec(JOURNEY, settings, state or {})
    names = family.names(spec)
    out = np.full((len(names), len(visible)), 1234.5, np.float32)
    family.fill(out, visible, spec)
    return names, out


def columns_of(family, snapshot: Snapshot, settings: FeatureSettings = SETTINGS):
    """Return a family's columns for one snapshot, by name."""
    names, out = fill_columns(family, visible_of([snapshot]), settings)
    return dict(zip(names, out[:, 0].tolist(), strict=True))


EDGES = [days * DAY + nudge for days in (0.5, 1, 7, 30) for nudge in (-1, 0, 1)]
AGES = st.one_of(
    st.sampled_from([1, 2, MINUTE, 30 * MINUTE, 30 * MINUTE + 1, HOUR, *map(int, EDGES)]),
    st.integers(1, 3 * DAY),
    st.integers(1, 45 * DAY),
)
"""Microseconds before `as_of`: just inside it, on the edges of every window, anywhere."""


@st.composite
def any_snapshot(draw, steps=JOURNEY.step_names, most: int = 14):
    """Draw one snapshot: any steps, ties in time, bots, no events at all."""
    as_of = microseconds(AS_OF) + draw(st.sampled_from([0, 0, 1, 9 * HOUR, 5 * DAY + 7 * MINUTE]))
    ages = draw(st.lists(AGES, max_size=most))
    if ages and draw(st.booleans()):
        ages += draw(st.lists(st.sampled_from(ages), max_size=4))  # ties
    human_probability = st.sampled_from([1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0])
    return Snapshot(
        as_of,
        tuple(
            (as_of - age, draw(st.sampled_from(steps)), draw(human_probability))
            for age in sorted(ages, reverse=True)
        ),
    )


def assert_matches_oracle(family, oracle, snapshots, settings: FeatureSettings = SETTINGS) -> None:
    """Compare every cell with the oracle."""
    names, out = fill_columns(family, visible_of(snapshots), settings)
    assert len(set(names)) == len(names)
    for row, snapshot in enumerate(snapshots):
        expected = oracle(snapshot, JOURNEY, settings)
        assert sorted(expected) == sorted(names)
        np.testing.assert_allclose(
            out[:, row],
            [expected[name] for name in names],
            rtol=2e-6,
            atol=1e-6,
            err_msg=str(dict(zip(names, out[:, row], strict=True))),
        )
