"""Metrics: a value with its interval, or a reason."""

from __future__ import annotations

import json

import numpy as np
import pytest

from microconv.evaluation.intervals import compute_metrics, estimate
from microconv.evaluation.metrics import Predictions, draw_resamples
from microconv.settings import EvaluateSettings

SETTINGS = EvaluateSettings(list_size=3, bootstrap=40, seed=1)


def predictions_of(converted, *, value: float = np.nan, probability=None) -> Predictions:
    """Return outcomes of distinct prospects with rising probabilities."""
    n = len(converted)
    p = np.linspace(0.1, 0.9, n) if probability is None else np.full(n, probability)
    return Predictions(
        p, np.array(converted, bool), np.full(n, value), np.arange(n), np.zeros(n, np.int64)
    )


@pytest.mark.parametrize(
    ("predictions", "undefined"),
    [
        pytest.param(
            predictions_of([0] * 8),
            {"auc", "average_precision", "recall", "lift", "value_captured"},
            id="nobody converted",
        ),
        pytest.param(predictions_of([1] * 8), {"auc", "value_captured"}, id="everybody converted"),
        pytest.param(predictions_of([0, 1] * 4), {"value_captured"}, id="no value known"),
        pytest.param(predictions_of([0, 1] * 4, value=5.0), set(), id="all there"),
    ],
)
def test_an_undefined_metric_is_null_with_a_reason(predictions, undefined):
    """Never nan in JSON, never a zero that averages could swallow."""
    counts = draw_resamples(len(predictions), SETTINGS.bootstrap, seed=1)
    values = compute_metrics(predictions, counts, SETTINGS).values
    json.dumps(values, allow_nan=False)
    resampled = [n for n, f in values.items() if isinstance(f, dict) and n != "calibration"]
    missing = {name for name in resampled if values[name]["value"] is None}
    assert missing == undefined
    assert all(values[name]["reason"] for name in missing)


@pytest.mark.parametrize(
    ("predictions", "why"),
    [
        (predictions_of([0] * 6), "one outcome"),
        (predictions_of([0, 1] * 3, probability=0.5), "same probability"),
    ],
)
def test_a_line_that_cannot_be_fitted_is_null_with_a_reason(predictions, why):
    """Constant probabilities have no calibration slope."""
    counts = draw_resamples(len(predictions), 5, seed=1)
    calibration = compute_metrics(predictions, counts, SETTINGS).values["calibration"]
    for name in ("slope", "intercept"):
        assert calibration[name]["value"] is None
        assert why in calibration[name]["reason"]


def test_the_interval_is_that_of_the_resamples():
    """Percentiles of the resamples, without the metric itself."""
    sample = np.concatenate([[0.7], np.linspace(0, 1, 101)])
    assert estimate(sample, 0.9, why="") == pytest.approx({"value": 0.7, "low": 0.05, "high": 0.95})


def test_undefined_resamples_are_left_out_unless_they_are_the_majority():
    """Five conversions in a thousand: some resamples have none."""
    sample = np.array([0.7, 0.6, 0.8, np.nan])
    assert estimate(sample, 0.5, why="")["low"] == pytest.approx(0.65)
    hollow = estimate(np.array([0.7, 0.6, np.nan, np.nan]), 0.5, why="")
    assert hollow["low"] is None
    assert "too few resamples" in hollow["reason"]
