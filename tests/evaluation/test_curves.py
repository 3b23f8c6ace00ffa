"""The cumulative gains curve and the tables of the charts."""

from __future__ import annotations

import numpy as np
import pytest

from microconv.evaluation.curves import SHARES, gain_curve, gain_table
from microconv.evaluation.metrics import Predictions


def predictions_of(probability, converted) -> Predictions:
    """Return predictions of distinct prospects."""
    n = len(probability)
    who = np.arange(n)
    return Predictions(
        np.array(probability, float), np.array(converted, bool), np.full(n, np.nan), who, who
    )


def test_a_perfect_ranking_captures_all_conversions_first():
    """Two of ten convert: the first tenth captures half of them, the second the rest."""
    a = predictions_of(np.linspace(0.9, 0.1, 10), [1, 1] + [0] * 8)
    assert gain_curve(a, np.array([0, 0.1, 0.15, 0.2, 1])) == pytest.approx([0, 0.5, 0.75, 1, 1])


def test_equal_probabilities_give_the_diagonal():
    """The order of the file makes no difference."""
    a = predictions_of([0.3] * 10, [1, 1] + [0] * 8)
    assert gain_curve(a) == pytest.approx(SHARES)


def test_the_points_of_the_curve_run_from_0_to_1():
    """Ascending, each once."""
    assert (SHARES[0], SHARES[-1]) == (0, 1)
    assert (np.diff(SHARES) > 0).all()


def test_without_conversions_there_is_no_curve():
    """No row of the table instead of a line of zeros."""
    assert np.isnan(gain_curve(predictions_of([0.2, 0.1], [0, 0]))).all()
    assert len(gain_table({"ensemble": predictions_of([0.2, 0.1], [0, 0])})) == 0
