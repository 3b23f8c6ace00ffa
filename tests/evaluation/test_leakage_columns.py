"""Single columns and their drift, against scikit-learn, simulation and hand arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from microconv.evaluation.drift import stability_index
from microconv.evaluation.leakage.columns import (
    auc_error,
    column_aucs,
    combine_attribute_columns,
    origin_of,
    rates_by_value,
)


def test_the_auc_of_a_column_is_that_of_scikit_learn():
    """Ties are half right; a missing value is the lowest."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    values = rng.integers(0, 5, (3, 400)).astype(np.float32)
    labels = rng.random(400) < 0.2 + 0.1 * values[0]
    values[1, :50] = np.nan
    lowest = np.nan_to_num(values, nan=-1)
    expected = [roc_auc_score(labels, column) for column in lowest]
    assert column_aucs(values, labels) == pytest.approx(expected)


def test_the_error_of_an_auc_is_what_repeating_the_draw_gives():
    """Hanley and McNeil's formula against 400 samples of a known AUC."""
    rng = np.random.default_rng(1)
    labels = np.arange(300) < 60
    draws = np.stack([rng.normal(labels * 0.8, 1) for _ in range(400)]).astype(np.float32)
    aucs = column_aucs(draws, labels)
    assert auc_error(float(aucs.mean()), labels) == pytest.approx(aucs.std(), rel=0.15)


def test_the_rate_of_a_rare_value_is_shrunk_to_the_mean():
    """Hand: average 1/2, ten rows of it for free; (1 + 5) / (1 + 10) and (99 + 5) / (199 + 10)."""
    codes = np.array([0] + [1] * 199)
    labels = np.array([True] + [True] * 99 + [False] * 100)
    assert rates_by_value(codes, labels, n_values=2) == pytest.approx([6 / 11, 104 / 209])


def test_missing_values_are_a_part_of_their_own_in_the_drift():
    """Hand: all there, then half missing: both parts move by 1/2; empty counts as 1/1000."""
    before, after = np.zeros(100), np.r_[np.zeros(50), np.full(50, np.nan)]
    expected = (0.5 - 1) * np.log(0.5 / 1) + (0.5 - 0.001) * np.log(0.5 / 0.001)
    assert stability_index(before, after) == pytest.approx(expected)
    assert stability_index(np.full(9, np.nan), np.full(5, np.nan)) == 0


def test_the_columns_of_an_attribute_are_combined_into_one_value():
    """One code per row: a category, or the part of a number; missing comes last."""
    names = ["counts.a.7d", "attributes.kind=x", "attributes.kind=(other)",
             "attributes.kind=(missing)", "attributes.size"]  # fmt: skip
    values = np.array(
        [[9, 9, 9], [1, 0, 0], [0, 0, 0], [0, 1, 1], [5, np.nan, 7]], dtype=np.float32
    )
    found = combine_attribute_columns(names, values)
    assert list(found) == ["kind", "size"]
    assert found["kind"][0].tolist() == [0, 2, 2]
    assert found["size"][0].tolist() == [0, 2, 1]
    assert found["size"][1] == ["from 5", "from 7", "(missing)"]


@pytest.mark.parametrize("window", ["1d", "ever"])
def test_columns_of_one_step_have_one_origin(window):
    """All windows of a step are removed together, or one would stand in for another."""
    assert origin_of(f"counts.a.b.{window}") == "a.b"
