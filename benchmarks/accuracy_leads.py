"""X Education: leads without events, ranked by what was known at first contact.

Five-fold cross-validation over leads in a fixed random order: the file has no
dates. The columns are those a form or the web site fills in before anybody of the
sales team has spoken to the lead; what the team wrote down later (tags, quality,
profile, last activity, scores) is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from two_models import TrainingRows, fit_both

from microconv.evaluation.intervals import estimate
from microconv.evaluation.metrics import (
    RANKING_METRICS,
    Predictions,
    draw_resamples,
    ranking_metrics,
)
from microconv.features.families.attributes import FAMILY
from microconv.features.family import Spec
from microconv.histories.arrays import Attributes, Histories, VisibleEvents
from microconv.journey import JourneyMap
from microconv.model.logistic import sigmoid
from microconv.settings import FeatureSettings, JourneySettings, RegressionSettings, TreeSettings

FIRST_CONTACT = (
    "Lead Origin",
    "Lead Source",
    "TotalVisits",
    "Total Time Spent on Website",
    "Page Views Per Visit",
    "Country",
    "City",
    "Specialization",
    "How did you hear about X Education",
    "What is your current occupation",
    "What matters most to you in choosing a course",
    "Search",
    "Digital Advertisement",
    "Through Recommendations",
    "A free copy of Mastering The Interview",
)
FOLDS = 5
SEED = 7
BOOSTED = TreeSettings(num_iterations=300, num_leaves=15, min_data_in_leaf=20)
LINEAR = RegressionSettings(inverse_penalty=0.1)
SETTINGS = FeatureSettings(families=("attributes",))


def read_leads(folder: Path) -> tuple[VisibleEvents, np.ndarray]:
    """Build one snapshot per lead, with its attributes and no events."""
    leads = pd.read_parquet(folder / "leads.parquet")
    n = len(leads)
    nothing = np.empty(0, np.int64)
    zeros = np.zeros(n, np.int64)
    table = pa.Table.from_pandas(leads[list(FIRST_CONTACT)], preserve_index=False)
    histories = Histories(
        prospect_ids=pa.array(leads["Prospect ID"].astype(str)),
        offsets=np.zeros(n + 1, np.int64),
        time=nothing,
        visible_at=nothing,
        visible_until=nothing,
        step=nothing.astype(np.int16),
        value=nothing.astype(np.float64),
        human_probability=nothing.astype(np.float32),
        attributes=Attributes(np.arange(n + 1), zeros, table),
    )
    h = histories
    visible = VisibleEvents(
        h, np.arange(n), zeros + 1, zeros, zeros, h.time, h.step, h.value, h.human_probability
    )
    return visible, leads["Converted"].to_numpy(bool)


def cross_validate(folder: Path, *, resamples: int) -> dict[str, Any]:
    """Return AUC, average precision, log loss and Brier of the equal blend, with intervals."""
    visible, labels = read_leads(folder)
    journey = JourneyMap.from_settings(
        JourneySettings.model_validate({"steps": {"converted": {"kind": "major"}}})
    )
    fold = np.random.default_rng(SEED).permutation(len(labels)) % FOLDS
    logit = np.empty(len(labels))
    assert FAMILY.fit is not None
    for k in range(FOLDS):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        state = FAMILY.fit(visible.select(train), labels[train], journey, SETTINGS)
        spec = Spec(journey, SETTINGS, state)
        values = [_fill(visible.select(rows), spec) for rows in (train, test)]
        training_rows = TrainingRows(values[0], labels[train], np.ones(len(train)))
        logit[test] = fit_both(training_rows, values[1], BOOSTED, LINEAR).mixed(0.5)
    leads = np.arange(len(labels))
    counts = draw_resamples(len(labels), resamples, seed=SEED)
    predictions = Predictions(sigmoid(logit), labels, np.zeros(len(labels)), leads, leads)
    samples = ranking_metrics(predictions, counts)
    found = {
        metric: estimate(samples[:, k], 0.95, why="only one outcome")
        for k, metric in enumerate(RANKING_METRICS)
    }
    return {"leads": len(labels), "converted": int(labels.sum()), **found}


def _fill(visible: VisibleEvents, spec: Spec) -> np.ndarray:
    out = np.empty((len(FAMILY.names(spec)), len(visible)), np.float32)
    FAMILY.fill(out, visible, spec)
    return out
