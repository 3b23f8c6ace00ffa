"""Stage `train`: the model, fitted on every snapshot whose outcome window has closed."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from microconv.features.training_set import load_training_set
from microconv.journey import JourneyMap
from microconv.model.prospect_model import ProspectModel
from microconv.model.search_result import SearchResult
from microconv.settings import Settings
from microconv.stages.runner import run
from microconv.storage.log import EventLog


def train(
    settings: Settings,
    *,
    log: Path,
    snapshots: Path,
    features: Path,
    search: Path,
    predictions: Path,
    model: Path,
) -> str:
    """Fit the model and save it together with the out-of-time predictions of the backtest.

    Parameters
    ----------
    settings : Settings
    log, snapshots, features, search, predictions : Path
        What it reads.
    model : Path
        What it writes.
    """
    training_set = load_training_set(
        EventLog.open(log),
        snapshots,
        features,
        journey=JourneyMap.from_settings(settings.journey),
        settings=settings.features,
    )
    chosen = SearchResult.read(search).apply(settings)
    fitted = ProspectModel.fit(training_set, chosen, out_of_time=pq.read_table(predictions))
    fitted.save(model)
    facts = fitted.facts
    return (
        f"{facts.n_rows:,} snapshots of {facts.n_prospects:,} prospects, "
        f"{facts.n_conversions:,} conversions; {facts.choice}"
    )


if __name__ == "__main__":
    run(train)
