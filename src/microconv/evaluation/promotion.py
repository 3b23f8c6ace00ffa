"""A challenger held against the champion, row by row, and every reason not to promote it.

The champion stays unless nothing speaks against the challenger: that it is worse,
that it may be much worse, that its probabilities do not come true, that it was
made for another journey or another horizon, or that an honesty alarm is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from microconv.errors import listed
from microconv.evaluation.intervals import estimate, measure
from microconv.evaluation.metrics import Predictions, draw_resamples, list_metrics
from microconv.evaluation.paired_comparison import KEYS, compare
from microconv.settings import EvaluateSettings

MIN_COMMON = 100
"""Fewer common rows than this compare nothing."""

LOSSES = ("log_loss", "brier")
"""Figures that are better when smaller; the others are better when larger."""

METRIC_LABELS = {
    "auc": "AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "precision": "precision of the list",
}
"""The figures that decide, as they read."""


@dataclass(frozen=True)
class Blocker:
    """One reason not to promote.

    Attributes
    ----------
    code : str
        `worse`, `uncertain`, `no_ranking`, `miscalibrated`, `other_journey`,
        `other_horizon`, `leakage`, `no_evaluation` or `no_common_rows`.
    message : str
        One sentence, with figures.
    """

    code: str
    message: str


@dataclass(frozen=True)
class ModelComparison:
    """Challenger and champion on the rows that both were asked about.

    Attributes
    ----------
    figures : dict
        `rows`, `prospects`, `conversions`; `auc`, `average_precision`, `log_loss`,
        `brier` and `precision`, each with `one` (challenger), `other` (champion) and
        `difference`.
    disagree : int
        Rows on which the two had heard of different outcomes; the challenger's,
        which are the later news, count.
    """

    figures: dict[str, Any] = field(repr=False)
    disagree: int = 0


def compare_with_champion(
    challenger: pd.DataFrame, champion: pd.DataFrame, settings: EvaluateSettings
) -> ModelComparison | Blocker:
    """Compare two sets of out-of-time predictions on their common rows.

    Parameters
    ----------
    challenger, champion : DataFrame
        Columns `prospect_id`, `as_of`, `probability`, `converted`, `value`; one row
        per prospect and instant.
    settings : EvaluateSettings
        Resamples, confidence, seed and list size.

    Returns
    -------
    ModelComparison or Blocker
        The latter if there are too few common rows, or only one outcome on them.
    """
    both = challenger.merge(champion, on=KEYS, suffixes=("", "_champion")).sort_values(KEYS)
    yes = int(both["converted"].sum())
    if len(both) < MIN_COMMON or yes in (0, len(both)):
        return Blocker(
            "no_common_rows",
            f"there are {len(both)} rows, {yes} of them with a conversion, that both models were "
            f"asked about, and a comparison takes {MIN_COMMON} and both outcomes: name the log "
            "with --log, so that the champion can be asked about the challenger's rows",
        )
    mine = both[[*KEYS, "probability", "converted"]]
    theirs = mine.assign(probability=both["probability_champion"])
    figures = compare(
        mine,
        theirs,
        resamples=settings.bootstrap,
        seed=settings.seed,
        confidence=settings.confidence,
    )
    figures["precision"] = _list_precision(both, settings)
    return ModelComparison(figures, int((both["converted"] != both["converted_champion"]).sum()))


def _list_precision(both: pd.DataFrame, settings: EvaluateSettings) -> dict[str, Any]:
    """Compare what lists of the team's size bring, on the same resamples."""
    samples = []
    for name in ("probability", "probability_champion"):
        predictions = answers_of(both.assign(probability=both[name]))
        counts = draw_resamples(
            int(predictions.prospect.max()) + 1, settings.bootstrap, seed=settings.seed
        )
        samples.append(list_metrics(predictions, counts, settings.list_size)[:, 0])
    one, other = samples
    parts = {"one": one, "other": other, "difference": one - other}
    return {
        name: estimate(sample, settings.confidence, why="nobody was listed")
        for name, sample in parts.items()
    }


def answers_of(rows: pd.DataFrame) -> Predictions:
    """Turn rows with `probability`, `converted` and `value` into predictions."""
    prospect = np.unique(rows["prospect_id"].to_numpy(str), return_inverse=True)[1]
    instant = np.asarray(rows["as_of"].astype("int64"), dtype=np.int64)
    return Predictions(
        rows["probability"].to_numpy(np.float64),
        rows["converted"].to_numpy(bool),
        rows["value"].to_numpy(np.float64),
        prospect.astype(np.int64),
        instant,
    )


