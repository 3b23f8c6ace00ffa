"""From out-of-time predictions to the report: every estimate beside every baseline's."""

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
from microconv.evaluation.amounts import amount_metrics
from microconv.evaluation.backtest import Backtest
from microconv.evaluation.curves import fold_table, gain_curve, gain_table, reliability_table
from microconv.evaluation.intervals import Metrics, estimate, measure
from microconv.evaluation.leakage.checks import check_leakage
from microconv.evaluation.metrics import (
    LIST_METRICS,
    RANKING_METRICS,
    Predictions,
    draw_resamples,
    ranking_metrics,
)
from microconv.evaluation.model_verdict import give_verdict
from microconv.evaluation.segments import SEGMENT, STAGE, segment_metrics
from microconv.settings import EvaluateSettings
from microconv.storage.files import atomic_write

CANDIDATE = "ensemble"
"""The model that is trained and used; the others stand beside it."""

TENTH = np.array([0.1])

DEFINITIONS = {
    "resampling": "prospects are drawn with replacement, with all their rows; percentile intervals",
    "ties": "tied rows share: a tied pair is half right, rows tied at a list's end share its end",
    "lists": "precision, recall, lift and value_captured are means over the test dates of what a "
    "list of list_size brings; dates without conversions (value) are left out of recall (value)",
    "ece_chance_limit": "95 % quantile of the ECE if outcomes were drawn from the probabilities "
    "themselves, rows independent; by_prospect: rows of a prospect as alike as can be",
    "segments": "stage and attributes as known when asked; a segment is off if slope 1 and "
    "intercept 0 are refuted at the confidence, all segments considered (Benjamini-Hochberg)",
    "unseen": "prospects who had never been asked about before the fold's test began",
    "gain": "lift_at_10_percent and the gain curve take all test rows as one list",
}


@dataclass(frozen=True)
class Evaluation:
    """The report, and the tables behind its charts.

    Attributes
    ----------
    report : dict
        Only what JSON can hold; a estimate that does not exist is null with a reason.
    plots : dict of str to DataFrame
        `gain`, `reliability`, `folds`.
    """

    report: dict[str, Any]
    plots: dict[str, pd.DataFrame] = field(repr=False)

    def write(self, report: str | Path, plots: str | Path) -> None:
        """Write the report as JSON and the tables as CSV files into a folder."""
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
    """Measure every model of a backtest, on each fold and on all of them together.

    Parameters
    ----------
    backtest : Backtest
    settings : EvaluateSettings
    threads : int, optional
        Models measured side by side; every core when None. Changes no estimate.

    Raises
    ------
    EventLogError
        If the models were not asked about the same rows.
    """
    asked, models = gather(backtest)
    counts = draw_resamples(
        int(asked["prospect"].max()) + 1, settings.bootstrap, seed=settings.seed
    )

    def measure_one(predictions: Predictions) -> tuple[Metrics, dict[str, Any]]:
        return _measure_everywhere(predictions, asked, counts, settings)

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        done = dict(zip(models, pool.map(measure_one, models.values()), strict=True))
    pooled = {name: part[0] for name, part in done.items()}
    measured = {name: part[1] for name, part in done.items()}
    against = _against(pooled, settings)
    report = {
        "candidate": CANDIDATE,
        **settings.model_dump(exclude={"seed", "leakage_checks", "max_auc_loss"}),
        "verdict": give_verdict(measured, against, CANDIDATE),
        "headline": headline(measured[CANDIDATE]["pooled"]),
        "models": measured,
        "candidate_minus": against,
        "leakage_checks": check_leakage(backtest.notes, settings.leakage_checks),
        "segments": segment_metrics(models[CANDIDATE], asked, settings),
        "amount": amount_metrics(backtest.of_model(CANDIDATE)),
        **backtest.notes,
        "definitions": DEFINITIONS,
    }
    plots = {
        "gain": gain_table(models),
        "reliability": reliability_table(models, settings.bins),
        "folds": fold_table(measured),
    }
    return Evaluation(report, plots)


