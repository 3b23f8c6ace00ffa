"""One plain statement: whether there is anything to rank by, and the model earns its keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHANCE = 0.5

OWN = ("trees", "hazard", "regression")
"""The voices of the blend: no baselines."""


def give_verdict(
    models: Mapping[str, Any], against: Mapping[str, Any], candidate: str
) -> dict[str, Any]:
    """Say whether the candidate ranks better than chance and than the best baseline.

    Returns
    -------
    dict
        `better_than_chance` (None where it cannot be told), `summary`, `best_baseline` and
        `beats_baseline` (None where there is no telling).
    """
    auc = models[candidate]["pooled"]["auc"]
    ranks, says = _against_chance(auc)
    best = _best_baseline(models, candidate)
    beats, more = (None, "") if best is None else _against_best(against[best]["auc"], best)
    return {
        "better_than_chance": ranks,
        "best_baseline": best,
        "beats_baseline": beats,
        "summary": f"{says} {more}".strip() if ranks else says,
    }


def _against_chance(auc: Mapping[str, Any]) -> tuple[bool | None, str]:
    if auc["value"] is None:
        return None, f"Whether there is anything to rank by cannot be told: {auc['reason']}."
    if auc["low"] is None:
        return None, f"Whether there is anything to rank by cannot be told: {auc['reason']}."
    figures = f"AUC {auc['value']:.3f}, interval {auc['low']:.3f} to {auc['high']:.3f}"
    if auc["low"] > CHANCE:
        return True, f"The model ranks better than chance ({figures})."
    if auc["high"] < CHANCE:
        return False, (
            f"The model ranks worse than chance ({figures}): what held in training has turned "
            "round. Do not call by this list."
        )
    return False, (
        f"There is nothing to rank by: the interval covers chance ({figures}). "
        "Any list of this model is as good as a random one."
    )


def _best_baseline(models: Mapping[str, Any], candidate: str) -> str | None:
    values = {
        name: measured["pooled"]["auc"]["value"]
        for name, measured in models.items()
        if name != candidate and name not in OWN and measured["pooled"]["auc"]["value"] is not None
    }
    return max(values, key=lambda name: values[name]) if values else None


def _against_best(difference: Mapping[str, Any], best: str) -> tuple[bool | None, str]:
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
