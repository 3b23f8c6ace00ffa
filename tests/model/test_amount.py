"""The amount model: the mean, unless the columns clearly predict better."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_gamma_deviance

from microconv.model.amount import AmountModel, _conversion_rows, _fit_amount, gamma_deviance
from worlds.saved_parts import through_json


def paid_and_seen(n: int, slope: float, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw amounts around 1,000, the first column moving them; the second is noise, with gaps."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2, n)).astype(np.float32)
    values[1, ::5] = np.nan
    return values, 1000 * np.exp(slope * values[0] + 0.6 * rng.normal(size=n))


def test_a_column_that_moves_amounts_is_used():
    """On conversions that it has not seen, and with the level of what was paid."""
    amount = _fit_amount(*paid_and_seen(400, 0.8), np.arange(400))
    values, paid = paid_and_seen(4000, 0.8, seed=1)
    assert amount.regression is not None
    predicted = amount.predict(values)
    assert mean_gamma_deviance(paid, predicted) < 0.7 * mean_gamma_deviance(
        paid, np.full(4000, paid.mean())
    )
    assert predicted.mean() == pytest.approx(
        np.minimum(paid, np.quantile(paid, 0.99)).mean(), rel=0.1
    )


def test_where_nothing_moves_amounts_everybody_gets_the_mean():
    """In 20 draws without an effect the columns hardly ever win."""
    won = [
        _fit_amount(*paid_and_seen(300, 0.0, seed=seed), np.arange(300)).regression is not None
        for seed in range(20)
    ]
    assert sum(won) <= 1


def test_few_conversions_teach_a_mean_and_none_nothing():
    """From 49 nobody should read a model of the amount."""
    values, paid = paid_and_seen(49, 2.0)
    assert _fit_amount(values, paid, np.arange(49)).regression is None
    assert _fit_amount(values[:, :0], paid[:0], np.arange(0)) is None


def test_no_amount_is_beyond_those_that_were_paid():
    """A column far outside what training saw must not predict a fortune."""
    values, paid = paid_and_seen(400, 0.8)
    amount = _fit_amount(values, paid, np.arange(400))
    wild = np.array([[1e9, -1e9, np.nan], [0, np.inf, 0]], dtype=np.float32)
    assert (amount.predict(wild) <= paid.max()).all()
    assert (amount.predict(wild) >= paid.min()).all()


def test_the_deviance_is_scikit_learns():
    """Row by row, so that differences can be paired."""
    _, paid = paid_and_seen(50, 0.5)
    expected = np.linspace(500, 2000, 50)
    assert gamma_deviance(paid, expected).mean() == pytest.approx(
        mean_gamma_deviance(paid, expected)
    )


def test_a_conversion_counts_once_however_many_rows_wait_for_it():
    """The last snapshot before it; one without a value, or of zero, does not count."""
    day = pd.to_datetime([f"2024-01-0{k}" for k in range(1, 7)], utc=True)
    rows = pd.DataFrame(
        {
            "prospect_id": ["ada", "ada", "bo", "cy", "dan", "ada"],
            "as_of": [day[1], day[0], day[0], day[0], day[0], day[2]],
            "known_at": [day[4]] * 6,
            "value": [9.0, 9.0, np.nan, 0.0, 4.0, 9.0],
        }
    )
    known = np.array([True, True, True, True, True, False])
    assert _conversion_rows(rows, known).tolist() == [0, 4]


def test_json_keeps_identical_values():
    """The artefact holds the amount as this."""
    values, paid = paid_and_seen(200, 0.8)
    for amount in (_fit_amount(values, paid, np.arange(200)), AmountModel(12.5)):
        again = through_json(amount)
        assert np.array_equal(again.predict(values), amount.predict(values))
