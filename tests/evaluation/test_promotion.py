"""What blocks the promotion of a challenger, on predictions with a planted truth."""

from __future__ import annotations

import numpy as np
import pytest

from microconv.evaluation.promotion import (
    Blocker,
    ModelComparison,
    check_against_baseline,
    check_against_champion,
    check_challenger,
    compare_with_champion,
)
from worlds.model_versions import EVALUATE, SNAPSHOTS, in_groups, overconfident, predictions

TRUTH = SNAPSHOTS["chance"].to_numpy()
RANKS = {"better_than_chance": True, "summary": "It ranks.", "best_baseline": "recency"}


def comparison_of(challenger, champion) -> ModelComparison:
    """Compare two models that have rows in common."""
    comparison = compare_with_champion(predictions(challenger), predictions(champion), EVALUATE)
    assert isinstance(comparison, ModelComparison)
    return comparison


def test_a_challenger_with_the_true_probabilities_beats_a_coarse_champion():
    """Nothing blocks it, and every difference is in its favour."""
    comparison = comparison_of(TRUTH, in_groups(4))
    assert check_against_champion(comparison, EVALUATE) == []
    assert comparison.metrics["auc"]["difference"]["low"] > 0
    assert comparison.metrics["log_loss"]["difference"]["high"] < 0


def test_a_coarse_challenger_is_worse_in_the_metrics_whose_interval_excludes_zero():
    """The interval of the paired difference decides, not the difference."""
    blockers = check_against_champion(comparison_of(in_groups(2), TRUTH), EVALUATE)
    assert {blocker.code for blocker in blockers} == {"worse"}
    assert any("AUC is worse" in blocker.message for blocker in blockers)
    assert any("log loss is worse" in blocker.message for blocker in blockers)


def test_the_same_model_is_no_worse_than_itself():
    """Paired on the same prospects, the difference is exactly zero."""
    comparison = comparison_of(TRUTH, TRUTH)
    assert comparison.metrics["auc"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert check_against_champion(comparison, EVALUATE) == []


def test_a_difference_that_few_rows_leave_open_blocks():
    """On 110 rows a coin might be as good: absence of evidence is not enough."""
    noise = np.random.default_rng(2).permutation(TRUTH)
    few = predictions(noise)[:110].assign(converted=([True, False] * 55))
    comparison = compare_with_champion(few, predictions(TRUTH)[:110], EVALUATE)
    assert isinstance(comparison, ModelComparison)
    assert [o.code for o in check_against_champion(comparison, EVALUATE)] == ["uncertain"]


def test_precision_of_the_list_is_that_of_the_dates_lists():
    """Hand count: on each date the first fifty, then the mean over the dates."""
    share = [
        rows.nlargest(50, "chance")["converted"].mean() for _, rows in SNAPSHOTS.groupby("as_of")
    ]
    precision = comparison_of(TRUTH, in_groups(4)).metrics["precision"]["one"]["value"]
    assert precision == pytest.approx(np.mean(share))


def test_too_few_common_rows_block():
    """A champion trained on other dates has no row in common: the log must help."""
    other = predictions(TRUTH).assign(prospect_id="x" + SNAPSHOTS["prospect_id"])
    for champion in (other, predictions(TRUTH)[:50]):
        blocker = compare_with_champion(predictions(TRUTH), champion, EVALUATE)
        assert isinstance(blocker, Blocker)
        assert blocker.code == "no_common_rows"
        assert "--log" in blocker.message


def test_label_conflicts_are_counted_and_the_challengers_labels_used():
    """A deal that was entered late is news, not an error."""
    late = predictions(TRUTH)
    late.loc[late.index[:3], "converted"] ^= True
    comparison = compare_with_champion(late, predictions(TRUTH), EVALUATE)
    assert isinstance(comparison, ModelComparison)
    assert comparison.label_conflicts == 3
    assert comparison.metrics["conversions"] == late["converted"].sum()


@pytest.mark.parametrize(
    ("probability", "codes"),
    [
        pytest.param(TRUTH, [], id="the truth"),
        pytest.param(in_groups(4), [], id="coarse but right"),
        pytest.param(overconfident(), ["miscalibrated", "miscalibrated"], id="twice too extreme"),
        pytest.param(TRUTH / 2, ["miscalibrated", "miscalibrated"], id="half of what comes"),
        pytest.param(np.full(len(TRUTH), 0.3), ["miscalibrated"], id="the same for everybody"),
    ],
)
def test_miscalibrated_probabilities_block(probability, codes):
    """Slope and error are those of the evaluation; both must be what chance allows."""
    evaluation = {"leakage_checks": [], "verdict": RANKS}
    blockers = check_challenger(predictions(probability), evaluation, EVALUATE)
    assert {o.code for o in blockers} == set(codes)


def test_failed_leakage_checks_block_and_warnings_do_not():
    """Each failed check is named with its columns."""
    checks = [
        {"check": "pure_values", "status": "failed", "columns": ["Tags"]},
        {"check": "drift", "status": "warning", "columns": ["size"]},
    ]
    evaluation = {"leakage_checks": checks, "verdict": RANKS}
    (blocker,) = check_challenger(predictions(TRUTH), evaluation, EVALUATE)
    assert blocker == Blocker("leakage", "the leakage check `pure_values` failed for `Tags`")


def test_a_model_without_an_evaluation_or_without_a_ranking_is_blocked():
    """Not checked, or no better than chance: neither is a recommendation."""
    (nothing,) = check_challenger(predictions(TRUTH), None, EVALUATE)
    assert nothing.code == "no_evaluation"
    verdict = {
        "better_than_chance": False,
        "summary": "There is nothing to rank by.",
        "best_baseline": None,
    }
    (noise,) = check_challenger(
        predictions(TRUTH), {"leakage_checks": [], "verdict": verdict}, EVALUATE
    )
    assert noise.code == "no_ranking"


@pytest.mark.parametrize(("high", "codes"), [(-0.01, ["worse"]), (0.01, [])])
def test_a_first_champion_must_not_lose_to_a_baseline(high, codes):
    """If sorting by recency is better, the rule should be used."""
    difference = {"value": -0.02, "low": -0.03, "high": high}
    evaluation = {"verdict": RANKS, "candidate_minus": {"recency": {"auc": difference}}}
    assert [blocker.code for blocker in check_against_baseline(evaluation)] == codes
