"""The audit of past lists as one object: promises, calibration, exploration, shift, verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from microconv.errors import MissingInputError
from microconv.evaluation.calibration import (
    bin_by_probability,
    ece_chance_limit,
    recalibration_line,
)
from microconv.evaluation.metrics import Predictions
from microconv.feedback.outcomes import find_outcomes
from microconv.feedback.realised import (
    DECILES,
    by_decile,
    by_grade,
    by_list,
    explored,
    realised_vs_predicted,
)
from microconv.feedback.retraining import retrain
from microconv.feedback.shift import population_drift
from microconv.journey import JourneyMap
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.output.past_lists import PastList
from microconv.settings import Settings
from microconv.storage.log import EventLog

FORMAT = 1
"""Version of the layout of `audit.json`."""


@dataclass(frozen=True)
class AuditInputs:
    """What the audit is made from.

    Attributes
    ----------
    lists : sequence of PastList
        The earliest first.
    log : EventLog
        As it is today.
    model : ProspectModel or None
        The champion; without it nothing is said of shift.
    """

    lists: Sequence[PastList]
    log: EventLog
    model: ProspectModel | None


def audit_past_lists(
    inputs: AuditInputs, settings: Settings, *, refused: dict[str, str]
) -> dict[str, Any]:
    """Hold past lists against what happened, and say whether a new model is due.

    Parameters
    ----------
    inputs : AuditInputs
    settings : Settings
        The journey says what a conversion is, `evaluate` the confidence and the seed.
    refused : dict of str to str
        Lists that could not be read; they are named in the audit.

    Raises
    ------
    MissingInputError
        If no list could be read.
    """
    if not inputs.lists:
        raise MissingInputError(f"None of {len(refused)} lists can be used: {_why(refused)}")
    journey = JourneyMap.from_settings(settings.journey)
    told = find_outcomes(inputs.log, inputs.lists, journey)
    rows, confidence = told.rows, settings.evaluate.confidence
    some = len(rows) > 0
    findings: dict[str, Any] = {
        "format": FORMAT,
        "observed_until": _iso(inputs.log.observed_until(journey)),
        "confidence": confidence,
        "lists": len(inputs.lists),
        "unreadable": refused,
        "open_until": {name: _iso(end) for name, end in told.open_until.items()},
        "without_outcome": told.without_outcome,
        "trained_later": list(told.trained_later),
        "overall": realised_vs_predicted(rows, confidence=confidence) if some else None,
        "by_grade": by_grade(rows, confidence=confidence) if some else [],
        "by_decile": by_decile(rows, confidence=confidence) if some else [],
        "by_list": (
            by_list(rows, capacity=settings.evaluate.list_size, confidence=confidence)
            if some
            else []
        ),
        "exploration": explored(rows, confidence=confidence) if some else None,
        "calibration": _calibration(rows, settings) if some else None,
        "drift": _shift(inputs, settings),
    }
    return {**findings, "retrain": retrain(findings, settings.evaluate.leakage_checks)}


def _calibration(rows: pd.DataFrame, settings: Settings) -> dict[str, Any] | None:
    """Fit the recalibration line; None where only one outcome, or one promise, was seen."""
    converted = rows["converted"].to_numpy(bool)
    if converted.all() or not converted.any() or np.ptp(rows["probability"]) == 0:
        return None
    predictions = Predictions(
        rows["probability"].to_numpy(np.float64),
        converted,
        rows["value"].to_numpy(np.float64),
        pd.factorize(rows["prospect_id"])[0].astype(np.int64),
        pd.factorize(rows["as_of"])[0].astype(np.int64),
    )
    line = recalibration_line(predictions, confidence=settings.evaluate.confidence)
    bins = bin_by_probability(predictions, DECILES)
    ends = ("value", "low", "high")
    return {
        **{name: dict(zip(ends, figure, strict=True)) for name, figure in line.items()},
        "ece": bins.ece,
        "ece_chance_limit": ece_chance_limit(
            predictions, bins, seed=settings.evaluate.seed, one_draw_per_prospect=True
        ),
    }


def _shift(inputs: AuditInputs, settings: Settings) -> dict[str, Any] | None:
    if inputs.model is None:
        return None
    as_ofs = [past.as_of for past in inputs.lists]
    return population_drift(
        inputs.log, inputs.model, as_ofs, threshold=settings.evaluate.leakage_checks.drift
    )


def _why(refused: dict[str, str]) -> str:
    return "; ".join(f"{place}: {why}" for place, why in refused.items())


def _iso(instant: Any) -> str:
    return str(instant.isoformat().replace("+00:00", "Z"))
