"""Stage `search`: hyper-parameters tuned on data from before the backtest."""

from __future__ import annotations

from pathlib import Path

from microconv.model.search_result import SearchResult
from microconv.settings import Settings
from microconv.stages.runner import count_steps, run

INNER = {"folds": 3, "test_snapshots": 1, "min_train_snapshots": 1}
"""Folds of the search: up to three, one date each, whatever the folds of the backtest."""


def search(settings: Settings, *, log: Path, snapshots: Path, features: Path, search: Path) -> str:
    """Write the hyper-parameters that did best on the inner folds, or why none were tuned.

    Parameters
    ----------
    settings : Settings
    log, snapshots, features : Path
        What it reads.
    search : Path
        What it writes.
    """
    done = _searched(settings, log, snapshots, features)
    done.write(search)
    return done.summary


def _searched(settings: Settings, log: Path, snapshots: Path, features: Path) -> SearchResult:
    trials = settings.model.search.trials
    if trials == 0:
        return SearchResult("off: the settings of params.yaml are used (`model.search.trials`)")
    from microconv.errors import NotEnoughDataError  # imported only when the search is on
    from microconv.features.training_set import load_training_set
    from microconv.histories.folds import plan_as_ofs, plan_folds
    from microconv.journey import JourneyMap
    from microconv.model.search import search as look
    from microconv.model.training_rows import TrainingConfig
    from microconv.storage.log import EventLog

    events, journey = EventLog.open(log), JourneyMap.from_settings(settings.journey)
    end, horizon = events.observed_until(journey), settings.snapshots.horizon
    as_ofs = plan_as_ofs(settings.snapshots, observed_until=end)
    until = plan_folds(as_ofs, settings.backtest, horizon=horizon, observed_until=end)[0].test[0]
    known = until - settings.backtest.label_lag
    try:
        inner = settings.backtest.model_copy(update=INNER)
        folds = plan_folds(as_ofs, inner, horizon=horizon, observed_until=known)
    except NotEnoughDataError:
        return SearchResult(
            f"no search: before {until:%Y-%m-%d}, when the backtest begins, too few outcome "
            "windows have closed to test settings on"
        )
    training_set = load_training_set(
        events, snapshots, features, journey=journey, settings=settings.features
    )
    config, advance = TrainingConfig.from_settings(settings), count_steps(trials)
    return look(training_set, folds, config, until=until, advance=advance)


if __name__ == "__main__":
    run(search)
