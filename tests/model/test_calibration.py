"""Calibration: planted distortions are found, noise is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from microconv.model.calibration import (
    UNCALIBRATED,
    Calibration,
    Holdout,
    choose_calibration,
    choose_shift,
    fit_calibration,
)
from microconv.model.logistic import (
    calibration_in_the_large,
    fit_logistic,
    log_sigmoid,
    paired_gain,
    row_losses,
    sigmoid,
)
from worlds.saved_parts import through_json

KINDS = ("none", "sigmoid", "beta")


def calibrated(rows: int, *, seed: int, base: float = -1.0):
    """Draw calibrated logits, labels, and the prospects of the rows."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(base, 1.2, rows)
    return logit, rng.random(rows) < sigmoid(logit), np.arange(rows) // 2


def test_the_small_regression_is_scikit_learns_without_penalty():
    """Newton's method against lbfgs, with an offset taken into account by both."""
    logit, labels, _ = calibrated(800, seed=1)
    rng = np.random.default_rng(2)
    design = np.column_stack([logit, rng.normal(size=800), np.ones(800)])
    theirs = LogisticRegression(C=np.inf, tol=1e-10, fit_intercept=False).fit(design, labels)
    assert fit_logistic(design, labels) == pytest.approx(theirs.coef_[0], abs=1e-4)
    shifted = fit_logistic(design, labels, offset=0.5 * logit)
    assert shifted == pytest.approx(theirs.coef_[0] - [0.5, 0, 0], abs=1e-4)


def test_separable_rows_have_a_finite_answer():
    """Ten conversions that a line separates must not send a slope to infinity."""
    x = np.arange(20.0) - 9.5
    slope, _ = fit_logistic(np.column_stack([x, np.ones(20)]), x > 0)
    assert 1 < slope < 1000


def test_sigmoid_undoes_a_planted_stretch():
    """Logits twice too far from zero, and a half too high, come back."""
    logit, labels, _ = calibrated(40_000, seed=3)
    fitted = fit_calibration("sigmoid", 2 * logit + 1, labels)
    assert fitted.a == pytest.approx(0.5, abs=0.03)
    assert fitted.c == pytest.approx(-0.5, abs=0.06)


def test_beta_undoes_a_planted_beta_distortion():
    """Its own family, inverted numerically: the true p from the predicted p."""
    predicted = np.random.default_rng(4).normal(-0.5, 1.5, 60_000)
    truth = Calibration("beta", 0.6, 1.4, 0.3)(predicted)
    labels = np.random.default_rng(5).random(60_000) < sigmoid(truth)
    fitted = fit_calibration("beta", predicted, labels)
    assert (fitted.a, fitted.b, fitted.c) == pytest.approx((0.6, 1.4, 0.3), abs=0.08)


@given(
    st.sampled_from(["sigmoid", "beta"]),
    st.integers(0, 50),
    st.booleans(),
    st.lists(st.floats(-50, 50), min_size=2, max_size=30),
)
def test_no_calibration_turns_a_ranking_round(kind, seed, upside_down, logits):
    """Even where the validation rows contradict the model: at worst all are equal."""
    logit, labels, _ = calibrated(60, seed=seed)
    fitted = fit_calibration(kind, -logit if upside_down else logit, labels)
    mapped = fitted(np.sort(np.array(logits)))
    assert (np.diff(mapped) >= -1e-9).all()


def test_what_is_calibrated_stays_as_it_is():
    """None is kept in at least 29 of 30 draws, also where the level is off."""
    kept = 0
    for seed in range(30):
        logit, labels, prospects = calibrated(600, seed=seed)
        kept += choose_calibration(KINDS, logit + 0.3, Holdout(labels, prospects)) == UNCALIBRATED
    assert kept >= 29


def test_what_is_far_too_sure_of_itself_is_calibrated():
    """Logits three times too far from zero are no noise."""
    logit, labels, prospects = calibrated(1500, seed=6)
    chosen = choose_calibration(KINDS, 3 * logit, Holdout(labels, prospects))
    assert chosen.kind != "none"
    assert row_losses(chosen(3 * logit), labels).mean() < row_losses(3 * logit, labels).mean()


