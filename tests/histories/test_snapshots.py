"""The cohort and the label, against worked dates and a slow obvious oracle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microconv.errors import TimeError
from microconv.histories.arrays import DAY, microseconds
from microconv.histories.snapshots import (
    STATUSES,
    cohort_snapshots,
    cohort_status,
)
from microconv.settings import SnapshotSettings
from worlds.logs import AS_OF, JOURNEY, event, event_rows, histories_of, instant

WEEK = 7 * 86_400
FAR = datetime(2030, 1, 1, tzinfo=UTC)
SETTINGS = SnapshotSettings.model_validate(
    {
        "first": "2024-05-06T00:00:00Z",
        "every_days": 7,
        "horizon_days": 30,
        "active_within_days": 14,
    }
)


def status_of(rows, as_of=AS_OF, settings=SETTINGS):
    """Return the status of the only prospect at one instant."""
    return STATUSES[cohort_status(histories_of(*rows), JOURNEY, settings, [as_of])[0, 0]]


def snapshots_of(rows, as_ofs=(AS_OF,), observed_until=FAR):
    """Return the rows of the snapshots as dictionaries."""
    table, _ = cohort_snapshots(histories_of(*rows), JOURNEY, SETTINGS, as_ofs, observed_until)
    return table.to_pylist()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([event("ada", "blog", instant(-1))], "in_cohort", id="a second before"),
        pytest.param([event("ada", "blog", instant(0))], "unknown", id="at the instant itself"),
        pytest.param(
            [event("ada", "blog", instant(-60), seen=instant(0))], "unknown", id="known too late"
        ),
        pytest.param(
            [event("ada", "blog", instant(-2 * WEEK))], "in_cohort", id="window's first instant"
        ),
        pytest.param(
            [event("ada", "blog", instant(-2 * WEEK - 1))], "inactive", id="a second too old"
        ),
        pytest.param([event("ada", "won", instant(-1))], "converted", id="a customer"),
        pytest.param(
            [event("ada", "blog", instant(-9)), event("ada", "won", instant(-5), seen=instant(5))],
            "in_cohort",
            id="an unknown customer",
        ),
        pytest.param(
            [event("ada", "blog", instant(-9)), event("ada", "left", instant(-5))],
            "exited",
            id="unsubscribed",
        ),
        pytest.param(
            [event("ada", "blog", instant(-9), visible_until=instant(-1))],
            "merged",
            id="merged away",
        ),
        pytest.param(
            [event("ada", "blog", instant(-9), visible_until=instant(0))],
            "in_cohort",
            id="merges now",
        ),
    ],
)
def test_the_cohort_is_known_active_not_converted_and_not_exited(rows, expected):
    """Each rule decides by what was visible strictly before the instant."""
    assert status_of(rows) == expected


def test_exposures_do_not_count_as_activity_where_the_settings_leave_them_out():
    """The cohort may depend on the prospect's own actions alone."""
    own_actions = SETTINGS.model_copy(update={"active_kinds": ("micro",)})
    rows = [event("ada", "blog", instant(-4 * WEEK)), event("ada", "opened", instant(-60))]
    assert status_of(rows) == "in_cohort"
    assert status_of(rows, settings=own_actions) == "inactive"


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        pytest.param(0, True, id="at as_of"),
        pytest.param(30 * 86_400 - 1, True, id="last second of the window"),
        pytest.param(30 * 86_400, False, id="at the window's end"),
    ],
)
def test_a_conversion_counts_from_as_of_to_just_before_the_horizon(offset, expected):
    """The window is `[as_of, as_of + horizon)`."""
    rows = [event("ada", "blog", instant(-60)), event("ada", "won", instant(offset), value=90.0)]
    (row,) = snapshots_of(rows)
    assert row["converted"] is expected
    assert row["value"] == (90.0 if expected else None)


def test_a_conversion_holds_when_it_became_known_and_how_long_it_took():
    """A fold that begins before `known_at` must not train on the conversion."""
    rows = [
        event("ada", "blog", instant(-60)),
        event("ada", "won", instant(86_400 * 3), seen=instant(86_400 * 9), value=40.0),
        event("ada", "won", instant(86_400 * 5), value=2.0),
    ]
    (row,) = snapshots_of(rows)
    assert row["days_to_conversion"] == pytest.approx(3)
    assert row["known_at"] == instant(86_400 * 5)
    assert row["value"] == 42.0


