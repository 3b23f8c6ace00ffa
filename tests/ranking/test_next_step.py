"""Stage, last activity and the next step, by hand and against an oracle."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from microconv.histories.arrays import NOT_YET, VisibleEvents, microseconds
from microconv.histories.visible import visible_events
from microconv.journey import JourneyMap
from microconv.ranking.next_step import Progress, journey_progress
from microconv.settings import JourneySettings
from worlds.logs import AS_OF, JOURNEY, event, event_rows, histories_of

MAJOR = {"kind": "major"}


def stand(*steps: str, journey: JourneyMap = JOURNEY, **more: object) -> Progress:
    """Say where a prospect stands who did these steps, one a day, the last one yesterday."""
    days = range(len(steps), 0, -1)
    rows = [
        event("ada", s, AS_OF - timedelta(days=d), **more) for s, d in zip(steps, days, strict=True)
    ]
    return journey_progress(seen(rows), journey)


def seen(rows: list[dict[str, object]]):
    """Show every prospect of a log what is visible at AS_OF."""
    histories = histories_of(*rows)
    n = len(histories)
    return visible_events(histories, np.arange(n), np.full(n, microseconds(AS_OF)))


@pytest.mark.parametrize(
    ("done", "stage", "next_step"),
    [
        pytest.param(["sent"], None, "blog", id="nothing of their own yet"),
        pytest.param(["blog"], "awareness", "guide", id="the next stage, one level up"),
        pytest.param(["blog", "guide"], "consideration", "pricing", id="same stage before next"),
        pytest.param(["guide"], "consideration", "pricing", id="earlier stages are left alone"),
        pytest.param(["pricing"], "consideration", "guide", id="least commitment first"),
        pytest.param(["guide", "pricing"], "consideration", "reference", id="stage exhausted"),
        pytest.param(["reference"], "decision", None, id="nothing left to ask for"),
        pytest.param(["pricing", "blog"], "consideration", "guide", id="stage is the furthest"),
    ],
)
def test_the_next_step_is_a_small_one(
    done: list[str], stage: str | None, next_step: str | None
) -> None:
    """By hand: blog 1 < guide 2 < pricing 3 (consideration) < reference 4 (decision)."""
    stands = stand(*done)
    assert stands.stage.tolist() == [stage]
    assert stands.next_step.tolist() == [next_step]


def test_never_more_than_one_commitment_level_up() -> None:
    """From commitment 1 the only step left asks for 3: better to ask for nothing."""
    steps = {
        "blog": {"kind": "micro", "stage": "early", "commitment": 1},
        "demo": {"kind": "micro", "stage": "late", "commitment": 3},
        "won": {"kind": "major"},
    }
    journey = JourneyMap.from_settings(
        JourneySettings.model_validate({"stages": ["early", "late"], "steps": steps})
    )
    visible = seen([event("ada", "blog", AS_OF - timedelta(days=1))])
    as_blog = visible.step.copy()
    as_blog[:] = journey.code_of("blog")
    visible = type(visible)(**{**vars(visible), "step": as_blog})
    assert journey_progress(visible, journey).next_step.tolist() == [None]


def test_only_what_a_person_did_counts() -> None:
    """An email sent is no activity, and neither is a click that a scanner more likely made."""
    robot = stand("blog", "pricing", human_probability=0.1)
    assert robot.stage.tolist() == [None]
    assert robot.last_activity.tolist() == [NOT_YET]
    person = stand("blog", "sent")
    assert person.last_activity.tolist() == [microseconds(AS_OF - timedelta(days=2))]


@given(rows=event_rows(-40 * 86_400, 86_400))
def test_standing_agrees_with_going_through_each_history(rows) -> None:
    """The arrays must say what a plain reading of each prospect's visible events says."""
    visible = seen(rows)
    found = journey_progress(visible, JOURNEY)
    ids = visible.histories.prospect_ids.to_pylist()
    for row, name in enumerate(ids):
        mine = [
            r
            for r in rows
            if r["prospect_id"] == name
            and r["visible_at"] < AS_OF
            and (r["visible_until"] is None or r["visible_until"] >= AS_OF)
        ]
        micro = [
            (JOURNEY.steps[JOURNEY.code_of(r["event_name"])], r["time"])
            for r in mine
            if JOURNEY.steps[JOURNEY.code_of(r["event_name"])].kind == "micro"
        ]
        furthest = max((JOURNEY.stages.index(s.stage) for s, _ in micro), default=None)
        assert found.stage[row] == (None if furthest is None else JOURNEY.stages[furthest])
        if micro:
            latest = pd.Timestamp(found.last_activity[row], unit="us", tz="UTC")
            assert latest == max(time for _, time in micro)
        else:
            assert found.last_activity[row] == NOT_YET
        highest = max((s.commitment for s, _ in micro), default=0)
        done = {s.name for s, _ in micro}
        offered = [
            s
            for s in JOURNEY.steps
            if s.kind == "micro"
            and s.name not in done
            and JOURNEY.stages.index(s.stage) - (furthest or 0) in (0, 1)
            and s.commitment <= highest + 1
        ]
        best = min(offered, key=lambda s: (s.commitment, s.stage), default=None)
        assert found.next_step[row] == (None if best is None else best.name)


def test_thousands_of_steps_need_no_table_of_rows_and_steps() -> None:
    """4,000 rows times 5,000 steps were 20 MB of marks, and at a block of a log gigabytes."""
    n_rows, n_steps = 4000, 5000
    steps = {f"s{k}": {"kind": "micro", "stage": "only", "commitment": 1} for k in range(n_steps)}
    journey = JourneyMap.from_settings(
        JourneySettings.model_validate({"stages": ["only"], "steps": {**steps, "won": MAJOR}})
    )
    one = seen([event("ada", "blog", AS_OF - timedelta(days=1))])
    did = np.arange(n_rows) % 3  # whoever did s0 is asked for s1, everybody else for s0
    at = np.arange(n_rows)
    visible = VisibleEvents(
        one.histories, at, np.full(n_rows, one.as_of[0]), at, at + 1,
        np.full(n_rows, one.time[0]), did.astype(np.int16), np.full(n_rows, np.nan),
        np.ones(n_rows, np.float32),
    )  # fmt: skip
    journey_progress(visible, journey)
    tracemalloc.start()
    found = journey_progress(visible, journey)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.next_step.tolist() == ["s0" if step else "s1" for step in did]
    assert peak < 4e6
