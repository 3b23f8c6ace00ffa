"""The model card: what a model is, how good it was, what speaks against it, what it is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from microconv.model.training_facts import TrainingFacts
from microconv.ranking.explanations.formatting import one_line
from microconv.report.charts import folds_chart, gain_chart, reliability_chart
from microconv.report.model_card_text import ModelScope, limits
from microconv.report.pages import render
from microconv.report.reliability_text import summarize_reliability

SAYS = {
    "ensemble": "this model (trees and regression blended)",
    "trees": "trees trees alone",
    "hazard": "hazard alone",
    "regression": "logistic regression alone",
    "forest": "random forest on counts",
    "points": "hand-made points",
    "recency": "most recently active first",
    "activity": "most active first",
    "opens": "most opens first",
    "base_rate": "everyone alike",
}
"""How a model of the evaluation reads; one without words keeps its name."""


PROBES = {
    "all": "all columns",
    "history": "the histories alone",
    "attributes": "the attributes alone",
    "event_count": "the number of events alone",
    "order_shuffled": "all columns, the order of the steps dealt anew",
    "random_split": "all columns, tested on rows drawn at random",
    "shuffled_labels": "all columns, outcomes dealt at random (must be .5)",
}
"""How the probes of the findings read."""


def model_page(
    evaluation: Mapping[str, Any],
    plots: Mapping[str, pd.DataFrame],
    *,
    facts: TrainingFacts,
    about: ModelScope,
    status: str,
) -> str:
    """Write the card of a model as one HTML page.

    Parameters
    ----------
    evaluation : mapping
        The content of `evaluation.json`.
    plots : mapping of str to DataFrame
        The tables `gain`, `reliability`, `folds` beside it.
    facts : TrainingFacts
        Of the model.
    about : ModelScope
        What it answers, and about whom.
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
            "trust": summarize_reliability(evaluation),
            **{name: evaluation[name] for name in ("confidence", "list_size", "bins")},
            **{name: evaluation[name] for name in ("skipped", "left_out", "definitions")},
            **{name: pooled[name] for name in ("rows", "prospects", "conversions")},
            "models": [
                {**measured[name]["pooled"], "says": SAYS.get(name, name), "ours": name == ours}
                for name in _best_first(measured, ours)
            ],
            "gain": Markup(gain_chart(plots["gain"], candidate=ours, best=best)),
            "reliability": Markup(reliability_chart(plots["reliability"], candidate=ours)),
            "folds_chart": Markup(folds_chart(plots["folds"], candidate=ours, best=best)),
            "folds": [
                {**fold, "name": name, "auc": measured[ours]["folds"][name]["auc"]}
                for name, fold in evaluation["folds"].items()
            ],
            "unseen": measured[ours]["unseen"]["auc"],
            "facts": facts,
            "about": about,
            "limits": limits(about, evaluation),
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


def _by_kind(alarms: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Put alarms that say the same of different columns together."""
    kinds: dict[tuple[str, str, str], dict[str, Any]] = {}
    for alarm in alarms:
        key = (alarm["check"], alarm["meaning"], alarm["remedy"])
        kind = kinds.setdefault(key, {**alarm, "observed": []})
        kind["observed"].append(alarm["observed"])
    return list(kinds.values())


def _by_split(segments: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Group the segments by what splits them."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for entry in segments:
        segment = one_line(entry["segment"]).replace("_", " ")
        groups.setdefault(one_line(entry["by"]).replace("_", " "), []).append(
            {**entry, "segment": segment}
        )
    return groups


def _probes(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the small models that were fitted to look for leaks, those that have a figure."""
    found = evaluation.get("leakage_diagnostics", {}).get("probes", {})
    return [
        {"says": says, **found[name]}
        for name, says in PROBES.items()
        if name in found and found[name]["value"] is not None
    ]


def _best_first(measured: Mapping[str, Any], ours: str) -> list[str]:
    """Put our model first and the others by AUC."""
    auc = {name: m["pooled"]["auc"]["value"] or 0.0 for name, m in measured.items()}
    return sorted(measured, key=lambda name: (name != ours, -auc[name], name))