def test_a_conversion_at_the_windows_end_adds_nothing_to_one_inside():
    """Neither its value nor, if it was known sooner, the instant of knowledge."""
    end = 30 * 86_400
    rows = [
        event("ada", "blog", instant(-60)),
        event("ada", "won", instant(5), seen=instant(end + 9), value=40.0),
        event("ada", "won", instant(end), value=2.0),
    ]
    (row,) = snapshots_of(rows)
    assert (row["value"], row["known_at"]) == (40.0, instant(end + 9))


def test_an_open_window_has_no_label_and_is_never_negative():
    """Even a conversion already seen does not label a window that is still open."""
    rows = [event("ada", "blog", instant(-60)), event("ada", "won", instant(60))]
    (row,) = snapshots_of(rows, observed_until=AS_OF + timedelta(days=30, microseconds=-1))
    assert row["observed"] is False
    assert row["converted"] is None
    assert row["value"] is None
    (row,) = snapshots_of(rows, observed_until=AS_OF + timedelta(days=30))
    assert row["converted"] is True


def test_a_merge_inside_the_window_leaves_the_loser_without_a_label():
    """After the merge, what the loser alone would have done cannot be known."""
    rows = [event("ada", "blog", instant(-60), visible_until=instant(86_400))]
    (row,) = snapshots_of(rows)
    assert (row["observed"], row["converted"]) == (False, None)


@pytest.mark.parametrize(
    ("rows", "until", "days", "followed"),
    [
        pytest.param([], 10, None, 10, id="nothing so far"),
        pytest.param([event("ada", "won", instant(4 * 86_400))], 10, 4, 10, id="early"),
        pytest.param([event("ada", "won", instant(40 * 86_400))], 50, 40, 50, id="late"),
        pytest.param([event("ada", "won", instant(10 * 86_400))], 10, None, 10, id="not complete"),
        pytest.param(
            [event("ada", "blog", instant(-9), visible_until=instant(6 * 86_400))],
            10,
            None,
            6,
            id="merged away",
        ),
    ],
)
def test_every_row_holds_how_long_it_was_followed_and_its_first_conversion(
    rows, until, days, followed
):
    """An open window is partly observed, and a long one may exceed the horizon."""
    rows = [event("ada", "blog", instant(-60)), *rows]
    (row,) = snapshots_of(rows, observed_until=instant(until * 86_400))
    assert row["days_to_conversion"] == (None if days is None else pytest.approx(days))
    assert row["followed_until"] == instant(followed * 86_400)


@pytest.mark.parametrize(
    ("rows", "until", "known"),
    [
        pytest.param([], 40, None, id="stays"),
        pytest.param([event("ada", "left", instant(0))], 40, 0, id="at as_of"),
        pytest.param([event("ada", "left", instant(30 * 86_400))], 40, None, id="at the end"),
        pytest.param([event("ada", "left", instant(7 * 86_400))], 7, None, id="not complete yet"),
        pytest.param(
            [event("ada", "left", instant(60), seen=instant(35 * 86_400))], 40, 35, id="known late"
        ),
        pytest.param(
            [
                event("ada", "left", instant(60), seen=instant(9 * 86_400)),
                event("ada", "left", instant(90), seen=instant(8 * 86_400)),
            ],
            40,
            8,
            id="twice, the second known sooner",
        ),
        pytest.param(
            [
                event("ada", "left", instant(60), seen=instant(8 * 86_400)),
                event("ada", "left", instant(90), seen=instant(9 * 86_400)),
            ],
            40,
            8,
            id="twice, the second known later",
        ),
        pytest.param(
            [event("ada", "won", instant(60)), event("ada", "left", instant(86_400))],
            40,
            1,
            id="a customer who unsubscribes",
        ),
    ],
)
def test_an_exit_in_the_window_holds_when_it_became_known(rows, until, known):
    """A fold that begins earlier must not learn from it; exits after the window do not count."""
    rows = [event("ada", "blog", instant(-60)), *rows]
    (row,) = snapshots_of(rows, observed_until=instant(until * 86_400))
    assert row["exit_known_at"] == (None if known is None else instant(known * 86_400))
    assert row["converted"] is (None if until < 30 else any(r["event_name"] == "won" for r in rows))


