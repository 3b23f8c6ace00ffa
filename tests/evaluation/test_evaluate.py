"""The evaluation report: strict JSON, a verdict, and every model on the same rows."""

from __future__ import annotations

import json
import math
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from microconv.errors import EventLogError
from microconv.evaluation.backtest import Backtest
from microconv.evaluation.evaluate import Evaluation, amount_metrics, evaluate
from microconv.settings import EvaluateSettings
from worlds.predictions import backtest_of, planted_snapshots

SETTINGS = EvaluateSettings(list_size=20, bootstrap=100, seed=1)


def predicted(snapshots: pd.DataFrame) -> dict[str, np.ndarray]:
    """Predict the true probability, the same with noise as a baseline, and the base rate."""
    noise = np.random.default_rng(7).normal(size=len(snapshots))
    blurred = 1 / (1 + np.exp(1 - 0.6 * (snapshots["score"] + 1.5 * noise)))
    rate = np.full(len(snapshots), snapshots["converted"].mean())
    return {"base_rate": rate, "recency": blurred, "ensemble": snapshots["chance"].to_numpy()}


@cache
def planted() -> Evaluation:
    """Evaluate the planted predictions, once."""
    snapshots = planted_snapshots()
    return evaluate(backtest_of(snapshots, predicted(snapshots)), SETTINGS)


def test_metrics_are_those_of_scikit_learn_pooled_and_by_fold():
    """AUC of all test rows, and of each fold alone."""
    snapshots, models = planted_snapshots(), planted().report["models"]
    pooled = roc_auc_score(snapshots["converted"], snapshots["chance"])
    assert models["ensemble"]["pooled"]["auc"]["value"] == pytest.approx(pooled)
    for fold, rows in snapshots.groupby("fold"):
        expected = roc_auc_score(rows["converted"], rows["chance"])
        assert models["ensemble"]["folds"][fold]["auc"]["value"] == pytest.approx(expected)
    seldom = snapshots[snapshots.index % 2 == 0]
    expected = roc_auc_score(seldom["converted"], seldom["chance"])
    assert models["ensemble"]["unseen"]["auc"]["value"] == pytest.approx(expected)


def test_a_planted_signal_beats_chance_and_the_baseline():
    """The verdict names the best baseline and the interval of the difference."""
    verdict = planted().report["verdict"]
    assert verdict["better_than_chance"] is True
    assert verdict["beats_baseline"] is True
    assert verdict["best_baseline"] == "recency"
    assert "better than chance" in verdict["summary"]
    assert "It beats the best baseline, recency, by +0." in verdict["summary"]


def test_without_signal_the_verdict_is_not_better_than_chance():
    """In at least 17 of 20 worlds without signal."""
    nothing = 0
    for seed in range(20):
        snapshots = planted_snapshots(200, seed=seed, signal=0, folds=1)
        guess = 1 / (1 + np.exp(1 - 0.3 * snapshots["score"]))
        report = evaluate(backtest_of(snapshots, {"ensemble": guess}), SETTINGS).report
        nothing += "does not rank better than chance" in report["verdict"]["summary"]
    assert nothing >= 17


def test_a_reversed_ranking_is_worse_than_chance():
    """The whole interval lies below 0.5."""
    snapshots = planted_snapshots()
    report = evaluate(
        backtest_of(snapshots, {"ensemble": 1 - snapshots["chance"]}), SETTINGS
    ).report
    assert report["verdict"]["better_than_chance"] is False
    assert "worse than chance" in report["verdict"]["summary"]


def test_a_better_baseline_is_recommended():
    """The simple rule is then the better choice."""
    snapshots = planted_snapshots()
    best = predicted(snapshots)
    swapped = {"recency": best["ensemble"], "ensemble": best["recency"]}
    report = evaluate(backtest_of(snapshots, swapped), SETTINGS).report
    assert "use that rule instead" in report["verdict"]["summary"]


def test_without_resamples_there_is_no_verdict():
    """A point estimate alone says nothing about chance."""
    snapshots = planted_snapshots()
    settings = SETTINGS.model_copy(update={"bootstrap": 0})
    report = evaluate(backtest_of(snapshots, predicted(snapshots)), settings).report
    assert report["verdict"]["better_than_chance"] is None
    assert "`evaluate.bootstrap` is 0" in report["verdict"]["summary"]


def test_a_fold_without_conversions_is_null_with_a_reason():
    """The other folds and the pooled metrics remain."""
    snapshots = planted_snapshots()
    snapshots.loc[snapshots["fold"] == "fold 1", "converted"] = False
    models = evaluate(backtest_of(snapshots, predicted(snapshots)), SETTINGS).report["models"]
    assert models["ensemble"]["folds"]["fold 1"]["auc"]["value"] is None
    assert "none of the 800 rows" in models["ensemble"]["folds"]["fold 1"]["auc"]["reason"]
    assert models["ensemble"]["pooled"]["auc"]["value"] > 0.5
    assert models["ensemble"]["spread"]["auc"]["folds"] == 1


