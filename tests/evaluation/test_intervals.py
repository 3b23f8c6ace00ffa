"""Figures: a value with its interval, or a reason."""

from __future__ import annotations

import json

import numpy as np
import pytest

from microconv.evaluation.intervals import estimate, measure
from microconv.evaluation.metrics import Predictions, draw_resamples
from microconv.settings import EvaluateSettings

SETTINGS = EvaluateSettings(list_size=3, bootstrap=40, seed=1)


def answers_of(converted, *, value: float = np.nan, probability=None) -> Predictions:
    """Lay outcomes of distinct prospects out, with rising probabilities."""
    n = len(converted)
    p = np.linspace(0.1, 0.9, n) if probability is None else np.full(n, probability)
    return Predictions(
        p, np.array(converted, bool), np.full(n, value), np.arange(n), np.zeros(n, np.int64)
    )


@pytest.mark.parametrize(
    ("predictions", "undefined"),
    [
        pytest.param(
            answers_of([0] * 8),
            {"auc", "average_precision", "recall", "lift", "value_captured"},
            id="nobody converted",
        ),
        pytest.param(answers_of([1] * 8), {"auc", "value_captured"}, id="everybody converted"),
        pytest.param(answers_of([0, 1] * 4), {"value_captured"}, id="no value known"),
        pytest.param(answers_of([0, 1] * 4, value=5.0), set(), id="all there"),
    ],
)
def test_what_is_undefined_is_null_with_a_reason(predictions, undefined):
    """Never nan in JSON, never a zero that averages could swallow."""
    counts = draw_resamples(len(predictions), SETTINGS.bootstrap, seed=1)
    figures = measure(predictions, counts, SETTINGS).figures
    json.dumps(figures, allow_nan=False)
    resampled = [n for n, f in figures.items() if isinstance(f, dict) and n != "calibration"]
    missing = {name for name in resampled if figures[name]["value"] is None}
    assert missing == undefined
    assert all(figures[name]["reason"] for name in missing)


@pytest.mark.parametrize(
    ("predictions", "why"),
    [
        (answers_of([0] * 6), "one outcome"),
        (answers_of([0, 1] * 3, probability=0.5), "same probability"),
    ],
)
def test_a_line_through_nothing_is_null_with_a_reason(predictions, why):
    """The base rate has no calibration slope."""
    counts = draw_resamples(len(predictions), 5, seed=1)
    calibration = measure(predictions, counts, SETTINGS).figures["calibration"]
    for name in ("slope", "intercept"):
        assert calibration[name]["value"] is None
        assert why in calibration[name]["reason"]


def test_the_interval_is_that_of_the_resamples():
    """Percentiles of what was drawn, the estimate itself apart."""
    sample = np.concatenate([[0.7], np.linspace(0, 1, 101)])
    assert estimate(sample, 0.9, why="") == pytest.approx({"value": 0.7, "low": 0.05, "high": 0.95})


def test_undefined_resamples_are_left_out_until_they_are_most():
    """Five conversions in a thousand: some resamples have none, and say nothing."""
    sample = np.array([0.7, 0.6, 0.8, np.nan])
    assert estimate(sample, 0.5, why="")["low"] == pytest.approx(0.65)
    hollow = estimate(np.array([0.7, 0.6, np.nan, np.nan]), 0.5, why="")
    assert hollow["low"] is None
    assert "too few resamples" in hollow["reason"]