def check_against_champion(contest: ModelComparison, settings: EvaluateSettings) -> list[Blocker]:
    """Say in which figures the challenger is worse, and whether its AUC may be much worse."""
    out = []
    for name, says in METRIC_LABELS.items():
        difference = contest.figures[name]["difference"]
        if difference.get("low") is None:
            continue
        worse = difference["low"] > 0 if name in LOSSES else difference["high"] < 0
        if worse:
            out.append(Blocker("worse", f"its {says} is worse ({format_difference(difference)})"))
    auc = contest.figures["auc"]["difference"]
    if auc.get("low") is None:
        out.append(Blocker("uncertain", "no interval says how far the two AUCs lie apart"))
    elif auc["low"] < -settings.max_auc_loss and not out:
        out.append(
            Blocker(
                "uncertain",
                f"its AUC may be worse by more than {settings.max_auc_loss:g} "
                f"({format_difference(auc)}): too few rows to tell",
            )
        )
    return out


def check_against_baseline(evaluation: Mapping[str, Any]) -> list[Blocker]:
    """Say whether the best rule of thumb is better than a first champion would be."""
    best = evaluation["verdict"]["best_baseline"]
    if best is None:
        return []
    difference = evaluation["candidate_minus"][best]["auc"]
    if difference.get("high") is not None and difference["high"] < 0:
        return [
            Blocker(
                "worse", f"the baseline `{best}` ranks better ({format_difference(difference)})"
            )
        ]
    return []


def check_challenger(
    out_of_time: pd.DataFrame, evaluation: Mapping[str, Any] | None, settings: EvaluateSettings
) -> list[Blocker]:
    """Say what speaks against a challenger whoever the champion is.

    Parameters
    ----------
    out_of_time : DataFrame
        Its predictions.
    evaluation : mapping or None
        The content of its `evaluation.json`.
    settings : EvaluateSettings
    """
    out = _miscalibrated(out_of_time, settings)
    if evaluation is None or "leakage_checks" not in evaluation:
        return [
            *out,
            Blocker(
                "no_evaluation",
                "its run holds no evaluation with leakage checks: run the pipeline again",
            ),
        ]
    if evaluation["verdict"]["better_than_chance"] is not True:
        out.append(Blocker("no_ranking", evaluation["verdict"]["summary"].rstrip(".").lower()))
    return out + _open_alarms(evaluation["leakage_checks"])


def _open_alarms(alarms: Iterable[Mapping[str, Any]]) -> list[Blocker]:
    """Name each kind of alarm once, with all the columns it is about."""
    columns: dict[str, list[str]] = {}
    for alarm in alarms:
        if alarm["status"] == "failed":
            columns.setdefault(alarm["check"], []).extend(alarm["columns"])
    return [
        Blocker(
            "leakage",
            f"the leakage check `{code}` failed" + (f" for {listed(names)}" if names else ""),
        )
        for code, names in columns.items()
    ]


def _miscalibrated(out_of_time: pd.DataFrame, settings: EvaluateSettings) -> list[Blocker]:
    if len(out_of_time) == 0:
        return [Blocker("no_common_rows", "it carries no out-of-time predictions: run it again")]
    predictions = answers_of(out_of_time)
    nobody = np.ones((1, int(predictions.prospect.max()) + 1), np.uint8)
    calibration = measure(predictions, nobody, settings).figures["calibration"]
    slope, ece = calibration["slope"], calibration["ece"]
    out = []
    if slope["value"] is None:
        out.append(f"its calibration cannot be told: {slope['reason']}")
    elif not slope["low"] <= 1 <= slope["high"]:
        out.append(
            f"its calibration slope is {slope['value']:.2f} ({slope['low']:.2f} to "
            f"{slope['high']:.2f}), which is not 1"
        )
    limit = calibration["ece_chance_limit_by_prospect"]
    if ece > limit:
        out.append(f"its calibration error is {ece:.4f}, above the {limit:.4f} of chance")
    return [Blocker("miscalibrated", says) for says in out]


def format_difference(difference: Mapping[str, float]) -> str:
    """Write a difference with its interval."""
    return f"{difference['value']:+.4f}, {difference['low']:+.4f} to {difference['high']:+.4f}"
