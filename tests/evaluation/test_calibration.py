"""Reliability: a calibrated generator looks calibrated, a distorted one does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microconv.evaluation.calibration import (
    bin_by_probability,
    brier_decomposition,
    ece_chance_limit,
    recalibration_line,
)
from microconv.evaluation.metrics import Predictions


def predictions_of(probability, converted, prospect=None) -> Predictions:
    """Lay probabilities and outcomes out as predictions of distinct prospects."""
    n = len(probability)
    who = np.arange(n) if prospect is None else prospect
    return Predictions(
        np.asarray(probability, float),
        np.asarray(converted, bool),
        np.full(n, np.nan),
        np.asarray(who, np.int64),
        np.zeros(n, np.int64),
    )


def drawn(rows: int, *, seed: int, slope: float = 1.0, rows_each: int = 1) -> Predictions:
    """Draw outcomes from known chances; say logits that are 1 / slope too far from zero."""
    rng = np.random.default_rng(seed)
    logit = np.repeat(rng.normal(-1, 1, rows), rows_each)
    happened = np.repeat(rng.random(rows), rows_each) < 1 / (1 + np.exp(-logit))
    prospect = np.repeat(np.arange(rows), rows_each)
    return predictions_of(1 / (1 + np.exp(-logit / slope)), happened, prospect)


def test_bins_hold_equally_many_rows():
    """A hundred different probabilities in ten bins: ten each, lowest first."""
    p = np.random.default_rng(0).permutation(np.arange(1, 101) / 101)
    bins = bin_by_probability(predictions_of(p, p > 0.5), 10)
    assert bins.rows.tolist() == [10] * 10
    assert (np.diff(bins.predicted) > 0).all()
    assert bins.predicted[0] == pytest.approx(np.arange(1, 11).mean() / 101)


def test_rows_with_one_probability_stay_in_one_bin():
    """Splitting the tied would compare them with an accident of their order."""
    p = np.array([0.1] * 55 + [0.2] * 45)
    bins = bin_by_probability(predictions_of(p, p > 0), 10)
    assert bins.rows.tolist() == [55, 45]
    assert bin_by_probability(predictions_of([0.3] * 9, [0] * 9), 10).rows.tolist() == [9]


def test_ece_by_hand():
    """Two bins of two: gaps |.2 − .5| and |.7 − 1|, both 0.3."""
    bins = bin_by_probability(predictions_of([0.1, 0.3, 0.6, 0.8], [0, 1, 1, 1]), 2)
    assert bins.ece == pytest.approx(0.3)


@given(
    st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), min_size=2, max_size=60),
    st.integers(2, 10),
)
def test_murphys_parts_sum_to_the_brier_score(rows, bins):
    """Reliability − resolution + uncertainty + what binning leaves over."""
    p, y = (np.array(column) for column in zip(*rows, strict=True))
    a = predictions_of(p, y)
    parts = brier_decomposition(a, bin_by_probability(a, bins))
    total = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within_bins"]
    assert total == pytest.approx(np.mean((p - y) ** 2))
    assert parts["reliability"] >= 0
    assert parts["resolution"] >= 0


def test_murphys_parts_by_hand():
    """Said .2 and .8, happened 1 of 2 and 2 of 2: by the formulas of 1973."""
    a = predictions_of([0.2, 0.2, 0.8, 0.8], [0, 1, 1, 1])
    parts = brier_decomposition(a, bin_by_probability(a, 2))
    assert parts == pytest.approx(
        {
            "reliability": (0.3**2 + 0.2**2) / 2,
            "resolution": (0.25**2 + 0.25**2) / 2,
            "uncertainty": 0.75 * 0.25,
            "within_bins": 0.0,
        },
        abs=1e-12,
    )


def test_a_calibrated_models_ece_lies_below_its_band_nineteen_times_in_twenty():
    """The band is what chance alone does: not wider, not narrower."""
    below = 0
    for seed in range(120):
        a = drawn(800, seed=seed)
        bins = bin_by_probability(a, 10)
        below += bins.ece <= ece_chance_limit(a, bins, seed=seed)
    assert 105 <= below <= 119  # 114 expected, standard error 2.4


def test_an_overconfident_models_ece_lies_above_its_band():
    """Logits twice too far from zero on 4,000 rows are no accident."""
    a = drawn(4000, seed=1, slope=0.5)
    bins = bin_by_probability(a, 10)
    assert bins.ece > 2 * ece_chance_limit(a, bins, seed=1)


def test_rows_that_wait_for_one_conversion_widen_the_band():
    """Eight rows of one prospect are one piece of luck: the band is wider by about √8."""
    a = drawn(500, seed=2, rows_each=8)
    bins = bin_by_probability(a, 10)
    apart = ece_chance_limit(a, bins, seed=3)
    alike = ece_chance_limit(a, bins, seed=3, one_draw_per_prospect=True)
    assert alike / apart == pytest.approx(np.sqrt(8), rel=0.15)


def test_the_band_is_that_of_numpys_generator():
    """The hashed random numbers do what another generator does."""
    a = drawn(1000, seed=4)
    bins = bin_by_probability(a, 10)
    rng = np.random.default_rng(5)
    happened = rng.random((4000, 1000)) < a.probability
    gaps = [
        np.abs((happened[:, bins.member == b] - a.probability[bins.member == b]).sum(axis=1))
        for b in range(10)
    ]
    expected = np.quantile(np.sum(gaps, axis=0) / 1000, 0.95)
    assert ece_chance_limit(a, bins, seed=6) == pytest.approx(expected, rel=0.08)


def test_the_slopes_interval_holds_the_truth_nineteen_times_in_twenty():
    """Planted slope and level, 150 draws with two alike rows a prospect."""
    held = {"slope": 0, "intercept": 0, "calibration_in_the_large": 0}
    for seed in range(150):
        line = recalibration_line(drawn(400, seed=seed, rows_each=2), confidence=0.95)
        for name, truth in (("slope", 1), ("intercept", 0), ("calibration_in_the_large", 0)):
            _, low, high = line[name]
            held[name] += low <= truth <= high
    assert all(134 <= times <= 149 for times in held.values())  # 142.5 expected, error 2.7


def test_an_overconfident_models_slope_is_below_one():
    """Said twice too far from zero, the slope is one half."""
    slope, low, high = recalibration_line(drawn(8000, seed=7, slope=0.5), confidence=0.95)["slope"]
    assert slope == pytest.approx(0.5, abs=0.05)
    assert low < 0.5 < high < 1


def test_writing_every_row_twice_tells_nothing_new():
    """Rows of one prospect are not independent: the interval does not shrink."""
    once, twice = drawn(300, seed=8), drawn(300, seed=8, rows_each=2)
    one = recalibration_line(once, confidence=0.9)
    two = recalibration_line(twice, confidence=0.9)
    for name in one:
        assert two[name] == pytest.approx(one[name], abs=1e-4)


def test_the_level_says_how_far_off_the_whole_is():
    """Said odds half of the true ones: log 2 too low, whatever the slope."""
    a = drawn(20_000, seed=9)
    odds = a.probability / (1 - a.probability) / 2
    low = predictions_of(odds / (1 + odds), a.converted)
    assert recalibration_line(low, confidence=0.95)["calibration_in_the_large"][0] == pytest.approx(
        np.log(2), abs=0.06
    )
