"""Grades are fixed thresholds on the probability."""

from __future__ import annotations

import numpy as np
import pytest

from microconv.ranking.ranked_list import grade

THRESHOLDS = {"A": 0.20, "B": 0.10, "C": 0.04, "D": 0.0}


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        pytest.param(1.0, "A", id="certain"),
        pytest.param(0.20, "A", id="exactly the threshold"),
        pytest.param(np.nextafter(0.20, 0), "B", id="a hair below it"),
        pytest.param(0.04, "C", id="the last threshold but one"),
        pytest.param(0.0, "D", id="impossible"),
    ],
)
def test_a_grade_begins_at_its_threshold(probability: float, expected: str) -> None:
    """Whoever reads "A: from 20 %" must find 20 % among the As."""
    assert grade(np.array([probability]), THRESHOLDS).tolist() == [expected]


def test_a_grade_does_not_depend_on_the_others_on_the_list() -> None:
    """Thresholds are fixed: in a weak week nobody has to be an A."""
    weak = np.array([0.03, 0.02, 0.01])
    assert grade(weak, THRESHOLDS).tolist() == ["D", "D", "D"]
    assert grade(np.append(weak, 0.5), THRESHOLDS).tolist() == ["D", "D", "D", "A"]


def test_nobody_gets_no_grade() -> None:
    """An empty list is a list."""
    assert grade(np.empty(0), THRESHOLDS).tolist() == []