def test_only_the_kinds_asked_for_are_tried():
    """The settings name the candidates; the first is the one to beat."""
    logit, labels, prospects = calibrated(1500, seed=6)
    assert choose_calibration(("none",), 3 * logit, Holdout(labels, prospects)) == UNCALIBRATED
    holdout = Holdout(labels, prospects)
    assert choose_calibration(("sigmoid", "none"), 3 * logit, holdout).kind == "sigmoid"


def test_the_level_makes_predicted_and_observed_agree():
    """After the shift the mean probability is the share of conversions."""
    logit, labels, _ = calibrated(3000, seed=7)
    shifted = sigmoid(logit + 1.7 + calibration_in_the_large(logit + 1.7, labels))
    assert shifted.mean() == pytest.approx(labels.mean(), abs=1e-6)


def test_a_drifted_base_rate_is_found_and_noise_is_not():
    """A shift of 0.4 on 3,000 rows is far outside two standard errors; 0 is inside."""
    logit, labels, prospects = calibrated(3000, seed=8)
    assert choose_shift(logit + 0.4, Holdout(labels, prospects)) == pytest.approx(-0.4, abs=0.15)
    left_alone = 0
    for seed in range(40):
        logit, *happened = calibrated(600, seed=seed)
        left_alone += choose_shift(logit, Holdout(*happened)) == 0
    assert left_alone >= 34


def test_the_noise_of_a_gain_counts_prospects_not_rows():
    """By hand: sums of gains 2 and 0 around a mean of 1 each; error sqrt(2 · 2) / 4."""
    gain, error = paired_gain(np.array([2.0, 2, 1, 1]), np.ones(4), np.array([0, 0, 1, 1]))
    assert (gain, error) == (0.5, pytest.approx(0.5))


@given(st.integers(0, 200), st.floats(0.3, 3), st.floats(-1, 1))
def test_a_row_that_weighs_three_is_three_rows(seed, stretch, shift):
    """Of one prospect: the same level, map and gain as with the row written out."""
    logit, labels, prospects = calibrated(200, seed=seed)
    logit = stretch * logit + shift
    times = np.random.default_rng(seed).integers(1, 4, 200)
    written = [np.repeat(column, times) for column in (logit, labels, prospects)]
    short, long = Holdout(labels, prospects, times.astype(float)), Holdout(*written[1:])
    assert choose_shift(logit, short) == pytest.approx(choose_shift(written[0], long), abs=1e-7)
    one, other = (
        choose_calibration(KINDS, logit, short),
        choose_calibration(KINDS, written[0], long),
    )
    assert one.kind == other.kind
    assert [one.a, one.b, one.c] == pytest.approx([other.a, other.b, other.c], abs=1e-5)
    gain = paired_gain(logit, logit**2, prospects, times)
    assert gain == pytest.approx(paired_gain(written[0], written[0] ** 2, written[2]))


def test_one_prospect_is_never_more_than_noise():
    """Without a second one there is no telling."""
    assert paired_gain(np.ones(3), np.zeros(3), np.zeros(3, int)) == (1.0, float("inf"))


def test_far_out_in_the_tails_nothing_overflows():
    """Exact where 1 − p is below what a float64 can hold."""
    logit = np.array([-800.0, -40.0, 40.0, 800.0])
    assert log_sigmoid(logit)[0] == -800
    assert row_losses(logit, np.array([True, True, False, False])).tolist() == [800, 40, 40, 800]
    assert np.isfinite(Calibration("beta", 1.0, 1.0, 0.0)(logit)).all()


def test_beta_with_equal_slopes_is_affine():
    """The identity beta has to be: a · logit + c."""
    logit = np.linspace(-30, 30, 7)
    assert Calibration("beta", 0.7, 0.7, 0.2)(logit) == pytest.approx(0.7 * logit + 0.2)


def test_json_keeps_identical_values():
    """The artefact holds the map as numbers in JSON."""
    fitted = fit_calibration("beta", *calibrated(300, seed=9)[:2])
    assert through_json(fitted) == fitted
