"""Honesty alarms: every planted leak is named, and where there is none nothing is raised."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from microconv.evaluation.leakage.checks import RULES, check_leakage
from microconv.features.training_set import ScoringFeatures, TrainingSet
from microconv.settings import LeakageCheckSettings
from worlds.leaks import (
    alarms_of,
    asked_once,
    clean,
    conversion_instants,
    converters,
    first_mondays,
    look,
    with_attribute,
    with_column,
)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_raised_where_nothing_leaks(seed):
    """An alarm that cries every time is switched off, and the real one with it."""
    assert alarms_of(clean(seed)) == []


def test_an_attribute_copied_from_the_outcome_is_named():
    """The plainest leak: a status that somebody sets once the deal is closed."""
    leaky = asked_once()
    words = np.where(converters(leaky), "customer", "prospect").tolist()
    raised = alarms_of(with_attribute(leaky, "status", words))
    assert ("pure_values", ("status",)) in raised
    assert ("single_feature", ("status",)) in raised
    assert {columns for _, columns in raised} == {("status",)}


def test_an_attribute_filled_in_for_one_outcome_is_named_whatever_it_says():
    """The words are drawn at random: that there are any gives the outcome away."""
    leaky, rng = asked_once(), np.random.default_rng(1)
    there = rng.random(2000) < np.where(converters(leaky), 0.9, 0.2)
    words = [w if t else None for w, t in zip(rng.choice(["x", "y"], 2000), there, strict=True)]
    raised = alarms_of(with_attribute(leaky, "remark", words))
    assert ("missingness", ("remark",)) in raised
    assert {columns for _, columns in raised} == {("remark",)}


def test_an_attribute_filled_in_after_the_outcome_is_noted_and_seen_by_no_question():
    """Its `known_at` is right, so no model learns from it; but it is of no use either."""
    late, rng = clean(), np.random.default_rng(1)
    at = conversion_instants(late)
    never = at == 0
    words = [None if no else w for no, w in zip(never, rng.choice(["x", "y"], 600), strict=True)]
    leaky = with_attribute(late, "contract", words, known_at=np.where(never, 1, at + 1_000_000))
    assert ("known_after_outcome", ("contract",)) in alarms_of(leaky, status="warning")
    assert alarms_of(leaky) == []


def test_a_column_that_knows_the_future_is_named():
    """A window that reaches over `as_of` counts what the conversion itself leaves behind."""
    leaky = clean()
    future = leaky.snapshots["converted"] * 3 + np.random.default_rng(1).poisson(0.3, len(leaky))
    raised = alarms_of(with_column(leaky, "counts.guide.30d", future))
    assert raised == [("single_feature", ("counts.guide.30d",))]


def test_a_column_that_was_filled_in_for_the_past_only_is_named():
    """History that was tidied up later ranks in training, and not on the day."""
    leaky, rng = clean(), np.random.default_rng(1)
    column = rng.poisson(1, len(leaky)).astype(float)
    column[first_mondays(leaky, 7)] += 2 * leaky.snapshots["converted"][first_mondays(leaky, 7)]
    raised = alarms_of(with_column(leaky, "counts.blog.30d", column))
    assert ("auc_drop", ("counts.blog.30d",)) in raised


def test_outcomes_dealt_at_random_are_predicted_by_chance():
    """Trained and tested on nothing, everything must come out as nothing.

    An interval of 95 % misses by chance once in twenty worlds; two in three do not.
    """
    found = [look(clean(seed))["probes"]["shuffled_labels"] for seed in range(3)]
    assert sum(auc["low"] < 0.5 < auc["high"] for auc in found) >= 2
    assert np.mean([auc["value"] for auc in found]) == pytest.approx(0.5, abs=0.03)


def test_a_family_that_sees_the_outcomes_of_test_rows_is_noticed(monkeypatch):
    """A fitted family gets training labels only; one that got all would predict noise."""
    honest = TrainingSet.fit_columns

    def cheats(training_set, train, labels):
        fitted = honest(training_set, train, labels)
        seen = (*fitted.parts, labels[None].astype(np.float32))
        return replace(fitted, names=[*fitted.names, "path.cheat"], parts=seen)

    monkeypatch.setattr(TrainingSet, "fit_columns", cheats)
    assert ("shuffled_labels", ()) in alarms_of(clean())


def test_columns_that_moved_before_scoring_are_noted():
    """The questions to be scored are three times as active as those learnt from."""
    learnt = clean()
    moved = learnt.values.copy()
    moved[learnt.names.index("counts.guide.30d")] += 3
    latest = ScoringFeatures("2024-06-03T00:00:00+00:00", learnt.names, moved)
    raised = check_leakage({"leakage_diagnostics": look(learnt, latest)}, LeakageCheckSettings())
    (drift,) = [alarm for alarm in raised if alarm["check"] == "drift"]
    assert drift["columns"] == ("counts.guide.30d",)
    assert drift["status"] == "warning"


def test_too_little_to_look_at_is_said_and_made_up_instants_too():
    """Silence must not be taken for a clean bill."""
    raised = check_leakage(
        {"leakage_diagnostics": {"reason": "only 3 rows convert"}, "synthetic_times": ["leads"]},
        LeakageCheckSettings(),
    )
    assert [alarm["check"] for alarm in raised] == ["not_checked", "synthetic_times"]
    assert "only 3 rows convert" in raised[0]["observed"]
    assert "`leads`" in raised[1]["observed"]
    unchecked = check_leakage({}, LeakageCheckSettings())
    assert [result["check"] for result in unchecked] == ["not_checked"]


def test_every_alarm_says_what_it_measured_what_it_means_and_the_way_out():
    """A code alone sends people to the source; and `alarm` stands before `note`."""
    leaky = asked_once()
    leaky = with_attribute(leaky, "status", converters(leaky).astype(str).tolist())
    raised = check_leakage({"leakage_diagnostics": look(leaky)}, LeakageCheckSettings())
    for alarm in raised:
        assert alarm["check"] in RULES
        assert all(len(alarm[part]) > 20 for part in ("observed", "meaning", "remedy"))
    statuses = [alarm["status"] for alarm in raised]
    assert statuses == sorted(statuses)


def test_the_order_of_the_rows_changes_no_finding():
    """Rows come by bucket; how many buckets a log has must not show."""
    from worlds.training_sets import reordered

    training_set = clean()
    order = np.random.default_rng(5).permutation(len(training_set))
    assert look(reordered(training_set, order)) == look(training_set)