def test_a_test_without_conversions_is_reported_and_no_error():
    """Undefined metrics are null, and the verdict gives the reason."""
    snapshots = planted_snapshots().assign(converted=False)
    done = evaluate(backtest_of(snapshots, {"ensemble": snapshots["chance"]}), SETTINGS)
    json.dumps(done.report, allow_nan=False)
    assert "is unknown" in done.report["verdict"]["summary"]
    assert done.report["headline"]["auc"] is None


def test_the_report_is_strict_json_and_the_tables_are_there(tmp_path):
    """No NaN, no Infinity: other languages read it too."""
    planted().write(tmp_path / "evaluation.json", tmp_path / "plots")
    text = (tmp_path / "evaluation.json").read_text()

    def refuse(word: str) -> None:
        raise AssertionError(word)

    report = json.loads(text, parse_constant=refuse)
    assert report["left_out"] == {"opens": "no such step"}
    assert report["list_size"] == 20
    tables = {p.stem: pd.read_csv(p) for p in (tmp_path / "plots").iterdir()}
    assert set(tables) == {"gain", "reliability", "folds"}
    assert set(tables["folds"]["fold"]) == {"fold 0", "fold 1"}
    assert tables["reliability"].groupby("model")["rows"].sum().eq(1600).all()


def test_the_same_predictions_give_the_same_report():
    """In whatever order the file has its rows."""
    snapshots = planted_snapshots()
    made = backtest_of(snapshots, predicted(snapshots))
    shuffled = made.predictions.take(np.random.default_rng(3).permutation(len(made.predictions)))
    again = evaluate(Backtest(shuffled, made.notes), SETTINGS).report
    for name in ("ensemble", "recency", "base_rate"):
        assert again["models"][name] == planted().report["models"][name]


def test_differences_are_paired():
    """Two nearly identical models differ by nearly nothing, however wide each interval is."""
    snapshots = planted_snapshots()
    near = {"ensemble": snapshots["chance"], "regression": snapshots["chance"] * 0.999}
    difference = evaluate(backtest_of(snapshots, near), SETTINGS).report["candidate_minus"][
        "regression"
    ]
    assert difference["auc"]["low"] == difference["auc"]["high"] == 0
    assert 0 < difference["log_loss"]["high"] - difference["log_loss"]["low"] < 1e-3


def test_models_with_predictions_for_different_rows_are_not_compared():
    """The metrics would not be comparable."""
    snapshots = planted_snapshots()
    made = backtest_of(snapshots, predicted(snapshots))
    with pytest.raises(EventLogError, match="not about the same rows"):
        evaluate(Backtest(made.predictions.slice(5), made.notes), SETTINGS)


def test_predictions_without_the_ensemble_are_an_error():
    """There is nothing to report on."""
    snapshots = planted_snapshots()
    with pytest.raises(EventLogError, match="no row of `ensemble`"):
        evaluate(backtest_of(snapshots, {"recency": snapshots["chance"]}), SETTINGS)


def test_the_true_probabilities_are_found_calibrated():
    """The interval of the slope contains 1, and the chance limits of the ECE are reported."""
    models = planted().report["models"]
    slope = models["ensemble"]["pooled"]["calibration"]["slope"]
    assert slope["low"] < 1 < slope["high"]
    for name in ("ece", "ece_chance_limit", "ece_chance_limit_by_prospect"):
        assert models["recency"]["pooled"]["calibration"][name] > 0


def amounts(**columns: list[float | None]) -> pd.DataFrame:
    """Return four rows: two conversions of known value, one of unknown value, one none."""
    return pd.DataFrame(
        {
            "converted": [True, True, True, False],
            "value": [100.0, 300.0, None, None],
            "amount": [100.0, 200.0, 50.0, 50.0],
        }
        | columns
    )


def test_only_conversions_of_known_value_count_in_the_amount_metrics():
    """Deviance 0 for the first; of the second, 2 (3/2 − 1 − ln 3/2). The mean is 150."""
    found = amount_metrics(amounts())
    second = 2 * (0.5 - math.log(1.5))
    of_mean = (2 * (100 / 150 - 1 - math.log(100 / 150)) + 2 * (1 - math.log(2))) / 2
    assert found["conversions"] == 2
    assert found["deviance"] == pytest.approx(second / 2)
    assert found["deviance_of_mean"] == pytest.approx(of_mean)
    assert found["expected_over_actual"] == pytest.approx(300 / 400)


def test_without_values_the_amount_metrics_are_a_reason():
    """Revenue is optional; a zero would be misleading."""
    assert "reason" in amount_metrics(amounts(value=[None] * 4))
    assert "reason" in amount_metrics(amounts(amount=[None] * 4))
