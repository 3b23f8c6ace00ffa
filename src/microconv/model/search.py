"""The search for settings: Optuna, on inner folds that end before the backtest begins.

A worked example, with a horizon of 30 days, a label lag of 5 and a backtest whose first
test asks on 24 June. Only outcomes known before 24 June are looked at, so the last date
that the search may test is 29 April (29 April + 35 days = 3 June); its training ends with
4 March (8 April), and the fold before it tests 1 April and trains on 5 February.

Every trial is judged by the log loss of the equally mixed voices, each fold's mean level
set aside, as the shares and the calibration are later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.features.training_set import FittedColumns, TrainingSet
from microconv.histories.timeline import Fold
from microconv.model.ensemble import EQUAL_WEIGHTS, average_logits
from microconv.model.fit import fit_base_models
from microconv.model.logistic import calibration_in_the_large, paired_gain, row_losses
from microconv.model.search_result import Found, SearchResult, Trial, found_in, with_found
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

STARTUP = 5
"""Trials that are finished before any may be pruned."""


@dataclass(frozen=True)
class InnerFold:
    """What a trial learns from and is asked about.

    Attributes
    ----------
    now : datetime
        When training ended.
    columns : FittedColumns
    train : ndarray of bool, shape (n_rows,)
    rows : ndarray of int64, shape (n_tested,)
    happened : ndarray of bool, shape (n_tested,)
    """

    now: datetime
    columns: FittedColumns = field(repr=False)
    train: Mask = field(repr=False)
    rows: npt.NDArray[np.intp] = field(repr=False)
    happened: Mask = field(repr=False)


def search(
    training_set: TrainingSet,
    folds: tuple[Fold, ...],
    config: TrainingConfig,
    *,
    until: datetime,
    advance: Callable[[], None],
) -> SearchResult:
    """Look for settings that do better out of time than the given ones.

    The given ones are kept unless the best trial beats them by more than two standard
    errors, by prospect, of the gain: among many trials one looks better by chance.

    Parameters
    ----------
    training_set : TrainingSet
    folds : tuple of Fold
        Inner ones, whose tests were over and known by `until`.
    config : TrainingConfig
        Its `model.search` says how long to look.
    until : datetime
        The backtest's first test instant: nothing known at or after it is looked at.
    advance : callable
        Called after each trial.
    """
    known = asked_before(training_set, until)
    inner = [made for fold in folds if (made := _inner_fold(known, fold, until)) is not None]
    if not inner:
        return SearchResult(
            f"no search: on none of the {len(folds)} inner folds before {until:%Y-%m-%d} are there "
            f"{MIN_PER_CLASS} rows of each outcome to learn from and to test"
        )
    kept = [fold for fold in folds if fold.test[0] in {made.now for made in inner}]
    dates = {"until": until.isoformat(), "folds": [_written(fold) for fold in kept]}
    snapshots = known.snapshots
    asked = np.concatenate([snapshots["prospect_id"].to_numpy()[made.rows] for made in inner])
    prospects = pd.factorize(asked)[0].astype(np.int64)
    trials, losses = _try_all(snapshots, inner, config, advance)
    done = SearchResult("", tuple(trials), dates)
    best = min(losses, key=lambda number: float(losses[number].mean()))
    gain, error = paired_gain(losses[0], losses[best], prospects)
    number, verb = (
        (best, "takes the place of") if gain > 2 * error else (0, "is not enough against")
    )
    return done.choose(
        number,
        f"{len(trials) - 1} trials, {sum(trial.pruned for trial in trials)} pruned, on "
        f"{len(asked):,} rows of {len(inner)} inner folds: the best gains {gain:.5f} ± {error:.5f} "
        f"of a log loss of {losses[0].mean():.5f} and {verb} the settings of params.yaml",
    )


def asked_before(training_set: TrainingSet, until: datetime) -> TrainingSet:
    """Keep the rows that ask before an instant: the others are not there to be looked at."""
    rows = np.flatnonzero((training_set.snapshots["as_of"] < pd.Timestamp(until)).to_numpy())
    return training_set.take_rows(rows)


def _inner_fold(known: TrainingSet, fold: Fold, until: datetime) -> InnerFold | None:
    """Prepare a fold; None where there is too little of an outcome."""
    train, test = (labelled_rows_at(known, dates) for dates in (fold.train, fold.test))
    now, rows = fold.test[0], sorted_rows(known.snapshots, test)
    labels, happened = (known_labels(known.snapshots, at) for at in (now, until))
    for seen in (labels[train], happened[rows]):
        if min(seen.sum(), (~seen).sum()) < MIN_PER_CLASS:
            return None
    return InnerFold(now, known.fit_columns(train, labels), train, rows, happened[rows])


def _written(fold: Fold) -> dict[str, list[str]]:
    return {
        name: [instant.isoformat() for instant in getattr(fold, name)] for name in ("train", "test")
    }


def _try_all(
    snapshots: pd.DataFrame,
    inner: list[InnerFold],
    config: TrainingConfig,
    advance: Callable[[], None],
) -> tuple[list[Trial], dict[int, Floats]]:
    """Try the given settings and then the proposed ones.

    Returns
    -------
    trials : list of Trial
    losses : dict of int to ndarray of float64, shape (n_tested,)
        Of the trials that were finished.
    """
    import optuna

    trials: list[Trial] = []
    losses: dict[int, Floats] = {}

    def attempt(found: Found, *, give_up: Callable[[float, int], bool]) -> Trial:
        begun, parts, running = time.perf_counter(), [], []
        tried = replace(config, model=with_found(config.model, found))
        pruned = False
        for step, fold in enumerate(inner):
            parts.append(_losses(snapshots, fold, tried))
            running.append(float(np.concatenate(parts).mean()))
            if step + 1 < len(inner) and give_up(running[-1], step):
                pruned = True
                break
        number = len(trials)
        seconds = round(time.perf_counter() - begun, 2)
        trials.append(Trial(number, found, tuple(running), seconds, pruned))
        if not pruned:
            losses[number] = np.concatenate(parts)
        return trials[-1]

    def objective(trial: optuna.Trial) -> float:
        def give_up(loss: float, step: int) -> bool:
            trial.report(loss, step)
            return trial.should_prune()

        done = attempt(propose(trial), give_up=give_up)
        if done.loss is None:
            raise optuna.TrialPruned
        return done.loss

    attempt(found_in(config.model), give_up=lambda loss, step: False)
    asked = config.model.search
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=asked.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
    )
    study.optimize(
        objective,
        n_trials=asked.trials,
        timeout=None if asked.time_limit_minutes is None else 60 * asked.time_limit_minutes,
        callbacks=[lambda study, trial: advance()],
    )
    return trials, losses


def _losses(snapshots: pd.DataFrame, fold: InnerFold, config: TrainingConfig) -> Floats:
    """Learn, and return the loss of each tested row, the level set aside."""
    ensemble = fit_base_models(snapshots, fold.columns, fold.train, config, fold.now)
    voices = ensemble.base_logits(fold.columns.take(fold.rows), threads=config.threads)
    logit = average_logits(voices, EQUAL_WEIGHTS)
    return row_losses(logit + calibration_in_the_large(logit, fold.happened), fold.happened)


def propose(trial: optuna.Trial) -> Found:
    """Propose settings: small trees with few columns each, two ensembles of one kind.

    Rounds are proposed as how far the trees go in all, rate times rounds: a slow rate
    with few rounds is a model that has not been grown.
    """
    rate = trial.suggest_float("learning_rate", 0.02, 0.2, log=True)
    way = trial.suggest_float("rate_times_rounds", 1.5, 12, log=True)
    trees = {
        "num_iterations": max(round(way / rate), 10),
        "learning_rate": rate,
        "num_leaves": trial.suggest_int("num_leaves", 3, 31, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 20, 500, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.05, 1, log=True),
        "bagging_fraction": trial.suggest_float("bagging_fraction", 0.4, 1),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.1, 100, log=True),
    }
    penalty = trial.suggest_float("inverse_penalty", 1e-4, 1, log=True)
    return {"trees": trees, "hazard": trees, "regression": {"inverse_penalty": penalty}}
