"""Retrain now? Yes, no or cannot tell, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from microconv.settings import LeakageCheckSettings

FEW = 10
"""With fewer conversions on past lists nobody can say whether promises come true."""

FAR = 0.15
"""Promises that are off by less than this part are not worth a new model."""

MANY_COLUMNS = 0.1
"""The share of columns that must have shifted before that alone asks for a new model."""


def retrain(findings: Mapping[str, Any], alarms: LeakageCheckSettings) -> dict[str, Any]:
    """Say whether a new model is due.

    Returns
    -------
    dict
        `answer`: yes, no, or cannot tell; `reasons`, one sentence each.
    """
    reasons = [*_promises(findings), *_base_rate(findings, alarms), *_columns(findings, alarms)]
    if reasons:
        return {"answer": "yes", "reasons": reasons}
    overall = findings["overall"]
    if overall is None:
        return {"answer": "cannot tell", "reasons": ["No list's window has closed yet."]}
    if overall["conversions"] < FEW:
        says = (
            f"{overall['conversions']} conversions on past lists are too few to say whether "
            "promises come true."
        )
        return {"answer": "cannot tell", "reasons": [says]}
    says = (
        f"{overall['predicted_rate']:.1%} were promised and {overall['observed_rate']:.1%} came "
        f"({overall['low']:.1%} to {overall['high']:.1%})."
    )
    return {"answer": "no", "reasons": [says]}


def _promises(findings: Mapping[str, Any]) -> list[str]:
    overall, line = findings["overall"], findings["calibration"]
    if overall is None or overall["conversions"] < FEW:
        return []
    out = []
    if not overall["within_interval"] and abs(overall["ratio"] - 1) > FAR:
        out.append(
            f"The lists predicted {overall['predicted_rate']:.1%} conversions; "
            f"{overall['observed_rate']:.1%} came ({overall['low']:.1%} to {overall['high']:.1%})."
        )
    slope = None if line is None else line["slope"]
    if slope is not None and not slope["low"] <= 1 <= slope["high"]:
        how = "too extreme" if slope["value"] < 1 else "too timid"
        out.append(
            f"The probabilities are {how}: calibration slope {slope['value']:.2f} "
            f"({slope['low']:.2f} to {slope['high']:.2f})."
        )
    return out


def _base_rate(findings: Mapping[str, Any], alarms: LeakageCheckSettings) -> list[str]:
    shift = findings["drift"]
    if shift is None or shift["base_rate"]["index"] is None:
        return []
    rate = shift["base_rate"]
    if rate["index"] < alarms.base_rate_drift:
        return []
    return [
        f"{rate['now']:.1%} of everyone asked convert now, and {rate['then']:.1%} did when the "
        f"model was trained (stability index {rate['index']:.2f})."
    ]


def _columns(findings: Mapping[str, Any], alarms: LeakageCheckSettings) -> list[str]:
    shift = findings["drift"]
    if shift is None or shift["drifted_columns"] <= MANY_COLUMNS * shift["columns"]:
        return []
    return [
        f"{shift['drifted_columns']} of {shift['columns']} columns have shifted since the "
        f"model was trained (stability index {alarms.drift:g} or more)."
    ]
