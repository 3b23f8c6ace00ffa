"""The evaluation report: metrics of every model and baseline, from out-of-time predictions."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.errors import EventLogError
from microconv.evaluation.backtest import Backtest
from microconv.evaluation.curves import fold_table, gain_curve, gain_table, reliability_table
from microconv.evaluation.intervals import Metrics, compute_metrics, estimate
from microconv.evaluation.leakage.checks import check_leakage
from microconv.evaluation.metrics import (
    LIST_METRICS,
    RANKING_METRICS,
    Predictions,
    draw_resamples,
    ranking_metrics,
)
from microconv.evaluation.segments import SEGMENT, STAGE, segment_metrics
from microconv.model.amount import gamma_deviance
from microconv.settings import EvaluateSettings
from microconv.storage.files import atomic_write

CANDIDATE = "ensemble"
"""The model that is trained and used; the others are for comparison."""

BASE_MODELS = ("trees", "hazard", "regression")
"""Members of the ensemble, which are no baselines."""

CHANCE = 0.5

TOP_SHARE = np.array([0.1])

DEFINITIONS = {
    "resampling": "Prospects are drawn with replacement, with all their rows; percentile "
    "intervals.",
    "ties": "Tied rows get the average of all orders: a tied pair counts as half right, and rows "
    "tied at the end of a list share its last places.",
    "lists": "Precision, recall, lift and value_captured are means over the test dates of a list "
    "of list_size. Recall (value_captured) leaves out dates without conversions (value).",
    "ece_chance_limit": "95 % quantile of the ECE if outcomes were drawn from the probabilities, "
    "with independent rows; by_prospect: with the rows of a prospect fully correlated.",
    "segments": "Stage and attributes as known at the date of the snapshot. A segment is "
    "miscalibrated if slope 1 and intercept 0 are rejected at the confidence level, corrected for "
    "the number of segments (Benjamini-Hochberg).",
    "unseen": "Prospects without a snapshot before the test of the fold began.",
    "gain": "lift_at_10_percent and the gains curve treat all test rows as one list.",
}


@dataclass(frozen=True)
class Evaluation:
    """The report, and the tables behind its charts.

    Attributes
    ----------
    report : dict
        JSON values only; an undefined metric is null with a reason.
    plots : dict of str to DataFrame
        `gain`, `reliability`, `folds`.
    """

    report: dict[str, Any]
    plots: dict[str, pd.DataFrame] = field(repr=False)

    def write(self, report: str | Path, plots: str | Path) -> None:
        """Write the report as JSON and the tables as CSV files.

        Parameters
        ----------
        report, plots : str or Path
            The JSON file, and the folder of the tables.
        """
        text = json.dumps(self.report, indent=1, allow_nan=False)
        with atomic_write(report) as fresh:
            fresh.write_text(text, encoding="utf-8")
        with atomic_write(plots) as fresh:
            fresh.mkdir()
            for name, table in self.plots.items():
                table.to_csv(fresh / f"{name}.csv", index=False, lineterminator="\n")


def evaluate(
    backtest: Backtest, settings: EvaluateSettings, *, threads: int | None = None
) -> Evaluation:
    """Compute the metrics of every model of a backtest, on each fold and on all together.

    Parameters
    ----------
    backtest : Backtest
    settings : EvaluateSettings
    threads : int, optional
        Models evaluated in parallel; every core when None. Changes no metric.

    Returns
    -------
    Evaluation

    Raises
    ------
    EventLogError
        If the models have predictions for different rows.
    """
    rows, models = _predictions_by_model(backtest)
    counts = draw_resamples(int(rows["prospect"].max()) + 1, settings.bootstrap, seed=settings.seed)

    def compute(predictions: Predictions) -> tuple[Metrics, dict[str, Any]]:
        return _metrics_of_model(predictions, rows, counts, settings)

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        done = dict(zip(models, pool.map(compute, models.values()), strict=True))
    metrics = {name: part[1] for name, part in done.items()}
    differences = _differences({name: part[0] for name, part in done.items()}, settings)
    report = {
        "candidate": CANDIDATE,
        **settings.model_dump(exclude={"seed", "leakage_checks", "max_auc_loss"}),
        "verdict": _verdict(metrics, differences),
        "headline": _headline(metrics[CANDIDATE]["pooled"]),
        "models": metrics,
        "candidate_minus": differences,
        "leakage_checks": check_leakage(backtest.notes, settings.leakage_checks),
        "segments": segment_metrics(models[CANDIDATE], rows, settings),
        "amount": amount_metrics(backtest.of_model(CANDIDATE)),
        **backtest.notes,
        "definitions": DEFINITIONS,
    }
    plots = {
        "gain": gain_table(models),
        "reliability": reliability_table(models, settings.bins),
        "folds": fold_table(metrics),
    }
    return Evaluation(report, plots)


def _predictions_by_model(backtest: Backtest) -> tuple[pd.DataFrame, dict[str, Predictions]]:
    """Return the test rows, and each model's predictions in the same order.

    The rows have `fold`, `prospect` (code), `unseen` and the columns of the segments.
    """
    frame = backtest.predictions.to_pandas()
    frame["prospect"] = np.unique(frame["prospect_id"].to_numpy(str), return_inverse=True)[1]
    frame["instant"] = frame["as_of"].astype("int64")
    frame[["fold", "model"]] = frame[["fold", "model"]].astype(str)
    keys = ["fold", "prospect", "instant"]
    names = list(dict.fromkeys(frame["model"]))
    models: dict[str, Predictions] = {}
    common = None
    for name in names:
        rows = frame[frame["model"] == name].sort_values(keys, ignore_index=True)
        common = rows if common is None else common
        if not rows[keys].equals(common[keys]):
            raise EventLogError(
                f"The predictions of `{name}` and `{names[0]}` are not about the same rows, so the "
                "two cannot be compared. Run the stage `backtest` again."
            )
        models[name] = Predictions(
            rows["probability"].to_numpy(np.float64),
            rows["converted"].to_numpy(bool),
            rows["value"].to_numpy(np.float64),
            rows["prospect"].to_numpy(np.int64),
            rows["instant"].to_numpy(np.int64),
        )
    if common is None or CANDIDATE not in models:
        raise EventLogError(
            f"The predictions hold no row of `{CANDIDATE}`. Run the stage `backtest` again."
        )
    segments = [name for name in common if name == STAGE or str(name).startswith(SEGMENT)]
    return common[["fold", "prospect", "unseen", *segments]], models


def _metrics_of_model(
    predictions: Predictions,
    rows: pd.DataFrame,
    counts: npt.NDArray[np.uint8],
    settings: EvaluateSettings,
) -> tuple[Metrics, dict[str, Any]]:
    """Compute one model's metrics on all rows, by fold, and on unseen prospects."""
    pooled = compute_metrics(predictions, counts, settings)
    folds = {
        str(fold): compute_metrics(
            predictions.only((rows["fold"] == fold).to_numpy()), counts, settings
        ).values
        for fold in rows["fold"].unique()
    }
    unseen = predictions.only(rows["unseen"].to_numpy(bool))
    return pooled, {
        "pooled": {**pooled.values, "lift_at_10_percent": _lift_at_top(predictions)},
        "folds": folds,
        "unseen": _unseen_metrics(unseen, counts, settings),
        "spread": _spread(folds),
    }


