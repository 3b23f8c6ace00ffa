"""The decision to promote: a challenger compared with the champion, and every blocker.

The champion stays unless nothing blocks the challenger: that it is worse, that it may be
much worse, that its probabilities are miscalibrated, that it was trained for another
journey or horizon, or that a leakage check failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from microconv.errors import listed
from microconv.evaluation.calibration import calibration_metrics
from microconv.evaluation.intervals import estimate
from microconv.evaluation.metrics import Predictions, draw_resamples, list_metrics
from microconv.evaluation.paired_comparison import KEYS, compare
from microconv.settings import EvaluateSettings

MIN_COMMON_ROWS = 100
"""A comparison needs at least this many common rows."""

LOSSES = ("log_loss", "brier")
"""Metrics that are better when smaller; the others are better when larger."""

METRIC_LABELS = {
    "auc": "AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "precision": "precision of the list",
}
"""The metrics that decide, with their labels."""


@dataclass(frozen=True)
class Blocker:
    """One reason not to promote.

    Attributes
    ----------
    code : str
        `worse`, `uncertain`, `no_ranking`, `miscalibrated`, `other_journey`, `other_horizon`,
        `other_labels`, `leakage`, `no_evaluation` or `no_common_rows`.
    message : str
        One sentence about the challenger, with figures.
    """

    code: str
    message: str


@dataclass(frozen=True)
class ModelComparison:
    """Challenger and champion on the rows for which both have predictions.

    Attributes
    ----------
    metrics : dict
        `rows`, `prospects`, `conversions`; `auc`, `average_precision`, `log_loss`,
        `brier` and `precision`, each with `one` (challenger), `other` (champion) and
        `difference`.
    label_conflicts : int
        Rows for which the two have different labels; the challenger's, which are newer,
        are used.
    """

    metrics: dict[str, Any] = field(repr=False)
    label_conflicts: int = 0


def compare_with_champion(
    challenger: pd.DataFrame, champion: pd.DataFrame, settings: EvaluateSettings
) -> ModelComparison | Blocker:
    """Compare two sets of out-of-time predictions on their common rows.

    Parameters
    ----------
    challenger, champion : DataFrame
        Columns `prospect_id`, `as_of`, `probability`, `converted`, `value`; one row
        per prospect and `as_of`.
    settings : EvaluateSettings
        Resamples, confidence, seed and list size.

    Returns
    -------
    ModelComparison or Blocker
        The latter if there are too few common rows, or only one outcome on them.
    """
    both = challenger.merge(champion, on=KEYS, suffixes=("", "_champion")).sort_values(KEYS)
    yes = int(both["converted"].sum())
    if len(both) < MIN_COMMON_ROWS or yes in (0, len(both)):
        return Blocker(
            "no_common_rows",
            f"the two models have {len(both)} rows in common, {yes} of them with a conversion, and "
            f"a comparison needs {MIN_COMMON_ROWS} rows and both outcomes: give the event log with "
            "--log, so that the champion can score the challenger's rows",
        )
    one = both[[*KEYS, "probability", "converted"]]
    other = one.assign(probability=both["probability_champion"])
    metrics = compare(
        one,
        other,
        resamples=settings.bootstrap,
        seed=settings.seed,
        confidence=settings.confidence,
    )
    metrics["precision"] = _list_precision(both, settings)
    conflicts = int((both["converted"] != both["converted_champion"]).sum())
    return ModelComparison(metrics, conflicts)


def _list_precision(both: pd.DataFrame, settings: EvaluateSettings) -> dict[str, Any]:
    """Compare the precision of lists of the team's size, on the same resamples."""
    samples = []
    for name in ("probability", "probability_champion"):
        predictions = _as_predictions(both.assign(probability=both[name]))
        prospects = int(predictions.prospect.max()) + 1
        counts = draw_resamples(prospects, settings.bootstrap, seed=settings.seed)
        samples.append(list_metrics(predictions, counts, settings.list_size)[:, 0])
    one, other = samples
    parts = {"one": one, "other": other, "difference": one - other}
    return {
        name: estimate(sample, settings.confidence, why="the lists are empty")
        for name, sample in parts.items()
    }


def _as_predictions(rows: pd.DataFrame) -> Predictions:
    prospect = np.unique(rows["prospect_id"].to_numpy(str), return_inverse=True)[1]
    return Predictions(
        rows["probability"].to_numpy(np.float64),
        rows["converted"].to_numpy(bool),
        rows["value"].to_numpy(np.float64),
        prospect.astype(np.int64),
        np.asarray(rows["as_of"].astype("int64"), dtype=np.int64),
    )


