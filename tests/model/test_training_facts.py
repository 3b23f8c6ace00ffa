"""What a model was trained on, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from microconv.model.amount import winsorised_mean
from microconv.model.training_facts import TrainingFacts
from microconv.settings import ReadinessSettings
from worlds.saved_parts import through_json


def snapshots() -> pd.DataFrame:
    """Ada: two snapshots before one sale of 100; Bo: one, sale of unknown value; Cy never buys."""
    return pd.DataFrame(
        {
            "prospect_id": ["ada", "ada", "bo", "cy"],
            "as_of": pd.to_datetime(
                ["2024-01-08", "2024-01-01", "2024-01-08", "2024-01-08"], utc=True
            ),
            "converted": [True, True, True, False],
            "known_at": pd.to_datetime(["2024-01-20", "2024-01-20", "2024-01-09", None], utc=True),
            "value": [100.0, 100.0, np.nan, np.nan],
            "observed": True,
            "followed_until": pd.Timestamp("2024-03-01", tz="UTC"),
        }
    )


def test_a_conversion_that_answers_two_questions_is_one():
    """Two conversions, three rows that are followed by one."""
    facts = TrainingFacts.from_snapshots(snapshots(), "by hand", ReadinessSettings())
    assert (facts.n_rows, facts.n_prospects, facts.n_conversions) == (4, 3, 2)
    assert facts.base_rate == 0.75
    assert facts.mean_value == 100
    assert (facts.first, facts.last) == (
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 8, tzinfo=UTC),
    )


def test_an_open_window_counts_for_nothing_but_how_far_it_taught():
    """The hazard learnt from it until 1 April: a list of before would know its own outcomes."""
    still_open = (
        snapshots()
        .iloc[3:]
        .assign(observed=False, followed_until=pd.Timestamp("2024-04-01", tz="UTC"))
    )
    with_it = TrainingFacts.from_snapshots(
        pd.concat([snapshots(), still_open], ignore_index=True), "by hand", ReadinessSettings()
    )
    assert with_it.learnt_until == datetime(2024, 4, 1, tzinfo=UTC)
    assert replace(
        with_it, learnt_until=datetime(2024, 3, 1, tzinfo=UTC)
    ) == TrainingFacts.from_snapshots(snapshots(), "by hand", ReadinessSettings())


def test_without_values_there_is_no_mean_value():
    """Unknown is not zero."""
    assert (
        TrainingFacts.from_snapshots(
            snapshots().assign(value=np.nan), "", ReadinessSettings()
        ).mean_value
        is None
    )


def test_one_whale_does_not_set_everybodys_value():
    """199 sales of 10 and one of a million: the mean stays at what a sale is."""
    values = np.array([10.0] * 199 + [1e6])
    assert winsorised_mean(values) == pytest.approx(10)
    assert values.mean() > 5000


def test_json_keeps_the_facts():
    """Instants with their zone included."""
    facts = TrainingFacts.from_snapshots(snapshots(), "by hand", ReadinessSettings())
    assert through_json(facts) == facts