def _lift_at_top(predictions: Predictions) -> dict[str, Any]:
    captured = float(gain_curve(predictions, TOP_SHARE)[0])
    if np.isnan(captured):
        return {"value": None, "reason": "nobody converted"}
    return {"value": captured / float(TOP_SHARE[0])}


def _unseen_metrics(
    rows: Predictions, counts: npt.NDArray[np.uint8], settings: EvaluateSettings
) -> dict[str, Any]:
    if len(rows) == 0:
        reason = "every tested prospect is in the training data"
        return {"rows": 0, "auc": {"value": None, "reason": reason}}
    why = "the rows of unseen prospects have only one outcome"
    return {
        "rows": len(rows),
        "prospects": len(np.unique(rows.prospect)),
        "conversions": int(rows.converted.sum()),
        "auc": estimate(ranking_metrics(rows, counts)[:, 0], settings.confidence, why=why),
    }


def _spread(folds: Mapping[str, Any]) -> dict[str, Any]:
    """Return the range of each metric over the folds where it is defined."""
    out: dict[str, Any] = {}
    for name in (*RANKING_METRICS, *LIST_METRICS):
        values = [f[name]["value"] for f in folds.values() if f[name]["value"] is not None]
        if values:
            out[name] = {"min": min(values), "max": max(values), "folds": len(values)}
    return out