def _measure_everywhere(
    predictions: Predictions,
    asked: pd.DataFrame,
    counts: npt.NDArray[np.uint8],
    settings: EvaluateSettings,
) -> tuple[Metrics, dict[str, Any]]:
    """Measure one model on all rows, by fold, and on prospects it never trained on."""
    pooled = measure(predictions, counts, settings)
    folds = {
        str(fold): measure(predictions.only((asked["fold"] == fold).to_numpy()), counts, settings)
        for fold in asked["fold"].unique()
    }
    by_fold = {fold: measured.figures for fold, measured in folds.items()}
    unseen = asked["unseen"].to_numpy(bool)
    return pooled, {
        "pooled": {**pooled.figures, "lift_at_10_percent": _top_tenth(predictions)},
        "folds": by_fold,
        "unseen": _unseen(predictions, unseen, counts, settings),
        "spread": _spread(by_fold),
    }


def gather(backtest: Backtest) -> tuple[pd.DataFrame, dict[str, Predictions]]:
    """Line the models' predictions up, row for row.

    Returns
    -------
    asked : DataFrame
        One row per tested snapshot: `fold`, `prospect` (code), `unseen`, and its segments.
    models : dict of str to Predictions
        The same rows in the same order.
    """
    frame = backtest.predictions.to_pandas()
    frame["prospect"] = np.unique(frame["prospect_id"].to_numpy(str), return_inverse=True)[1]
    frame["instant"] = frame["as_of"].astype("int64")
    frame[["fold", "model"]] = frame[["fold", "model"]].astype(str)
    keys = ["fold", "prospect", "instant"]
    names = list(dict.fromkeys(frame["model"]))
    models: dict[str, Predictions] = {}
    asked = None
    for name in names:
        rows = frame[frame["model"] == name].sort_values(keys, ignore_index=True)
        asked = rows if asked is None else asked
        if not rows[keys].equals(asked[keys]):
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
    if asked is None or CANDIDATE not in models:
        raise EventLogError(
            f"The predictions hold no row of `{CANDIDATE}`. Run the stage `backtest` again."
        )
    segments = [name for name in asked if name == STAGE or str(name).startswith(SEGMENT)]
    return asked[["fold", "prospect", "unseen", *segments]], models


def headline(figures: Mapping[str, Any]) -> dict[str, float | None]:
    """Pick the few numbers that runs are compared by."""
    plain = {name: figures[name]["value"] for name in (*RANKING_METRICS, *LIST_METRICS)}
    calibration = figures["calibration"]
    return {
        **plain,
        "lift_at_10_percent": figures["lift_at_10_percent"]["value"],
        "calibration_slope": calibration["slope"]["value"],
        "ece": calibration["ece"],
        "ece_chance_limit": calibration["ece_chance_limit"],
    }


def _top_tenth(predictions: Predictions) -> dict[str, Any]:
    met = float(gain_curve(predictions, TENTH)[0])
    if np.isnan(met):
        return {"value": None, "reason": "nobody converted"}
    return {"value": met / float(TENTH[0])}


def _unseen(
    predictions: Predictions,
    unseen: npt.NDArray[np.bool_],
    counts: npt.NDArray[np.uint8],
    settings: EvaluateSettings,
) -> dict[str, Any]:
    rows = predictions.only(unseen)
    if len(rows) == 0:
        return {"rows": 0, "auc": {"value": None, "reason": "every tested prospect trained too"}}
    auc = ranking_metrics(rows, counts)[:, 0]
    why = "the rows of prospects never trained on hold only one outcome"
    return {
        "rows": len(rows),
        "prospects": len(np.unique(rows.prospect)),
        "conversions": int(rows.converted.sum()),
        "auc": estimate(auc, settings.confidence, why=why),
    }


def _spread(folds: Mapping[str, Any]) -> dict[str, Any]:
    """Say how far the folds lie apart, in the figures that are defined there."""
    out: dict[str, Any] = {}
    for name in (*RANKING_METRICS, *LIST_METRICS):
        values = [f[name]["value"] for f in folds.values() if f[name]["value"] is not None]
        if values:
            out[name] = {"least": min(values), "most": max(values), "folds": len(values)}
    return out


def _against(pooled: Mapping[str, Metrics], settings: EvaluateSettings) -> dict[str, Any]:
    """Paired differences on the same resamples: the candidate minus each other model."""
    mine = pooled[CANDIDATE].samples
    return {
        other: {
            name: estimate(
                mine[name] - measured.samples[name], settings.confidence, why="one is undefined"
            )
            for name in RANKING_METRICS
        }
        for other, measured in pooled.items()
        if other != CANDIDATE
    }
