"""Rows, labels as they were known, weights and the later slice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from microconv.errors import NotEnoughDataError
from microconv.model.training_rows import (
    MIN_PER_CLASS,
    TrainingConfig,
    known_exits,
    known_labels,
    plan_validation,
    require_both_classes,
    rows_at,
    sorted_rows,
    visit_order_weights,
)
from microconv.settings import ModelSettings

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


def config(share: float = 0.25, embargo_days: float = 30) -> TrainingConfig:
    """Return a config of which only the dates matter."""
    return TrainingConfig(
        ModelSettings(seed=1, calibration_share=share), timedelta(days=embargo_days)
    )


def asked_weekly(first: datetime, dates: int, per_date: int = 100) -> pd.DataFrame:
    """Ask `per_date` prospects on each date; every other one converts a day later."""
    as_of = np.repeat([first + timedelta(days=7 * k) for k in range(dates)], per_date)
    converted = np.tile(np.arange(per_date) % 2 == 0, dates)
    instants = pd.to_datetime(pd.Series(as_of), utc=True)
    return pd.DataFrame(
        {
            "prospect_id": [f"p{k}" for k in range(len(as_of))],
            "as_of": instants,
            "converted": converted,
            "known_at": (instants + pd.Timedelta(days=1)).where(pd.Series(converted)),
        }
    )


def test_a_conversion_known_at_the_very_instant_does_not_count_yet():
    """Intervals are half open: what becomes known at the test's first instant is the future."""
    known = pd.to_datetime([NOON - timedelta(microseconds=1), NOON, NOON, None], utc=True)
    snapshots = pd.DataFrame({"converted": [True, True, False, False], "known_at": known})
    assert known_labels(snapshots, NOON).tolist() == [True, False, False, False]
    assert known_labels(snapshots, None).tolist() == [True, True, False, False]


def test_an_exit_known_at_the_very_instant_does_not_count_yet():
    """As with conversions: what becomes known at the test's first instant is the future."""
    known = pd.to_datetime([NOON - timedelta(microseconds=1), NOON, None], utc=True)
    snapshots = pd.DataFrame({"exit_known_at": known})
    assert known_exits(snapshots, NOON).tolist() == [True, False, False]
    assert known_exits(snapshots, None).tolist() == [True, True, False]


def test_rows_are_found_by_their_instant():
    """A fold is a set of instants; whoever has a snapshot then belongs to it."""
    snapshots = asked_weekly(NOON, 3, per_date=1)
    chosen = rows_at(snapshots, (NOON, NOON + timedelta(days=14)))
    assert chosen.tolist() == [True, False, True]


def test_turn_weights_do_not_know_who_will_convert():
    """Converters have fewer snapshots; weights by all their rows would inflate the base rate."""
    rng = np.random.default_rng(0)
    arrival, wait = rng.uniform(0, 200, 6000), rng.exponential(600, 6000)
    rows = [
        (person, day, arrival[person] + wait[person] < day + 30)
        for day in range(30, 200, 14)
        for person in np.flatnonzero((arrival < day) & (arrival + wait > day))
    ]
    frame = pd.DataFrame(rows, columns=["prospect_id", "as_of", "converted"])
    rate = frame["converted"].mean()
    by_turn = np.average(frame["converted"], weights=visit_order_weights(frame))
    by_all = np.average(
        frame["converted"], weights=1 / frame.groupby("prospect_id")["as_of"].transform("size")
    )
    assert by_turn == pytest.approx(rate, rel=0.06)
    assert by_all > 1.3 * rate


def test_rows_are_used_in_one_order_however_the_table_is_sorted():
    """The order of a training set depends on the number of buckets; models must not."""
    snapshots = asked_weekly(NOON, 3, per_date=4)
    shuffled = snapshots.sample(frac=1, random_state=5).reset_index(drop=True)
    everything = np.ones(len(snapshots), bool)
    one = snapshots.iloc[sorted_rows(snapshots, everything)]
    other = shuffled.iloc[sorted_rows(shuffled, everything)]
    assert one["prospect_id"].tolist() == other["prospect_id"].tolist()
    assert one["prospect_id"].tolist() == sorted(snapshots["prospect_id"])


def test_the_validation_split_keeps_the_embargo_of_the_worked_example():
    """Ten Mondays from 3 October 2011: validation from 21 November, training until 17 October."""
    first = datetime(2011, 10, 3, tzinfo=UTC)
    snapshots = asked_weekly(first, 10)
    everything = np.ones(len(snapshots), bool)
    plan = plan_validation(snapshots, everything, known_labels(snapshots, None), config())
    assert plan.begins == datetime(2011, 11, 21, tzinfo=UTC)
    assert snapshots["as_of"][plan.validation].dt.strftime("%m-%d").unique().tolist() == [
        "11-21",
        "11-28",
        "12-05",
    ]
    assert snapshots["as_of"][plan.train].dt.strftime("%m-%d").unique().tolist() == [
        "10-03",
        "10-10",
        "10-17",
    ]


def test_a_window_that_closes_as_validation_begins_may_train():
    """The embargo is inclusive: as_of + 28 days = 21 November is closed by then."""
    snapshots = asked_weekly(datetime(2011, 10, 3, tzinfo=UTC), 10)
    everything, labels = np.ones(len(snapshots), bool), known_labels(snapshots, None)
    plan = plan_validation(snapshots, everything, labels, config(embargo_days=28))
    assert snapshots["as_of"][plan.train].max() == pd.Timestamp("2011-10-24", tz="UTC")


@pytest.mark.parametrize(
    ("snapshots", "message"),
    [
        pytest.param(asked_weekly(NOON, 4), "4 training dates are too few", id="dates"),
        pytest.param(
            asked_weekly(NOON, 10, per_date=5), "convert, and at least 25", id="conversions"
        ),
    ],
)
def test_too_little_to_validate_on_is_a_reason_not_an_error(snapshots, message):
    """Little data still trains; the model records why nothing was chosen."""
    everything, labels = np.ones(len(snapshots), bool), known_labels(snapshots, None)
    assert message in plan_validation(snapshots, everything, labels, config())


def test_validation_needs_enough_of_both_outcomes():
    """One below the minimum on either side of the split is too few."""
    snapshots = asked_weekly(NOON, 10, per_date=2 * MIN_PER_CLASS)
    everything, labels = np.ones(len(snapshots), bool), known_labels(snapshots, None)
    later = snapshots["as_of"] >= pd.Timestamp(NOON + timedelta(days=49))
    few = labels & ~(later & (np.arange(len(labels)) % (2 * MIN_PER_CLASS) > 15)).to_numpy()
    assert "on the validation dates" in plan_validation(snapshots, everything, few, config())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        pytest.param([], "There are no rows", id="none"),
        pytest.param([False] * 3, "None of the 3 rows", id="nobody"),
        pytest.param([True] * 3, "All 3 rows", id="everybody"),
    ],
)
def test_one_outcome_is_nothing_to_learn_from(labels, message):
    """The message states how many rows there are and what to check."""
    with pytest.raises(NotEnoughDataError, match=message):
        require_both_classes(np.array(labels, bool), "here")
