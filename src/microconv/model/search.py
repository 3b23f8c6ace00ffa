"""Hyper-parameter search with Optuna, on inner folds that end before the backtest begins.

A worked example, with a horizon of 30 days, a label lag of 5 and a backtest whose first
test snapshot is on 24 June. Only outcomes known before 24 June are used, so the last date that
the search may test on is 29 April (29 April + 35 days = 3 June); its training ends with
4 March (8 April), and the fold before it tests on 1 April and trains until 5 February.

Trials are compared by the log loss of the equally weighted base models, each fold's
calibration-in-the-large corrected, as weights and calibration are chosen later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.features.training_set import FittedColumns, TrainingSet
from microconv.histories.folds import Fold
from microconv.model.ensemble import EQUAL_WEIGHTS, average_logits
from microconv.model.fit import fit_base_models
from microconv.model.logistic import calibration_in_the_large, paired_gain, row_losses
from microconv.model.search_result import (
    Parameters,
    SearchResult,
    Trial,
    replace_parameters,
    searched_settings,
)
from microconv.model.training_rows import (
    MIN_PER_CLASS,
    Floats,
    Mask,
    TrainingConfig,
    known_labels,
    labelled_rows_at,
    sorted_rows,
)

if TYPE_CHECKING:
    import optuna

STARTUP_TRIALS = 5
"""Trials that are finished before any may be pruned."""


@dataclass(frozen=True)
class _InnerFold:
    """What a trial is fitted and validated on; `rows` and `labels` are those of validation."""

    now: datetime  # when training ended
    columns: FittedColumns
    train: Mask
    rows: npt.NDArray[np.intp]
    labels: Mask


def search(
    training_set: TrainingSet,
    folds: tuple[Fold, ...],
    config: TrainingConfig,
    *,
    until: datetime,
    advance: Callable[[], None],
) -> SearchResult:
    """Search for parameters that predict better out of time than the given ones.

    The given ones are kept unless the best trial beats them by more than two standard
    errors, by prospect, of the gain: among many trials one looks better by chance.

    Parameters
    ----------
    training_set : TrainingSet
    folds : tuple of Fold
        Inner ones, whose outcomes were known by `until`.
    config : TrainingConfig
        Its `model.search` sets how long to search.
    until : datetime
        The backtest's first test instant: nothing known at or after it is used.
    advance : callable
        Called after each trial.
    """
    rows = np.flatnonzero((training_set.snapshots["as_of"] < pd.Timestamp(until)).to_numpy())
    known = training_set.take_rows(rows)
    inner = [made for fold in folds if (made := _inner_fold(known, fold, until)) is not None]
    if not inner:
        return SearchResult(
            f"no search: on none of the {len(folds)} inner folds before {until:%Y-%m-%d} are there "
            f"{MIN_PER_CLASS} rows of each outcome to learn from and to test"
        )
    used = {made.now for made in inner}
    snapshots = known.snapshots
    who = np.concatenate([snapshots["prospect_id"].to_numpy()[made.rows] for made in inner])
    prospects = pd.factorize(who)[0].astype(np.int64)
    trials, losses = _run_trials(snapshots, inner, config, advance)
    result = SearchResult(
        "",
        tuple(trials),
        until.isoformat(),
        tuple(
            {part: [i.isoformat() for i in getattr(fold, part)] for part in ("train", "test")}
            for fold in folds
            if fold.test[0] in used
        ),
    )
    best = min(losses, key=lambda number: float(losses[number].mean()))
    gain, error = paired_gain(losses[0], losses[best], prospects)
    number, verb = (best, "replaces") if gain > 2 * error else (0, "is not enough to replace")
    return result.choose(
        number,
        f"{len(trials) - 1} trials, {sum(trial.pruned for trial in trials)} pruned, on "
        f"{len(who):,} rows of {len(inner)} inner folds: the best gains {gain:.5f} ± {error:.5f} "
        f"of a log loss of {losses[0].mean():.5f} and {verb} the settings of params.yaml",
    )


def _inner_fold(known: TrainingSet, fold: Fold, until: datetime) -> _InnerFold | None:
    """Prepare a fold; None where there is too little of an outcome."""
    train, test = (labelled_rows_at(known, dates) for dates in (fold.train, fold.test))
    now, rows = fold.test[0], sorted_rows(known.snapshots, test)
    then, later = (known_labels(known.snapshots, at) for at in (now, until))
    for labels in (then[train], later[rows]):
        if min(labels.sum(), (~labels).sum()) < MIN_PER_CLASS:
            return None
    return _InnerFold(now, known.fit_columns(train, then), train, rows, later[rows])


def _run_trials(
    snapshots: pd.DataFrame,
    inner: list[_InnerFold],
    config: TrainingConfig,
    advance: Callable[[], None],
) -> tuple[list[Trial], dict[int, Floats]]:
    """Try the given settings and then the proposed ones; return row losses of finished trials."""
    import optuna

    trials: list[Trial] = []
    losses: dict[int, Floats] = {}

    def run(parameters: Parameters, *, prune: Callable[[float, int], bool]) -> Trial:
        begun, parts, running = time.perf_counter(), [], []
        tried = replace(config, model=replace_parameters(config.model, parameters))
        pruned = False
        for step, fold in enumerate(inner):
            parts.append(_losses(snapshots, fold, tried))
            running.append(float(np.concatenate(parts).mean()))
            if step + 1 < len(inner) and prune(running[-1], step):
                pruned = True
                break
        number = len(trials)
        seconds = round(time.perf_counter() - begun, 2)
        trials.append(Trial(number, parameters, tuple(running), seconds, pruned))
        if not pruned:
            losses[number] = np.concatenate(parts)
        return trials[-1]

    def objective(trial: optuna.Trial) -> float:
        def prune(loss: float, step: int) -> bool:
            trial.report(loss, step)
            return trial.should_prune()

        done = run(_propose(trial), prune=prune)
        if done.loss is None:
            raise optuna.TrialPruned
        return done.loss

    run(searched_settings(config.model), prune=lambda loss, step: False)
    limits = config.model.search
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=limits.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS),
    )
    study.optimize(
        objective,
        n_trials=limits.trials,
        timeout=None if limits.time_limit_minutes is None else 60 * limits.time_limit_minutes,
        callbacks=[lambda study, trial: advance()],
    )
    return trials, losses


def _losses(snapshots: pd.DataFrame, fold: _InnerFold, config: TrainingConfig) -> Floats:
    """Fit, and return the loss of each validation row, calibrated in the large."""
    ensemble = fit_base_models(snapshots, fold.columns, fold.train, config, fold.now)
    logits = ensemble.base_logits(fold.columns.take(fold.rows), threads=config.threads)
    logit = average_logits(logits, EQUAL_WEIGHTS)
    return row_losses(logit + calibration_in_the_large(logit, fold.labels), fold.labels)


def _propose(trial: optuna.Trial) -> Parameters:
    """Propose parameters: small trees with few columns each, alike for trees and hazard.

    The number of rounds follows from the product of rate and rounds: a low rate with few
    rounds would be an undertrained model. A parameter that is not proposed here stays as in
    the settings.
    """
    rate = trial.suggest_float("learning_rate", 0.02, 0.2, log=True)
    product = trial.suggest_float("rate_times_rounds", 1.5, 12, log=True)
    trees: dict[str, int | float] = {
        "num_iterations": max(round(product / rate), 10),
        "learning_rate": rate,
        "num_leaves": trial.suggest_int("num_leaves", 3, 31, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 20, 500, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.05, 1, log=True),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.4, 1),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.1, 100, log=True),
    }
    penalty = trial.suggest_float("inverse_penalty", 1e-4, 1, log=True)
    return {"trees": trees, "hazard": trees, "regression": {"inverse_penalty": penalty}}
