"""Stage `backtest`: out-of-time predictions of every model on walk-forward folds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from microconv.evaluation.backtest import backtest as walk_forward
from microconv.evaluation.leakage.diagnostics import diagnose_leakage
from microconv.features.training_set import load_scoring_features, load_training_set
from microconv.histories.folds import plan_as_ofs, plan_folds
from microconv.journey import JourneyMap
from microconv.model.search_result import SearchResult
from microconv.model.training_rows import TrainingConfig
from microconv.settings import Settings
from microconv.stages.runner import run
from microconv.storage.log import EventLog


def backtest(
    settings: Settings,
    *,
    log: Path,
    snapshots: Path,
    features: Path,
    search: Path,
    predictions: Path,
) -> str:
    """Fit every model on each fold's past, and write its predictions of what came after.

    Parameters
    ----------
    settings : Settings
    log, snapshots, features, search : Path
        What it reads.
    predictions : Path
        What it writes.
    """
    events, journey = EventLog.open(log), JourneyMap.from_settings(settings.journey)
    until = events.observed_until(journey)
    folds = plan_folds(
        plan_as_ofs(settings.snapshots, observed_until=until),
        settings.backtest,
        horizon=settings.snapshots.horizon,
        observed_until=until,
    )
    training_set = load_training_set(
        events, snapshots, features, journey=journey, settings=settings.features
    )
    config = TrainingConfig.from_settings(SearchResult.read(search).apply(settings))
    done = walk_forward(training_set, folds, config)
    findings = diagnose_leakage(
        training_set, folds, config, load_scoring_features(snapshots, features)
    )
    notes = done.notes | {
        "leakage_diagnostics": findings,
        "synthetic_times": events.synthetic_sources,
    }
    replace(done, notes=notes).write(predictions)
    skipped = done.notes["skipped"]
    aside = f"; skipped {', '.join(skipped)}" if skipped else ""
    return f"{done.predictions.num_rows:,} predictions on {len(done.notes['folds'])} folds{aside}"


if __name__ == "__main__":
    run(backtest)
