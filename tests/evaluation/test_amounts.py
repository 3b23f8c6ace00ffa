"""Expected amounts against what was paid, by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from microconv.evaluation.amounts import amount_metrics


def predictions(**columns: list[float | None]) -> pd.DataFrame:
    """Four questions: two conversions of known value, one of unknown value, one none."""
    return pd.DataFrame(
        {
            "converted": [True, True, True, False],
            "value": [100.0, 300.0, None, None],
            "amount": [100.0, 200.0, 50.0, 50.0],
        }
        | columns
    )


def test_only_conversions_of_known_value_are_judged():
    """Deviance 0 for the first; of the second, 2 (3/2 − 1 − ln 3/2). The mean is 150."""
    found = amount_metrics(predictions())
    second = 2 * (0.5 - math.log(1.5))
    of_mean = (2 * (100 / 150 - 1 - math.log(100 / 150)) + 2 * (1 - math.log(2))) / 2
    assert found["conversions"] == 2
    assert found["deviance"] == pytest.approx(second / 2)
    assert found["deviance_of_mean"] == pytest.approx(of_mean)
    assert found["expected_over_paid"] == pytest.approx(300 / 400)


def test_without_values_there_is_a_reason_and_no_figure():
    """Revenue is optional; a zero would be a statement."""
    assert "reason" in amount_metrics(predictions(value=[None] * 4))
    assert "reason" in amount_metrics(predictions(amount=[None] * 4))
