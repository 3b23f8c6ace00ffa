"""The gain curve and the tables of the charts."""

from __future__ import annotations

import numpy as np
import pytest

from microconv.evaluation.curves import SHARES, gain_curve, gain_table
from microconv.evaluation.metrics import Predictions


def answers_of(probability, converted) -> Predictions:
    """Lay out predictions of distinct prospects."""
    n = len(probability)
    who = np.arange(n)
    return Predictions(
        np.array(probability, float), np.array(converted, bool), np.full(n, np.nan), who, who
    )


def test_a_perfect_ranking_meets_everybody_first():
    """Two of ten convert: the first tenth meets half of them, the second the rest."""
    a = answers_of(np.linspace(0.9, 0.1, 10), [1, 1] + [0] * 8)
    assert gain_curve(a, np.array([0, 0.1, 0.15, 0.2, 1])) == pytest.approx([0, 0.5, 0.75, 1, 1])


def test_everybody_alike_is_the_diagonal():
    """The order of the file meets nobody sooner."""
    a = answers_of([0.3] * 10, [1, 1] + [0] * 8)
    assert gain_curve(a) == pytest.approx(SHARES)


def test_shares_run_from_nobody_to_everybody():
    """Ascending, each once."""
    assert (SHARES[0], SHARES[-1]) == (0, 1)
    assert (np.diff(SHARES) > 0).all()


def test_nobody_to_meet_is_no_curve():
    """No row of the table instead of a line of zeros."""
    assert np.isnan(gain_curve(answers_of([0.2, 0.1], [0, 0]))).all()
    assert len(gain_table({"ensemble": answers_of([0.2, 0.1], [0, 0])})) == 0