def _differences(pooled: Mapping[str, Metrics], settings: EvaluateSettings) -> dict[str, Any]:
    """Return the candidate minus each other model, paired on the same resamples."""
    candidate = pooled[CANDIDATE].samples
    return {
        other: {
            name: estimate(
                candidate[name] - metrics.samples[name],
                settings.confidence,
                why="undefined for one of the two models",
            )
            for name in RANKING_METRICS
        }
        for other, metrics in pooled.items()
        if other != CANDIDATE
    }


def _headline(values: Mapping[str, Any]) -> dict[str, float | None]:
    """Select the few numbers that runs are compared by."""
    calibration = values["calibration"]
    return {
        **{name: values[name]["value"] for name in (*RANKING_METRICS, *LIST_METRICS)},
        "lift_at_10_percent": values["lift_at_10_percent"]["value"],
        "calibration_slope": calibration["slope"]["value"],
        "ece": calibration["ece"],
        "ece_chance_limit": calibration["ece_chance_limit"],
    }


def amount_metrics(predictions: pd.DataFrame) -> dict[str, Any]:
    """Compare the expected amounts of tested conversions with the actual ones.

    The reference is one amount for everybody, the mean of the expected ones, so that only
    the differences between prospects count. Lower deviance is better.

    Parameters
    ----------
    predictions : DataFrame
        Of one model: `prospect_id`, `as_of`, `converted`, `value`, `amount`.

    Returns
    -------
    dict
        `conversions`, `deviance`, `deviance_of_mean`, `expected_over_actual`; or a `reason`.
    """
    value, amount = (predictions[name].to_numpy(np.float64) for name in ("value", "amount"))
    known = predictions["converted"].to_numpy(bool) & (value > 0) & (amount > 0)
    if not known.any():
        return {"reason": "no tested conversion has both a value and an expected amount"}
    actual, expected = value[known], amount[known]
    return {
        "conversions": int(known.sum()),
        "deviance": float(gamma_deviance(actual, expected).mean()),
        "deviance_of_mean": float(
            gamma_deviance(actual, np.full(len(actual), expected.mean())).mean()
        ),
        "expected_over_actual": float(expected.sum() / actual.sum()),
    }


def _verdict(models: Mapping[str, Any], differences: Mapping[str, Any]) -> dict[str, Any]:
    """Decide whether the candidate ranks better than chance and than the best baseline.

    Returns
    -------
    dict
        `better_than_chance` and `beats_baseline` (None where undecided), `best_baseline`
        and `summary`.
    """
    ranks, summary = _compare_with_chance(models[CANDIDATE]["pooled"]["auc"])
    aucs = {
        name: metrics["pooled"]["auc"]["value"]
        for name, metrics in models.items()
        if name not in (CANDIDATE, *BASE_MODELS) and metrics["pooled"]["auc"]["value"] is not None
    }
    best = max(aucs, key=lambda name: aucs[name]) if aucs else None
    beats, more = (None, "") if best is None else _compare_with_best(differences[best]["auc"], best)
    return {
        "better_than_chance": ranks,
        "best_baseline": best,
        "beats_baseline": beats,
        "summary": f"{summary} {more}".strip() if ranks else summary,
    }


def _compare_with_chance(auc: Mapping[str, Any]) -> tuple[bool | None, str]:
    if auc["value"] is None or auc["low"] is None:
        return None, f"Whether the model ranks better than chance is unknown: {auc['reason']}."
    metrics = f"AUC {auc['value']:.3f}, interval {auc['low']:.3f} to {auc['high']:.3f}"
    if auc["low"] > CHANCE:
        return True, f"The model ranks better than chance ({metrics})."
    if auc["high"] < CHANCE:
        return False, (
            f"The model ranks worse than chance ({metrics}): what held in training no longer "
            "holds. Do not use this list."
        )
    return False, (
        f"The model does not rank better than chance ({metrics}). "
        "A random list is as good as any list of this model."
    )


def _compare_with_best(difference: Mapping[str, Any], best: str) -> tuple[bool | None, str]:
    if difference.get("low") is None:
        return None, ""
    by = (
        f"by {difference['value']:+.3f} AUC, interval {difference['low']:+.3f} to "
        f"{difference['high']:+.3f}"
    )
    if difference["low"] > 0:
        return True, f"It beats the best baseline, {best}, {by}."
    if difference["high"] < 0:
        return False, f"The baseline {best} is better ({by}): use that rule instead."
    return False, f"It is not clearly better than the baseline {best} ({by})."
