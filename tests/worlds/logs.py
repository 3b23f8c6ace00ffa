"""Small hand-made logs, and hypothesis strategies for any log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import strategies as st

from microconv.histories.load import load_histories
from microconv.journey import JourneyMap
from microconv.settings import JourneySettings
from microconv.storage.log import MemoryLog
from microconv.storage.schema import EVENT_ORDER, EVENTS

AS_OF = datetime(2024, 6, 3, tzinfo=UTC)
"""The `as_of` of most tests: a Monday, midnight."""

JOURNEY = JourneyMap.from_settings(
    JourneySettings.model_validate(
        {
            "stages": ["awareness", "consideration", "decision"],
            "steps": {
                "sent": {"kind": "exposure"},
                "opened": {"kind": "exposure"},
                "blog": {"kind": "micro", "stage": "awareness", "commitment": 1},
                "guide": {"kind": "micro", "stage": "consideration", "commitment": 2},
                "pricing": {"kind": "micro", "stage": "consideration", "commitment": 3},
                "reference": {"kind": "micro", "stage": "decision", "commitment": 4},
                "won": {"kind": "major"},
                "left": {"kind": "exit"},
            },
        }
    )
)
"""Two exposures, four micro-conversions over three stages, a major and an exit."""


def instant(seconds: float) -> datetime:
    """Return the instant so many seconds after AS_OF."""
    return AS_OF + timedelta(seconds=seconds)


def event(
    prospect: str, name: str, at: datetime, *, seen: datetime | None = None, **more: object
) -> dict[str, object]:
    """Make one row of the events table; `seen` is its `visible_at`."""
    row: dict[str, object] = {field.name: None for field in EVENTS}
    row.update(
        prospect_id=prospect,
        event_name=name,
        time=at,
        known_at=seen or at,
        visible_at=seen or at,
        human_probability=1.0,
        event_id=f"{prospect} {name} {at.isoformat()}",
    )
    return row | more


def log_of(*rows: dict[str, object]) -> MemoryLog:
    """Sort rows into a log."""
    ordered = sorted(rows, key=lambda row: tuple(str(row[name]) for name in EVENT_ORDER))
    return MemoryLog(pa.Table.from_pylist(ordered, schema=EVENTS))


def histories_of(*rows: dict[str, object]):
    """Load the histories of a hand-made log."""
    return load_histories(log_of(*rows).read_events(0), JOURNEY)


@st.composite
def event_rows(draw, earliest: int, latest: int, *, most: int = 25, late: bool = True):
    """Draw events of a few prospects, times in seconds from AS_OF, some of them late or merged."""
    rows = []
    for number in range(draw(st.integers(0, most))):
        at = instant(draw(st.integers(earliest, latest)))
        delay = draw(st.sampled_from([0, 0, 0, 60, 86_400, 5 * 86_400])) if late else 0
        row = event(
            draw(st.sampled_from(["ada", "bob", "cy"])),
            draw(st.sampled_from(JOURNEY.step_names)),
            at,
            seen=at + timedelta(seconds=delay),
            value=draw(st.sampled_from([None, 10.0, 250.0])),
        )
        row["event_id"] = f"{number:03d}"
        if late and draw(st.integers(0, 9)) == 0:
            row["visible_until"] = row["visible_at"] + timedelta(
                seconds=draw(st.integers(0, 10 * 86_400))
            )
        rows.append(row)
    return rows
