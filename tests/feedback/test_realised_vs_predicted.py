"""Realised and predicted conversions, on numbers that can be checked by hand."""

from __future__ import annotations

import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from microconv.feedback.realised_vs_predicted import (
    by_decile,
    by_grade,
    by_list,
    exploration_results,
    realised_vs_predicted,
)


def listed(probability, converted, **more) -> pd.DataFrame:
    """Return rows of one list; more columns replace the defaults."""
    n = len(probability)
    columns = {
        "prospect_id": [f"p{k}" for k in range(n)],
        "rank": range(1, n + 1),
        "probability": probability,
        "grade": "A",
        "list_id": "one",
        "as_of": pd.Timestamp("2024-06-03", tz="UTC"),
        "selection_reason": "rank",
        "selection_probability": float("nan"),
        "converted": [bool(c) for c in converted],
        "value": [100.0 if c else None for c in converted],
    }
    return pd.DataFrame({**columns, **more})


def test_the_observed_rate_is_compared_with_the_predicted_one():
    """100 prospects of 10 % each: 10 are expected and 25 convert, which chance does not explain."""
    rows = listed([0.1] * 100, [1] * 25 + [0] * 75)
    result = realised_vs_predicted(rows, confidence=0.95)
    assert result["expected"] == pytest.approx(10)
    assert result["observed_rate"] == 0.25
    assert result["ratio"] == pytest.approx(2.5)
    low, high = proportion_confint(25, 100, method="wilson")
    assert (result["low"], result["high"]) == pytest.approx((low, high))
    assert not result["within_interval"]
    assert realised_vs_predicted(listed([0.24] * 100, [1] * 25 + [0] * 75), confidence=0.95)[
        "within_interval"
    ]


def test_a_prospect_on_many_lists_counts_once_in_the_interval():
    """Five weekly lists of the same 40 people are not 200 people."""
    rows = listed(
        [0.1] * 200, ([1] * 4 + [0] * 36) * 5, prospect_id=[f"p{k}" for k in range(40)] * 5
    )
    result = realised_vs_predicted(rows, confidence=0.95)
    low, high = proportion_confint(4, 40, method="wilson")
    assert (result["low"], result["high"]) == pytest.approx((low, high))
    assert result["conversions"] == 20


def test_grades_are_those_that_were_on_the_list():
    """A list without grades has none afterwards."""
    rows = listed([0.3] * 10 + [0.1] * 10, [1] * 3 + [0] * 17, grade=["A"] * 10 + ["C"] * 10)
    assert [(g["grade"], g["conversions"]) for g in by_grade(rows, confidence=0.9)] == [
        ("A", 3),
        ("C", 0),
    ]
    assert by_grade(rows.assign(grade=None), confidence=0.9) == []


def test_deciles_go_from_the_highest_probability_down():
    """The first decile is called first."""
    rows = listed([k / 100 for k in range(1, 101)], [0] * 90 + [1] * 10)
    deciles = by_decile(rows, confidence=0.95)
    assert [t["decile"] for t in deciles] == list(range(1, 11))
    assert (deciles[0]["from"], deciles[0]["to"]) == (0.91, 1.0)
    assert deciles[0]["conversions"] == 10
    assert {t["rows"] for t in deciles} == {10}


def test_precision_is_that_of_the_prospects_within_capacity():
    """A list of 100 is worth what its first 20 are, if 20 can be called."""
    (result,) = by_list(listed([0.1] * 100, [1] * 5 + [0] * 95), capacity=20, confidence=0.95)
    assert result["capacity"] == 20
    assert result["precision"] == 0.25
    assert result["value"] == 500
    assert result["observed_rate"] == 0.05


def test_exploration_rows_represent_the_prospects_below_the_cut():
    """Of 1,000 below the cut 10 were drawn: each stands for 100, and 2 of 10 is 20 %."""
    rows = pd.concat(
        [
            listed([0.3] * 50, [1] * 20 + [0] * 30),
            listed([0.05] * 10, [1] * 2 + [0] * 8, selection_reason="exploration",
                   selection_probability=0.01, prospect_id=[f"q{k}" for k in range(10)]),
        ]
    )  # fmt: skip
    result = exploration_results(rows, confidence=0.95)
    assert result["represents"] == pytest.approx(1000)
    assert result["observed_rate"] == pytest.approx(0.2)
    low, high = proportion_confint(2, 10, method="wilson")
    assert (result["low"], result["high"]) == pytest.approx((low, high))
    assert result["ranked"] == 0.4
    assert result["ratio"]["value"] == pytest.approx(2.0)
    assert result["ratio"]["low"] < 2 < result["ratio"]["high"]


def test_unequal_selection_probabilities_are_weighted():
    """Drawn 1 in 10 and converted, drawn 1 in 2 and not: 10 of 12 stand for a conversion."""
    rows = listed(
        [0.1, 0.1], [1, 0], selection_reason="exploration", selection_probability=[0.1, 0.5]
    )
    assert exploration_results(rows, confidence=0.95)["observed_rate"] == pytest.approx(10 / 12)


def test_without_exploration_rows_there_is_no_result():
    """A list of the best says nothing about the rest."""
    assert exploration_results(listed([0.1] * 10, [0] * 10), confidence=0.95) is None