def check_against_champion(
    comparison: ModelComparison, settings: EvaluateSettings
) -> list[Blocker]:
    """Return the metrics in which the challenger is worse, or may be much worse.

    Parameters
    ----------
    comparison : ModelComparison
    settings : EvaluateSettings
        `max_auc_loss` is used.
    """
    out = []
    for name, label in METRIC_LABELS.items():
        difference = comparison.metrics[name]["difference"]
        if difference.get("low") is None:
            continue
        worse = difference["low"] > 0 if name in LOSSES else difference["high"] < 0
        if worse:
            out.append(Blocker("worse", f"its {label} is worse ({format_difference(difference)})"))
    auc = comparison.metrics["auc"]["difference"]
    if auc.get("low") is None:
        out.append(Blocker("uncertain", "the difference in AUC has no confidence interval"))
    elif auc["low"] < -settings.max_auc_loss and not out:
        out.append(
            Blocker(
                "uncertain",
                f"its AUC may be worse by more than {settings.max_auc_loss:g} "
                f"({format_difference(auc)}): there are too few rows to decide",
            )
        )
    return out


def check_against_baseline(evaluation: Mapping[str, Any]) -> list[Blocker]:
    """Return a blocker if the best baseline ranks better than a first champion would."""
    best = evaluation["verdict"]["best_baseline"]
    if best is None:
        return []
    difference = evaluation["candidate_minus"][best]["auc"]
    if difference.get("high") is None or difference["high"] >= 0:
        return []
    by = format_difference(difference)
    return [Blocker("worse", f"the baseline `{best}` ranks better ({by})")]


def check_challenger(
    out_of_time: pd.DataFrame, evaluation: Mapping[str, Any] | None, settings: EvaluateSettings
) -> list[Blocker]:
    """Return what blocks a challenger, whoever the champion is.

    Parameters
    ----------
    out_of_time : DataFrame
        Its predictions.
    evaluation : mapping or None
        The content of its `evaluation.json`.
    settings : EvaluateSettings

    Returns
    -------
    list of Blocker
    """
    out = _check_calibration(out_of_time, settings)
    if evaluation is None or "leakage_checks" not in evaluation:
        message = "its run has no evaluation with leakage checks: run the pipeline again"
        return [*out, Blocker("no_evaluation", message)]
    verdict = evaluation["verdict"]
    if verdict["better_than_chance"] is not True:
        reason = verdict["summary"].rstrip(".")
        out.append(Blocker("no_ranking", f"its evaluation says: {reason}"))
    return out + _failed_checks(evaluation["leakage_checks"])


def _failed_checks(results: Iterable[Mapping[str, Any]]) -> list[Blocker]:
    """Name each failed leakage check once, with all its columns."""
    columns: dict[str, list[str]] = {}
    for result in results:
        if result["status"] == "failed":
            columns.setdefault(result["check"], []).extend(result["columns"])
    return [
        Blocker(
            "leakage",
            f"the leakage check `{check}` failed" + (f" for {listed(names)}" if names else ""),
        )
        for check, names in columns.items()
    ]


def _check_calibration(out_of_time: pd.DataFrame, settings: EvaluateSettings) -> list[Blocker]:
    if len(out_of_time) == 0:
        message = "it has no out-of-time predictions: run the pipeline again"
        return [Blocker("no_common_rows", message)]
    calibration = calibration_metrics(_as_predictions(out_of_time), settings)
    slope, ece = calibration["slope"], calibration["ece"]
    messages = []
    if slope["value"] is None:
        messages.append(f"its calibration is unknown: {slope['reason']}")
    elif not slope["low"] <= 1 <= slope["high"]:
        messages.append(
            f"its calibration slope is {slope['value']:.2f} ({slope['low']:.2f} to "
            f"{slope['high']:.2f}) instead of 1"
        )
    limit = calibration["ece_chance_limit_by_prospect"]
    if ece > limit:
        messages.append(
            f"its calibration error is {ece:.4f}, above the {limit:.4f} that chance explains"
        )
    return [Blocker("miscalibrated", message) for message in messages]


def format_difference(difference: Mapping[str, float]) -> str:
    """Format a difference with its interval."""
    return f"{difference['value']:+.4f}, {difference['low']:+.4f} to {difference['high']:+.4f}"
