"""Folds from dates alone: the worked example, and the laws of the embargo."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microconv.errors import NotEnoughDataError
from microconv.histories.folds import plan_as_ofs, plan_folds
from microconv.settings import BacktestSettings, SnapshotSettings

JANUARY = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MONDAYS = [JANUARY + 7 * k * DAY for k in range(23)]


def test_the_worked_example_holds():
    """1 January to 3 June, 30 days, complete until 8 July: test 27 May and 3 June."""
    (fold,) = plan_folds(
        MONDAYS,
        BacktestSettings(folds=1, test_snapshots=2),
        horizon=30 * DAY,
        observed_until=datetime(2024, 7, 8, tzinfo=UTC),
    )
    assert [f"{as_of:%d %b}" for as_of in fold.test] == ["27 May", "03 Jun"]
    assert fold.train[-1] == datetime(2024, 4, 22, tzinfo=UTC)
    assert fold.name == "2024-05-27"


@given(
    horizon=st.integers(1, 60),
    lag=st.integers(0, 10),
    folds=st.integers(1, 5),
    size=st.integers(1, 4),
    until=st.integers(60, 220),
)
def test_every_training_window_closes_before_its_test_begins(horizon, lag, folds, size, until):
    """And every tested window is closed, and no date is tested twice."""
    settings = BacktestSettings(folds=folds, test_snapshots=size, label_lag_days=lag)
    observed_until = JANUARY + until * DAY
    try:
        plan = plan_folds(MONDAYS, settings, horizon=horizon * DAY, observed_until=observed_until)
    except NotEnoughDataError:
        return
    for fold in plan:
        assert max(fold.train) + (horizon + lag) * DAY <= min(fold.test)
        assert max(fold.test) + horizon * DAY <= observed_until
        later = [m for m in MONDAYS if max(fold.train) < m < min(fold.test)]
        assert all(m + (horizon + lag) * DAY > min(fold.test) for m in later), "embargo too wide"
    tested = [as_of for fold in plan for as_of in fold.test]
    assert tested == sorted(set(tested))


def test_a_horizon_longer_than_the_log_is_a_clear_error():
    """The message says how many windows closed and what to change."""
    with pytest.raises(NotEnoughDataError, match=r"0 have a closed window .*horizon_days"):
        plan_folds(
            MONDAYS,
            BacktestSettings(folds=1, test_snapshots=1),
            horizon=400 * DAY,
            observed_until=datetime(2024, 7, 8, tzinfo=UTC),
        )


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param(None, 3, id="to the end of the log, that instant included"),
        pytest.param("2024-01-14T23:59:59Z", 2, id="no later than last"),
    ],
)
def test_the_grid_runs_from_first_to_the_end(last, expected):
    """The instants are a plain grid of dates."""
    settings = SnapshotSettings.model_validate(
        {
            "first": "2024-01-01T00:00:00Z",
            "last": last,
            "every_days": 7,
            "horizon_days": 3,
            "active_within_days": 9,
        }
    )
    grid = plan_as_ofs(settings, observed_until=datetime(2024, 1, 15, tzinfo=UTC))
    assert grid == tuple(JANUARY + 7 * k * DAY for k in range(expected))
