"""The sentences about how reliable a list is."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from microconv.report.reliability import Reliability, summarize_reliability
from worlds.reports import evaluation


def report(**calibration: Any) -> dict[str, Any]:
    """Return an evaluation by hand: 1.3% predicted, 1.1% observed, lift 4.5."""
    good = {
        "slope": {"value": 1.0, "low": 0.9, "high": 1.1},
        "calibration_in_the_large": {"value": 0.0, "low": -0.1, "high": 0.1},
        "ece": 0.002,
        "ece_chance_limit_by_prospect": 0.003,
    }
    pooled = {
        "lift": {"value": 4.52, "low": 3.33, "high": 5.7},
        "mean_probability": 0.013,
        "base_rate": 0.011,
        "calibration": {**good, **calibration},
    }
    return {
        "candidate": "ensemble",
        "list_size": 200,
        "confidence": 0.95,
        "verdict": {"better_than_chance": True, "summary": "The model ranks better than chance."},
        "readiness": {"state": "ready", "summary": "There is enough to learn from."},
        "models": {"ensemble": {"pooled": pooled}},
    }


def test_a_good_model_is_called_reliable() -> None:
    """Every figure named here stands in the evaluation above."""
    reliability = summarize_reliability(report())
    assert not reliability.unreliable
    assert reliability.sentences == (
        "In backtests, the top 200 of each list converted 4.5 times as often as the average "
        "prospect (3.3 to 5.7, 95% interval).",
        "The probabilities are well calibrated: 1.3% predicted on average, 1.1% observed.",
    )


@pytest.mark.parametrize(
    ("calibration", "expected"),
    [
        (
            {"calibration_in_the_large": {"value": -0.2, "low": -0.3, "high": -0.1}},
            "somewhat too high",
        ),
        ({"calibration_in_the_large": {"value": 0.2, "low": 0.1, "high": 0.3}}, "somewhat too low"),
        (
            {"slope": {"value": 0.7, "low": 0.6, "high": 0.8}},
            "High probabilities are too high and low ones too low",
        ),
        (
            {"slope": {"value": 1.4, "low": 1.2, "high": 1.6}},
            "High probabilities are too low and low ones too high",
        ),
        ({"ece": 0.004}, "off by more than chance explains"),
        (
            {"slope": {"value": None, "reason": "only one outcome happened"}},
            "unknown: only one outcome happened",
        ),
    ],
)
def test_the_direction_of_a_miscalibration_is_named(calibration: Any, expected: str) -> None:
    """Percentages are read as percentages: a systematic error must be named, with its direction."""
    assert expected in summarize_reliability(report(**calibration)).sentences[-1]


@pytest.mark.parametrize("ranks", [False, None])
def test_a_list_that_ranks_by_nothing_raises_the_alarm(ranks: bool | None) -> None:
    """No soothing sentence may follow: the verdict stands alone."""
    content = copy.deepcopy(report())
    content["verdict"] = {"better_than_chance": ranks, "summary": "There is nothing to rank by."}
    reliability = summarize_reliability(content)
    assert reliability.unreliable
    assert reliability.sentences == ("There is nothing to rank by.",)


def test_a_list_from_a_few_conversions_is_never_a_confident_one() -> None:
    """However good the figures look: with not enough, only that is said."""
    content = report()
    content["readiness"] = {
        "state": "not enough",
        "summary": "There is not enough: 30 conversions.",
    }
    assert summarize_reliability(content) == Reliability(
        ("There is not enough: 30 conversions.",), unreliable=True
    )
    content["readiness"] = {"state": "thin", "summary": "There is little: 60 conversions."}
    reliability = summarize_reliability(content)
    assert (reliability.sentences[0], reliability.unreliable) == (
        "There is little: 60 conversions.",
        False,
    )
    assert len(reliability.sentences) == 3


def test_a_lift_that_does_not_exist_is_not_mentioned() -> None:
    """No conversions at the top: nothing is made up."""
    content = report()
    content["models"]["ensemble"]["pooled"]["lift"] = {"value": None, "reason": "nobody converted"}
    assert len(summarize_reliability(content).sentences) == 1


def test_real_evaluations_can_be_put_into_words() -> None:
    """The keys read here are the ones that `evaluate` writes."""
    assert not summarize_reliability(evaluation(2.0).report).unreliable
    assert summarize_reliability(evaluation(0.0).report).unreliable