def test_the_weights_of_a_prospect_sum_to_one():
    """A prospect with snapshots on four Mondays has weight one quarter on each."""
    mondays = [AS_OF + timedelta(days=7 * k) for k in range(2)]
    rows = [event("ada", "blog", instant(-60)), event("bob", "blog", instant(WEEK - 60))]
    weights = {}
    for row in snapshots_of(rows, as_ofs=mondays):
        weights.setdefault(row["prospect_id"], []).append(row["weight"])
    assert weights == {"ada": [0.5, 0.5], "bob": [1.0]}


def oracle(rows, as_of, prospect):
    """Label one snapshot straight from the rows, in plain Python."""
    mine = [row for row in rows if row["prospect_id"] == prospect]
    kind = {step.name: step.kind for step in JOURNEY.steps}
    seen = [
        row
        for row in mine
        if row["visible_at"] < as_of
        and (row["visible_until"] is None or as_of <= row["visible_until"])
    ]
    kinds = {kind[row["event_name"]] for row in seen}
    fresh = [
        row
        for row in seen
        if kind[row["event_name"]] in ("exposure", "micro")
        and row["time"] >= as_of - timedelta(days=14)
    ]
    if not seen or kinds & {"major", "exit"} or not fresh:
        return None
    end = as_of + timedelta(days=30)
    majors = [r for r in mine if kind[r["event_name"]] == "major" and as_of <= r["time"] < FAR]
    won = [r for r in majors if r["time"] < end]
    merges = [r["visible_until"] for r in mine if r["visible_until"] is not None]
    merged = min([at for at in merges if as_of <= at < FAR], default=FAR)
    exits = [r for r in mine if kind[r["event_name"]] == "exit" and as_of <= r["time"] < end]
    left = min([r["visible_at"] for r in exits], default=None)
    if won:
        return True, min(row["visible_at"] for row in won), left
    later = sorted((r for r in majors if r["time"] < merged), key=lambda r: r["time"])
    known = later[0]["visible_at"] if later else None
    return (None if merged < end else False), known, left


@given(rows=event_rows(-30 * 86_400, 40 * 86_400), shift=st.integers(-WEEK, WEEK))
def test_snapshots_agree_with_a_slow_obvious_oracle(rows, shift):
    """Cohort, label, exit and instants of knowledge, for any log with late rows and merges."""
    as_of = instant(shift)
    found = {}
    if rows:
        found = {
            row["prospect_id"]: (row["converted"], row["known_at"], row["exit_known_at"])
            for row in snapshots_of(rows, as_ofs=[as_of])
        }
    prospects = {str(row["prospect_id"]) for row in rows}
    expected = {who: oracle(rows, as_of, who) for who in sorted(prospects)}
    assert found == {who: answer for who, answer in expected.items() if answer is not None}


@given(past=event_rows(-30 * 86_400, -1), future=event_rows(0, 40 * 86_400))
def test_the_future_never_reaches_the_cohort(past, future):
    """Events at or after the instant, the instant itself included, change no status."""
    if not past:
        return
    without = cohort_status(histories_of(*past), JOURNEY, SETTINGS, [AS_OF])[:, 0]
    later = histories_of(*past, *future)
    names = later.prospect_ids.to_pylist()
    old = histories_of(*past).prospect_ids.to_pylist()
    found = cohort_status(later, JOURNEY, SETTINGS, [AS_OF])[:, 0]
    assert [found[names.index(who)] for who in old] == list(without)
    assert all(found[k] == 1 for k, who in enumerate(names) if who not in old)


def test_a_naive_instant_is_rejected():
    """Without a time zone it is ambiguous."""
    with pytest.raises(TimeError, match="has no time zone"):
        microseconds(datetime(2024, 1, 1))  # noqa: DTZ001 - the naive instant is the point


def test_microseconds_agree_with_numpy_across_zones():
    """The same instant in two zones is one number."""
    at = datetime.fromisoformat("2024-03-31T03:30:00.000001+02:00")
    assert microseconds(at) == np.datetime64("2024-03-31T01:30:00.000001", "us").astype(int)
    assert microseconds(datetime(1970, 1, 2, tzinfo=UTC)) == DAY
