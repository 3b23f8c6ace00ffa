"""The model card: performance, calibration, leakage checks, intended use, limitations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from microconv.model.prospect_model import ProspectModel
from microconv.model.training_facts import TrainingFacts
from microconv.ranking.explanations.formatting import days, one_line
from microconv.report.charts import folds_chart, gain_chart, reliability_chart
from microconv.report.pages import label, render
from microconv.report.reliability import summarize_reliability

MODEL_LABELS = {
    "ensemble": "this model (ensemble)",
    "trees": "boosted trees only",
    "hazard": "discrete-time hazard model only",
    "regression": "logistic regression only",
    "forest": "random forest on event counts",
    "points": "rule-based lead score",
    "recency": "most recently active first",
    "activity": "most active first",
    "opens": "most opens first",
    "base_rate": "same probability for everyone",
}
"""Model of the evaluation → its label on the page."""

PROBE_LABELS = {
    "all": "all features",
    "history": "event histories only",
    "attributes": "attributes only",
    "event_count": "number of events only",
    "order_shuffled": "all features, after shuffling step order",
    "random_split": "all features, random train/test split",
    "shuffled_labels": "all features, shuffled labels (should be 0.5)",
}
"""Probe of the leakage diagnostics → its label on the page."""


@dataclass(frozen=True)
class ModelScope:
    """What a model predicts, and from what.

    Attributes
    ----------
    horizon_days : float
    active_within_days : float
        Prospects active within this many days belong to the cohort.
    outcomes : tuple of str
        Names of the conversion steps.
    steps : int
        Number of micro-conversions of its journey.
    columns : int
    families : tuple of str
        Feature families.
    """

    horizon_days: float
    active_within_days: float
    outcomes: tuple[str, ...]
    steps: int
    columns: int
    families: tuple[str, ...]

    @classmethod
    def of(cls, model: ProspectModel) -> ModelScope:
        """Return the scope of a model."""
        steps = model.journey.steps
        return cls(
            horizon_days=model.snapshot_settings.horizon_days,
            active_within_days=model.snapshot_settings.active_within_days,
            outcomes=tuple(step.name for step in steps if step.kind == "major"),
            steps=sum(step.kind == "micro" for step in steps),
            columns=len(model.columns),
            families=tuple(model.feature_settings.families),  # a trained model names each
        )

    @property
    def predicts(self) -> str:
        """What is predicted."""
        outcomes = " or ".join(label(name) for name in self.outcomes)
        return (
            f"The probability that a prospect reaches {outcomes} within {days(self.horizon_days)} "
            "of a date, from what was known before it."
        )

    @property
    def intended_use(self) -> str:
        """What the model should be used for."""
        return (
            "Prioritising calls to known prospects who have not converted or exited and were "
            f"active in the last {days(self.active_within_days)}; as a probability where the "
            "calibration above allows, otherwise as a ranking."
        )


def model_page(
    evaluation: Mapping[str, Any],
    plots: Mapping[str, pd.DataFrame],
    *,
    facts: TrainingFacts,
    scope: ModelScope,
    status: str,
) -> str:
    """Return the model card as one HTML page.

    Parameters
    ----------
    evaluation : mapping
        The content of `evaluation.json`.
    plots : mapping of str to DataFrame
        The tables `gain`, `reliability` and `folds`.
    facts : TrainingFacts
        Of the model.
    scope : ModelScope
        What it predicts, and from what.
    status : {"preview", "champion"}
    """
    ours, best = evaluation["candidate"], evaluation["verdict"]["best_baseline"]
    measured = evaluation["models"]
    pooled = measured[ours]["pooled"]
    return render(
        "model.html.j2",
        {
            "status": status,
            "verdict": evaluation["verdict"]["summary"],
            "reliability": summarize_reliability(evaluation),
            **{name: evaluation[name] for name in ("confidence", "list_size", "bins")},
            **{name: evaluation[name] for name in ("skipped", "left_out", "definitions")},
            **{name: pooled[name] for name in ("rows", "prospects", "conversions")},
            "models": [
                {
                    **measured[name]["pooled"],
                    "label": MODEL_LABELS.get(name, name),
                    "ours": name == ours,
                }
                for name in _best_first(measured, ours)
            ],
            "gain": Markup(gain_chart(plots["gain"], candidate=ours, best=best)),
            "calibration_chart": Markup(reliability_chart(plots["reliability"], candidate=ours)),
            "folds_chart": Markup(folds_chart(plots["folds"], candidate=ours, best=best)),
            "folds": [
                {**fold, "name": name, "auc": measured[ours]["folds"][name]["auc"]}
                for name, fold in evaluation["folds"].items()
            ],
            "unseen": measured[ours]["unseen"]["auc"],
            "facts": facts,
            "scope": scope,
            "limits": limitations(scope, evaluation),
            "leakage_checks": _by_kind(evaluation.get("leakage_checks", [])),
            "probes": _probes(evaluation),
            "calibration": pooled["calibration"],
            "segments": _by_split(evaluation["segments"]),
            "miscalibrated": [
                entry for entry in evaluation["segments"] if entry.get("miscalibrated")
            ],
            "predicted_rate": pooled["mean_probability"],
            "observed_rate": pooled["base_rate"],
        },
    )


def limitations(scope: ModelScope, evaluation: Mapping[str, Any]) -> list[str]:
    """Return the limitations of a model.

    Parameters
    ----------
    scope : ModelScope
    evaluation : mapping
        The content of `evaluation.json`.
    """
    out = [
        "Reasons are associations: suggesting a step that often precedes conversions does not "
        "necessarily cause a conversion.",
        "Events before the start of the log and prospects outside the cohort are unknown to it.",
        "If only the top of the list is called, later outcomes are those of called prospects. "
        "Reserve exploration slots, or the next model is trained on the choices of this one.",
        f"It predicts nothing beyond {days(scope.horizon_days)}.",
    ]
    checks = evaluation.get("leakage_checks", ())
    codes = {check["check"] for check in checks}
    if "synthetic_times" in codes:
        out.insert(0, "Tested on other prospects, not on later ones: the export has no dates.")
    if "drift" in codes:
        out.insert(0, "Prospects have changed since the training data (see the drift check).")
    if any(check["status"] == "failed" for check in checks):
        out.insert(0, "Do not rely on its figures while a leakage check fails.")
    return out


def _by_kind(checks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Group checks with the same meaning for different columns."""
    kinds: dict[tuple[str, str, str], dict[str, Any]] = {}
    for check in checks:
        key = (check["check"], check["meaning"], check["remedy"])
        kind = kinds.setdefault(key, {**check, "observed": []})
        kind["observed"].append(check["observed"])
    return list(kinds.values())


def _by_split(segments: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Group segments by the attribute that defines them."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for entry in segments:
        segment = one_line(entry["segment"]).replace("_", " ")
        groups.setdefault(one_line(entry["by"]).replace("_", " "), []).append(
            {**entry, "segment": segment}
        )
    return groups


def _probes(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the probes that have a figure."""
    found = evaluation.get("leakage_diagnostics", {}).get("probes", {})
    return [
        {"label": text, **found[name]}
        for name, text in PROBE_LABELS.items()
        if name in found and found[name]["value"] is not None
    ]


def _best_first(measured: Mapping[str, Any], ours: str) -> list[str]:
    """Sort models: ours first, the others by AUC."""
    auc = {name: m["pooled"]["auc"]["value"] or 0.0 for name, m in measured.items()}
    return sorted(measured, key=lambda name: (name != ours, -auc[name], name))
