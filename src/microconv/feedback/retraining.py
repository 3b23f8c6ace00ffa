"""The advice whether to retrain the model, with reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microconv.settings import LeakageCheckSettings

MIN_CONVERSIONS = 10
"""With fewer conversions on past lists, predicted and observed rates are not compared."""

MIN_DEVIATION = 0.15
"""A relative deviation of the observed rate below this is no reason to retrain."""

MAX_DRIFTED_SHARE = 0.1
"""Share of columns that must have drifted before drift alone is a reason to retrain."""


def advise_retraining(
    findings: Mapping[str, Any], thresholds: LeakageCheckSettings
) -> dict[str, Any]:
    """Decide whether the model should be retrained.

    Parameters
    ----------
    findings : mapping
        Of the audit: `overall`, `calibration` and `drift`.
    thresholds : LeakageCheckSettings
        Those of drift are used.

    Returns
    -------
    dict
        `answer` (yes, no, unknown) and `reasons`, one sentence each.
    """
    reasons = [
        *_rate_reasons(findings),
        *_base_rate_reasons(findings["drift"], thresholds),
        *_column_reasons(findings["drift"], thresholds),
    ]
    if reasons:
        return {"answer": "yes", "reasons": reasons}
    overall = findings["overall"]
    if overall is None:
        return {"answer": "unknown", "reasons": ["No list's outcome window has closed yet."]}
    if overall["conversions"] < MIN_CONVERSIONS:
        reason = (
            f"{overall['conversions']} conversions on past lists are too few to compare predicted "
            f"and observed rates; {MIN_CONVERSIONS} are needed."
        )
        return {"answer": "unknown", "reasons": [reason]}
    return {"answer": "no", "reasons": [_rates(overall)]}


def _rates(overall: Mapping[str, Any]) -> str:
    return (
        f"The lists predicted that {overall['predicted_rate']:.1%} convert; "
        f"{overall['observed_rate']:.1%} did ({overall['low']:.1%} to {overall['high']:.1%})."
    )


def _rate_reasons(findings: Mapping[str, Any]) -> list[str]:
    overall, calibration = findings["overall"], findings["calibration"]
    if overall is None or overall["conversions"] < MIN_CONVERSIONS:
        return []
    out = []
    if not overall["within_interval"] and abs(overall["ratio"] - 1) > MIN_DEVIATION:
        out.append(_rates(overall))
    slope = None if calibration is None else calibration["slope"]
    if slope is not None and not slope["low"] <= 1 <= slope["high"]:
        how = "too extreme" if slope["value"] < 1 else "not extreme enough"
        out.append(
            f"The probabilities are {how}: calibration slope {slope['value']:.2f} "
            f"({slope['low']:.2f} to {slope['high']:.2f}) instead of 1."
        )
    return out


def _base_rate_reasons(
    drift: Mapping[str, Any] | None, thresholds: LeakageCheckSettings
) -> list[str]:
    rate = None if drift is None else drift["base_rate"]
    if rate is None or rate["psi"] is None or rate["psi"] < thresholds.base_rate_drift:
        return []
    return [
        f"{rate['current']:.1%} of the cohort convert now, compared with {rate['training']:.1%} "
        f"when the model was trained (stability index {rate['psi']:.2f})."
    ]


def _column_reasons(drift: Mapping[str, Any] | None, thresholds: LeakageCheckSettings) -> list[str]:
    if drift is None or drift["drifted_columns"] <= MAX_DRIFTED_SHARE * drift["columns"]:
        return []
    return [
        f"{drift['drifted_columns']} of {drift['columns']} columns have drifted since the "
        f"model was trained (stability index {thresholds.drift:g} or more)."
    ]
