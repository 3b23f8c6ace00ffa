"""The evaluation as a page: every model beside every baseline, with pictures and dates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from microconv.model.facts import TrainingFacts
from microconv.report.belief import how_far
from microconv.report.charts import folds_chart, gain_chart, reliability_chart
from microconv.report.pages import render

SAYS = {
    "blend": "this model (trees and regression blended)",
    "boosted": "boosted trees alone",
    "hazard": "hazard alone",
    "linear": "logistic regression alone",
    "forest": "random forest on counts",
    "points": "hand-made points",
    "recency": "most recently active first",
    "activity": "most active first",
    "opens": "most opens first",
    "base_rate": "everyone alike",
}
"""How a model of the evaluation reads; one without words keeps its name."""


def model_page(
    evaluation: Mapping[str, Any],
    plots: Mapping[str, pd.DataFrame],
    *,
    facts: TrainingFacts,
    status: str,
) -> str:
    """Write the evaluation as one HTML page.

    Parameters
    ----------
    evaluation : mapping
        The content of `evaluation.json`.
    plots : mapping of str to DataFrame
        The tables `gain`, `reliability`, `folds` beside it.
    facts : TrainingFacts
        Of the model.
    status : {"preview", "champion"}
    """
    ours, best = evaluation["candidate"], evaluation["verdict"]["best_baseline"]
    measured = evaluation["models"]
    pooled = measured[ours]["pooled"]
    return render(
        "model.html.j2",
        {
            "status": status,
            "verdict": evaluation["verdict"]["says"],
            "trust": how_far(evaluation),
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
        },
    )


def _best_first(measured: Mapping[str, Any], ours: str) -> list[str]:
    """Put our model first and the others by AUC."""
    auc = {name: m["pooled"]["auc"]["value"] or 0.0 for name, m in measured.items()}
    return sorted(measured, key=lambda name: (name != ours, -auc[name], name))
