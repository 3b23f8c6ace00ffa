"""Leakage checks: every planted leak is found, and clean data passes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from microconv.evaluation.leakage.checks import CHECKS, check_leakage
from microconv.features.training_set import ScoringFeatures, TrainingSet
from microconv.settings import LeakageCheckSettings
from worlds.leaks import (
    clean,
    conversion_times,
    converters,
    diagnose,
    failed_checks,
    on_first_mondays,
    one_row_per_prospect,
    with_attribute,
    with_column,
)


@pytest.mark.parametrize("seed", range(4))
def test_no_check_fails_on_clean_data(seed):
    """A check that fails every time is switched off, and no longer finds the real leak."""
    assert failed_checks(clean(seed)) == []


def test_an_attribute_copied_from_the_outcome_is_found():
    """The plainest leak: a status that somebody sets once the deal is closed."""
    leaky = one_row_per_prospect()
    values = np.where(converters(leaky), "customer", "prospect").tolist()
    results = failed_checks(with_attribute(leaky, "status", values))
    assert ("pure_values", ("status",)) in results
    assert ("single_feature", ("status",)) in results
    assert {columns for _, columns in results} == {("status",)}


def test_an_attribute_filled_in_for_one_outcome_is_found_whatever_its_values():
    """The values are random: whether there is one reveals the outcome."""
    leaky, rng = one_row_per_prospect(), np.random.default_rng(1)
    filled = rng.random(2000) < np.where(converters(leaky), 0.9, 0.2)
    values = [w if t else None for w, t in zip(rng.choice(["x", "y"], 2000), filled, strict=True)]
    results = failed_checks(with_attribute(leaky, "remark", values))
    assert ("missingness", ("remark",)) in results
    assert {columns for _, columns in results} == {("remark",)}


def test_an_attribute_known_after_the_outcome_gives_a_warning_and_no_failure():
    """Its `known_at` is right, so no model learns from it; but it is of no use either."""
    late, rng = clean(), np.random.default_rng(1)
    at = conversion_times(late)
    never = at == 0
    values = [None if no else w for no, w in zip(never, rng.choice(["x", "y"], 600), strict=True)]
    leaky = with_attribute(late, "contract", values, known_at=np.where(never, 1, at + 1_000_000))
    assert ("known_after_outcome", ("contract",)) in failed_checks(leaky, status="warning")
    assert failed_checks(leaky) == []


def test_a_column_that_contains_the_future_is_found():
    """A window that reaches over `as_of` counts what the conversion itself leaves behind."""
    leaky = clean()
    future = leaky.snapshots["converted"] * 3 + np.random.default_rng(1).poisson(0.3, len(leaky))
    results = failed_checks(with_column(leaky, "counts.guide.30d", future))
    assert results == [("single_feature", ("counts.guide.30d",))]


def test_a_column_filled_in_for_the_past_only_is_found():
    """History that was completed later ranks in training, and not in the test."""
    leaky, rng = clean(), np.random.default_rng(1)
    column = rng.poisson(1, len(leaky)).astype(float)
    column[on_first_mondays(leaky, 7)] += (
        2 * leaky.snapshots["converted"][on_first_mondays(leaky, 7)]
    )
    results = failed_checks(with_column(leaky, "counts.blog.30d", column))
    assert ("auc_drop", ("counts.blog.30d",)) in results


def test_shuffled_labels_are_predicted_by_chance_only():
    """Trained and tested on nothing, everything must come out as nothing.

    An interval of 95 % misses by chance once in twenty worlds; two in three do not.
    """
    found = [diagnose(clean(seed))["probes"]["shuffled_labels"] for seed in range(3)]
    assert sum(auc["low"] < 0.5 < auc["high"] for auc in found) >= 2
    assert np.mean([auc["value"] for auc in found]) == pytest.approx(0.5, abs=0.03)


def test_a_family_that_sees_the_labels_of_test_rows_is_found(monkeypatch):
    """A fitted family gets training labels only; one that got all would predict noise."""
    honest = TrainingSet.fit_columns

    def cheating(training_set, train, labels):
        fitted = honest(training_set, train, labels)
        seen = (*fitted.parts, labels[None].astype(np.float32))
        return replace(fitted, names=[*fitted.names, "path.cheat"], parts=seen)

    monkeypatch.setattr(TrainingSet, "fit_columns", cheating)
    assert ("shuffled_labels", ()) in failed_checks(clean())


def test_columns_that_shifted_before_scoring_give_a_warning():
    """The snapshots to be scored are three times as active as the training rows."""
    training = clean()
    moved = training.values.copy()
    moved[training.names.index("counts.guide.30d")] += 3
    latest = ScoringFeatures("2024-06-03T00:00:00+00:00", training.names, moved)
    results = check_leakage(
        {"leakage_diagnostics": diagnose(training, latest)}, LeakageCheckSettings()
    )
    (drift,) = [result for result in results if result["check"] == "drift"]
    assert drift["columns"] == ("counts.guide.30d",)
    assert drift["status"] == "warning"


def test_too_little_data_and_synthetic_times_give_warnings():
    """Silence must not be mistaken for a pass."""
    results = check_leakage(
        {"leakage_diagnostics": {"reason": "only 3 rows convert"}, "synthetic_times": ["leads"]},
        LeakageCheckSettings(),
    )
    assert [result["check"] for result in results] == ["not_checked", "synthetic_times"]
    assert "only 3 rows convert" in results[0]["observed"]
    assert "`leads`" in results[1]["observed"]
    unchecked = check_leakage({}, LeakageCheckSettings())
    assert [result["check"] for result in unchecked] == ["not_checked"]


def test_every_result_has_what_was_observed_what_it_means_and_a_remedy():
    """A name alone sends people to the source; and `failed` comes before `warning`."""
    leaky = one_row_per_prospect()
    leaky = with_attribute(leaky, "status", converters(leaky).astype(str).tolist())
    results = check_leakage({"leakage_diagnostics": diagnose(leaky)}, LeakageCheckSettings())
    for result in results:
        assert result["check"] in CHECKS
        assert all(len(result[part]) > 20 for part in ("observed", "meaning", "remedy"))
    statuses = [result["status"] for result in results]
    assert statuses == sorted(statuses)


def test_the_order_of_the_rows_changes_no_figure():
    """Rows come by bucket; how many buckets a log has must not show."""
    from worlds.training_sets import reordered

    training_set = clean()
    order = np.random.default_rng(5).permutation(len(training_set))
    assert diagnose(reordered(training_set, order)) == diagnose(training_set)
