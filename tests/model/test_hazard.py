"""The hazard: what it follows, what it adds up, and whether it finds a planted rate."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifelines import NelsonAalenFitter

from microconv.model.booster import Booster
from microconv.model.hazard import FollowUp, Hazard, _estimate_baseline, fit_hazard, follow_up_rows
from microconv.model.logistic import sigmoid
from microconv.model.training_rows import TrainingConfig
from microconv.settings import TreeSettings
from worlds.saved_parts import through_json
from worlds.training_sets import FIRST, MODEL

SMALL_TREES = TreeSettings(
    num_iterations=150, learning_rate=0.05, num_leaves=5, feature_fraction=1.0
)
CONFIG = TrainingConfig(
    MODEL.model_copy(update={"hazard": SMALL_TREES}), timedelta(days=30), threads=1
)
HORIZONS = (7.0, 30.0, 90.0)


def snapshots_of(*rows: tuple[float, float | None, float | None, float]) -> pd.DataFrame:
    """Make snapshots from days after FIRST: as_of, conversion, when known, followed until."""
    day = [[None if d is None else FIRST + timedelta(days=d) for d in row] for row in rows]
    took = [None if row[1] is None else row[1] - row[0] for row in rows]
    frame = pd.DataFrame({"prospect_id": [f"p{k}" for k in range(len(rows))]})
    for position, name in ((0, "as_of"), (2, "known_at"), (3, "followed_until")):
        frame[name] = pd.to_datetime([d[position] for d in day], utc=True).astype(
            "datetime64[us, UTC]"
        )
    frame["days_to_conversion"] = np.array(took, dtype=np.float32)
    return frame


@pytest.mark.parametrize(
    ("row", "now", "lag", "expected"),
    [
        pytest.param((0, None, None, 100), 40, 0, (40, False), id="nothing so far"),
        pytest.param((0, None, None, 20), 40, 0, (20, False), id="merged away"),
        pytest.param((0, 12, 12, 100), 40, 0, (12, True), id="converted"),
        pytest.param((0, 12, 41, 100), 40, 0, (40, False), id="not known yet"),
        pytest.param((0, 12, 40, 100), 40, 0, (40, False), id="known at the instant itself"),
        pytest.param((0, None, None, 100), 40, 5, (35, False), id="takes five days to be known"),
        pytest.param((0, 38, 39, 100), 40, 5, (38, True), id="known sooner"),
        pytest.param((0, None, None, 100), None, 5, (100, False), id="all there is"),
        pytest.param((40, 41, 41, 100), 40, 0, None, id="at the instant itself"),
        pytest.param((38, None, None, 100), 40, 5, None, id="nothing can be known"),
    ],
)
def test_a_row_is_followed_as_far_as_was_known_at_the_instant(row, now, lag, expected):
    """Worked by hand: days followed, and whether it had converted."""
    config = TrainingConfig(MODEL, timedelta(days=30), timedelta(days=lag))
    instant = None if now is None else FIRST + timedelta(days=now)
    found = follow_up_rows(snapshots_of(row), config, now=instant)
    if expected is None:
        assert len(found.rows) == 0
    else:
        assert (found.days[0], found.converted[0]) == expected


def test_without_a_score_the_baseline_is_nelson_and_aalens():
    """Against lifelines, on knots; within a span it is linear where theirs is a staircase."""
    rng = np.random.default_rng(3)
    days = np.minimum(rng.exponential(40, 20_000), rng.uniform(1, 120, 20_000))
    converted = rng.random(20_000) < 0.5
    n = len(days)
    found, total = _estimate_baseline(
        FollowUp(np.arange(n), days, converted, np.ones(n)), np.zeros(n), 30.0
    )
    theirs = NelsonAalenFitter(nelson_aalen_smoothing=False).fit(days, converted)
    expected = theirs.cumulative_hazard_at_times(found).to_numpy()
    assert found[-1] == 90
    assert total == pytest.approx(expected, rel=0.01, abs=1e-6)


@cache
def planted() -> tuple[np.ndarray, pd.DataFrame]:
    """Let a column double or halve a constant rate of 0.01 a day; follow unequally long."""
    rng = np.random.default_rng(0)
    n = 6000
    values = rng.normal(size=(3, n)).astype(np.float32)
    took = rng.exponential(1 / (0.01 * 2.0 ** values[0]))
    until = rng.uniform(1, 150, n)
    rows = [
        (0.0, float(t) if t < u else None, float(t) if t < u else None, float(u))
        for t, u in zip(took, until, strict=True)
    ]
    return values, snapshots_of(*rows)


@cache
def fitted() -> Hazard:
    """Learn it once, as if the log had just ended."""
    values, snapshots = planted()
    return fit_hazard((values,), follow_up_rows(snapshots, CONFIG, now=None), CONFIG)


def test_a_planted_rate_is_found_at_every_horizon():
    """Rows followed for a day and rows followed for months add up to one truth."""
    fresh = np.random.default_rng(1).normal(size=(3, 20_000)).astype(np.float32)
    at_horizon = sigmoid(fitted().logit(fresh))
    for days in HORIZONS:
        truth = 1 - np.exp(-0.01 * days * 2.0 ** fresh[0])
        predicted = fitted().probability_within(at_horizon, days)
        assert predicted.mean() == pytest.approx(truth.mean(), rel=0.08)
        assert np.corrcoef(predicted, truth)[0, 1] > 0.95


@given(probability=st.floats(0, 1), near=st.floats(0.1, 120), further=st.floats(0, 120))
def test_a_longer_horizon_is_never_less_likely(probability, near, further):
    """Monotone by construction, whatever the row."""
    far = min(near + further, 120.0)
    p = np.array([probability])
    assert fitted().probability_within(p, near)[0] <= fitted().probability_within(p, far)[0]
    assert fitted().probability_within(p, 30.0)[0] == pytest.approx(probability, abs=1e-9)


def test_beyond_what_was_followed_nothing_is_said():
    """A probability for half a year from three months of log would be made up."""
    assert np.isnan(fitted().probability_within(np.array([0.2]), 170.0)[0])


def test_contributions_sum_to_the_logit():
    """Exact, though the rate and the logit are different scales."""
    values, _ = planted()
    parts = fitted().contributions(values)
    assert np.allclose(parts.sum(axis=1), fitted().logit(values), rtol=0, atol=1e-9)


def test_json_and_the_text_of_the_trees_keep_identical_values():
    """The artefact holds the hazard as these two."""
    values, _ = planted()
    again = through_json(fitted(), booster=Booster(fitted().booster.text))
    assert np.array_equal(again.logit(values), fitted().logit(values))
