"""The audit of past lists: predicted and observed conversions, drift, and advice to retrain."""

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
from microconv.feedback.population_drift import population_drift
from microconv.feedback.realised_vs_predicted import (
    DECILES,
    by_decile,
    by_grade,
    by_list,
    exploration_results,
    realised_vs_predicted,
)
from microconv.feedback.retraining import advise_retraining
from microconv.journey import JourneyMap
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.output.past_lists import PastList
from microconv.settings import Settings
from microconv.storage.log import EventLog

FORMAT = 2
"""Version of the layout of `audit.json`."""


@dataclass(frozen=True)
class AuditInputs:
    """What the audit is computed from.

    Attributes
    ----------
    lists : sequence of PastList
        The earliest first.
    log : EventLog
        As it is today.
    model : ProspectModel or None
        The champion; without it drift is not computed.
    """

    lists: Sequence[PastList]
    log: EventLog
    model: ProspectModel | None


def audit_past_lists(
    inputs: AuditInputs, settings: Settings, *, unreadable: dict[str, str]
) -> dict[str, Any]:
    """Compare past lists with what happened, and advise whether to retrain.

    Parameters
    ----------
    inputs : AuditInputs
    settings : Settings
        The journey defines a conversion, `evaluate` the confidence and the seed.
    unreadable : dict of str to str
        Lists that could not be read; the audit names them.

    Returns
    -------
    dict
        The content of `audit.json`.

    Raises
    ------
    MissingInputError
        If no list could be read.
    """
    if not inputs.lists:
        reasons = "; ".join(f"{place}: {why}" for place, why in unreadable.items())
        raise MissingInputError(f"None of {len(unreadable)} lists can be used: {reasons}")
    journey = JourneyMap.from_settings(settings.journey)
    outcomes = find_outcomes(inputs.log, inputs.lists, journey)
    rows, confidence = outcomes.rows, settings.evaluate.confidence
    any_rows = len(rows) > 0
    findings: dict[str, Any] = {
        "format": FORMAT,
        "observed_until": _iso(inputs.log.observed_until(journey)),
        "confidence": confidence,
        "lists": len(inputs.lists),
        "unreadable": unreadable,
        "open_until": {name: _iso(end) for name, end in outcomes.open_until.items()},
        "without_outcome": outcomes.without_outcome,
        "trained_later": list(outcomes.trained_later),
        "overall": realised_vs_predicted(rows, confidence=confidence) if any_rows else None,
        "by_grade": by_grade(rows, confidence=confidence) if any_rows else [],
        "by_decile": by_decile(rows, confidence=confidence) if any_rows else [],
        "by_list": (
            by_list(rows, capacity=settings.evaluate.list_size, confidence=confidence)
            if any_rows
            else []
        ),
        "exploration": exploration_results(rows, confidence=confidence) if any_rows else None,
        "calibration": _calibration(rows, settings) if any_rows else None,
        "drift": _drift(inputs, settings),
    }
    advice = advise_retraining(findings, settings.evaluate.leakage_checks)
    return {**findings, "retrain": advice}


def _calibration(rows: pd.DataFrame, settings: Settings) -> dict[str, Any] | None:
    """Compute calibration figures; None with only one outcome, or one probability."""
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
        **{name: dict(zip(ends, values, strict=True)) for name, values in line.items()},
        "ece": bins.ece,
        "ece_chance_limit": ece_chance_limit(
            predictions, bins, seed=settings.evaluate.seed, one_draw_per_prospect=True
        ),
    }


def _drift(inputs: AuditInputs, settings: Settings) -> dict[str, Any] | None:
    if inputs.model is None:
        return None
    as_ofs = [past.as_of for past in inputs.lists]
    return population_drift(
        inputs.log, inputs.model, as_ofs, threshold=settings.evaluate.leakage_checks.drift
    )


def _iso(instant: Any) -> str:
    return str(instant.isoformat().replace("+00:00", "Z"))
