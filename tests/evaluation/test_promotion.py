"""What speaks against a challenger, from predictions whose truth is planted."""

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
from worlds.model_versions import ASKED, EVALUATE, in_groups, overconfident, predictions

TRUTH = ASKED["chance"].to_numpy()
RANKS = {"better_than_chance": True, "summary": "It ranks.", "best_baseline": "recency"}


def met(challenger, champion) -> ModelComparison:
    """Let two models compare_with_champion that have rows in common."""
    contest = compare_with_champion(predictions(challenger), predictions(champion), EVALUATE)
    assert isinstance(contest, ModelComparison)
    return contest


def test_a_challenger_that_knows_the_truth_beats_a_coarse_champion():
    """Nothing speaks against it, and every difference is on its side."""
    contest = met(TRUTH, in_groups(4))
    assert check_against_champion(contest, EVALUATE) == []
    assert contest.figures["auc"]["difference"]["low"] > 0
    assert contest.figures["log_loss"]["difference"]["high"] < 0


def test_a_coarse_challenger_is_worse_in_every_figure_but_by_name_only_where_it_is_sure():
    """The interval of the paired difference decides, not the difference."""
    blockers = check_against_champion(met(in_groups(2), TRUTH), EVALUATE)
    assert {blocker.code for blocker in blockers} == {"worse"}
    assert any("AUC is worse" in blocker.message for blocker in blockers)
    assert any("log loss is worse" in blocker.message for blocker in blockers)


def test_the_same_model_again_is_no_worse_and_there_is_no_doubt_about_it():
    """Paired on the same prospects, a model differs from itself by exactly nothing."""
    contest = met(TRUTH, TRUTH)
    assert contest.figures["auc"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert check_against_champion(contest, EVALUATE) == []


def test_a_difference_that_few_rows_leave_open_is_an_objection():
    """On 110 rows a coin might be as good: that nothing was shown is no licence."""
    noise = np.random.default_rng(2).permutation(TRUTH)
    few = predictions(noise)[:110].assign(converted=([True, False] * 55))
    contest = compare_with_champion(few, predictions(TRUTH)[:110], EVALUATE)
    assert isinstance(contest, ModelComparison)
    assert [o.code for o in check_against_champion(contest, EVALUATE)] == ["uncertain"]


def test_precision_of_the_list_is_that_of_the_dates_lists():
    """Hand count: on each date the first fifty, then the mean over the dates."""
    share = [rows.nlargest(50, "chance")["converted"].mean() for _, rows in ASKED.groupby("as_of")]
    precision = met(TRUTH, in_groups(4)).figures["precision"]["one"]["value"]
    assert precision == pytest.approx(np.mean(share))


def test_rows_of_one_outcome_or_too_few_compare_nothing():
    """A champion trained on other dates has no row in common: the log must help."""
    other = predictions(TRUTH).assign(prospect_id="x" + ASKED["prospect_id"])
    for champion in (other, predictions(TRUTH)[:50]):
        blocker = compare_with_champion(predictions(TRUTH), champion, EVALUATE)
        assert isinstance(blocker, Blocker)
        assert blocker.code == "no_common_rows"
        assert "--log" in blocker.message


def test_different_outcomes_are_counted_and_the_challengers_count():
    """A deal that was entered late is news, not an error."""
    late = predictions(TRUTH)
    late.loc[late.index[:3], "converted"] ^= True
    contest = compare_with_champion(late, predictions(TRUTH), EVALUATE)
    assert isinstance(contest, ModelComparison)
    assert contest.disagree == 3
    assert contest.figures["conversions"] == late["converted"].sum()


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        pytest.param(TRUTH, [], id="the truth"),
        pytest.param(in_groups(4), [], id="coarse but right"),
        pytest.param(overconfident(), ["miscalibrated", "miscalibrated"], id="twice too extreme"),
        pytest.param(TRUTH / 2, ["miscalibrated", "miscalibrated"], id="half of what comes"),
        pytest.param(np.full(len(TRUTH), 0.3), ["miscalibrated"], id="the same for everybody"),
    ],
)
def test_probabilities_that_do_not_come_true_are_an_objection(said, codes):
    """Slope and error are those of the evaluation; both must be what chance allows."""
    evaluation = {"leakage_checks": [], "verdict": RANKS}
    blockers = check_challenger(predictions(said), evaluation, EVALUATE)
    assert {o.code for o in blockers} == set(codes)


def test_open_alarms_object_and_notes_do_not():
    """Each alarm is named with its columns."""
    alarms = [
        {"check": "pure_values", "status": "failed", "columns": ["Tags"]},
        {"check": "drift", "status": "warning", "columns": ["size"]},
    ]
    evaluation = {"leakage_checks": alarms, "verdict": RANKS}
    (blocker,) = check_challenger(predictions(TRUTH), evaluation, EVALUATE)
    assert blocker == Blocker("leakage", "the leakage check `pure_values` failed for `Tags`")


def test_a_model_without_an_evaluation_or_without_a_rank_is_not_promoted():
    """Nobody looked, or nothing was found: neither is a recommendation."""
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
def test_a_first_champion_must_not_lose_to_a_rule_of_thumb(high, codes):
    """If sorting by recency is better, the rule should be used."""
    difference = {"value": -0.02, "low": -0.03, "high": high}
    evaluation = {"verdict": RANKS, "candidate_minus": {"recency": {"auc": difference}}}
    assert [blocker.code for blocker in check_against_baseline(evaluation)] == codes
