"""Fitting an ensemble: choose weights and calibration on validation dates, refit on all rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.features.row_view import score_in_blocks
from microconv.features.training_set import FittedColumns, TrainingSet
from microconv.model.amount import AmountModel, fit_known_amounts
from microconv.model.calibration import Calibration, Holdout, choose_calibration, choose_shift
from microconv.model.ensemble import (
    BASE_MODELS,
    REGRESSION_ONLY,
    Ensemble,
    Weights,
    average_logits,
    choose_weights,
)
from microconv.model.fallback import commitment_points, fit_fallback, scale_to_conversions
from microconv.model.hazard import fit_hazard, follow_up_rows
from microconv.model.logistic import calibration_in_the_large
from microconv.model.regression import DesignMatrix, fit_regression
from microconv.model.training_facts import count_conversions
from microconv.model.training_rows import (
    Floats,
    Mask,
    TrainingConfig,
    ValidationSplit,
    describe_downsampling,
    downsample_negatives,
    known_exits,
    known_labels,
    plan_validation,
    require_both_classes,
    sorted_rows,
    visit_order_weights,
)
from microconv.model.trees import fit_trees

TRIAL_NEGATIVES = 30_000
"""About so many rows without a conversion are used for the trial models, by which weights and
calibration are chosen: they are hardly worse than those fitted on all rows."""

TRIAL_POSITIVES = 7_500
"""About so many rows with a conversion are used for the trial models."""

VALIDATION_NEGATIVES = 50_000
"""About so many validation rows without a conversion are scored, each for several: the precision
of a comparison depends on the conversions, and all of those are used."""


@dataclass(frozen=True)
class EnsembleFit:
    """The result of fitting on some rows of a training set.

    Attributes
    ----------
    ensemble : Ensemble
        Fitted on all training rows.
    columns : FittedColumns
        Of every row of the set; fitted families are fitted on the training rows.
    amount : AmountModel or None
        How much a conversion is worth; None if none had a value.
    choice : str
        How weights and calibration were chosen, or why they were not.
    """

    ensemble: Ensemble
    columns: FittedColumns = field(repr=False)
    amount: AmountModel | None
    choice: str


def fit_ensemble(
    training_set: TrainingSet,
    train: Mask,
    config: TrainingConfig,
    *,
    known_before: datetime | None = None,
) -> EnsembleFit:
    """Fit the three base models, and how to average and calibrate them.

    With fewer conversions than `model.ready.conversions` nothing can be chosen: the ensemble
    is then the single regression of :mod:`~microconv.model.fallback`.

    Parameters
    ----------
    training_set : TrainingSet
    train : ndarray of bool, shape (n_rows,)
        The labelled rows to fit on. The hazard also uses rows whose window was still open
        when training ended.
    config : TrainingConfig
    known_before : datetime or None
        When training ended: only conversions known strictly before it count, and no snapshot
        at or after it is used; None for no limit.

    Raises
    ------
    NotEnoughDataError
        If nobody or everybody among the training rows converted.
    """
    snapshots = training_set.snapshots
    labels = known_labels(snapshots, known_before)
    require_both_classes(labels[train], "to learn from")
    conversions = count_conversions(snapshots[train & labels])
    if conversions < config.model.ready.conversions:
        return _fit_small_data(training_set, train, config, known_before, conversions)
    plan = plan_validation(snapshots, train, labels, config)
    with _fitting_pool(config) as pool:
        # the trial is submitted first: cores that it leaves idle go on to the final models
        trial = (
            None
            if isinstance(plan, str)
            else _submit_trial(training_set, plan, labels, config, pool)
        )
        columns = training_set.fit_columns(train, labels)
        final = _submit_base_models(snapshots, columns, train, config, known_before, pool)
        amounts = pool.submit(fit_known_amounts, snapshots, columns, train & labels)
        chosen = None if trial is None else trial()
        ensemble, amount = final(), amounts.result()
    notes = describe_downsampling(labels[train], config.model.max_negatives)
    if ensemble.trees.competing:
        notes = f"; trees with leaving as a competing outcome{notes}"
    if isinstance(plan, str) or chosen is None:
        return EnsembleFit(ensemble, columns, amount, f"equal weights, uncalibrated: {plan}{notes}")
    weights, calibration = chosen
    ensemble = replace(ensemble, weights=weights, calibration=calibration)
    rows, holdout = _validation_rows(snapshots, plan, labels)
    latest = score_in_blocks(
        partial(ensemble.logit, threads=1), columns.pick(rows), threads=config.threads
    )
    ensemble = replace(ensemble, shift=choose_shift(latest, holdout))
    shares = ", ".join(f"{n} {w:.2g}" for n, w in zip(BASE_MODELS, ensemble.weights, strict=True))
    choice = (
        f"chosen on {int(plan.validation.sum())} rows from {plan.begins:%Y-%m-%d} on: weights "
        f"{shares}; calibration {calibration.kind}, shift {ensemble.shift:+.3f}{notes}"
    )
    return EnsembleFit(ensemble, columns, amount, choice)


def _fit_small_data(
    training_set: TrainingSet,
    train: Mask,
    config: TrainingConfig,
    known_before: datetime | None,
    conversions: int,
) -> EnsembleFit:
    """Fit the fallback; the base models are fitted for comparison only and have no weight."""
    snapshots = training_set.snapshots
    labels = known_labels(snapshots, known_before)
    columns = training_set.fit_columns(train, labels)
    rows, weights = _weighted_rows(snapshots, train, labels, config)
    fallback = fit_fallback(
        DesignMatrix.from_values(columns.pick(rows)),
        labels[rows],
        scale_to_conversions(weights, labels[rows], conversions),
        points=commitment_points(columns.names, training_set.journey),
        settings=config.model,
    )
    base = fit_base_models(snapshots, columns, train, config, known_before)
    choice = (
        f"a prior from the stages and commitments of the journey, for there are {conversions} "
        f"conversions and an ensemble needs {config.model.ready.conversions}"
        + describe_downsampling(labels[train], config.model.max_negatives)
    )
    ensemble = replace(base, regression=fallback, weights=REGRESSION_ONLY)
    return EnsembleFit(
        ensemble, columns, fit_known_amounts(snapshots, columns, train & labels), choice
    )


def _submit_trial(
    training_set: TrainingSet,
    plan: ValidationSplit,
    labels: Mask,
    config: TrainingConfig,
    pool: Executor,
) -> Callable[[], tuple[Weights, Calibration]]:
    """Submit trial models on the earlier dates; the returned function waits and then chooses."""
    snapshots = training_set.snapshots
    earlier = known_labels(snapshots, plan.begins)
    columns = training_set.fit_columns(plan.train, earlier)
    negatives = min(config.model.max_negatives or TRIAL_NEGATIVES, TRIAL_NEGATIVES)
    sampled = replace(
        config,
        model=config.model.model_copy(update={"max_negatives": negatives}),
        max_positives=TRIAL_POSITIVES,
    )
    trial = _submit_base_models(snapshots, columns, plan.train, sampled, plan.begins, pool)
    rows, holdout = _validation_rows(snapshots, plan, labels)

    def choose() -> tuple[Weights, Calibration]:
        ensemble = trial()
        logits = score_in_blocks(
            lambda block: np.array([*ensemble.base_logits(block, threads=1).values()]),
            columns.pick(rows),
            threads=config.threads,
        )
        shifted = {
            name: logit + calibration_in_the_large(logit, holdout.labels, holdout.weights)
            for name, logit in zip(BASE_MODELS, logits, strict=True)
        }
        weights = choose_weights(shifted, holdout)
        average = average_logits(shifted, weights)
        return weights, choose_calibration(config.model.calibrations, average, holdout)

    return choose


def _validation_rows(
    snapshots: pd.DataFrame, plan: ValidationSplit, labels: Mask
) -> tuple[npt.NDArray[np.intp], Holdout]:
    rows = sorted_rows(snapshots, plan.validation)
    kept, weights = downsample_negatives(
        snapshots.iloc[rows], labels[rows], np.ones(len(rows)), VALIDATION_NEGATIVES
    )
    rows = rows[kept]
    prospects = pd.factorize(snapshots["prospect_id"].to_numpy()[rows])[0].astype(np.int64)
    return rows, Holdout(labels[rows], prospects, weights)


@contextmanager
def _fitting_pool(config: TrainingConfig) -> Iterator[Executor]:
    """Open a thread pool in which no fit starts threads of BLAS.

    A regression limits BLAS itself, but a thread that leaves that limit lifts it for another
    that still runs: the limit is set here, before any of them.
    """
    from threadpoolctl import threadpool_limits

    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(config.threads or os.cpu_count()) as pool,
    ):
        yield pool


def fit_base_models(
    snapshots: pd.DataFrame,
    columns: FittedColumns,
    train: Mask,
    config: TrainingConfig,
    known_before: datetime | None,
) -> Ensemble:
    """Fit the base models on what was known at an instant, with equal weights.

    Parameters
    ----------
    snapshots : DataFrame
        Of a training set.
    columns : FittedColumns
    train : ndarray of bool, shape (n_rows,)
    config : TrainingConfig
    known_before : datetime or None
    """
    with _fitting_pool(config) as pool:
        return _submit_base_models(snapshots, columns, train, config, known_before, pool)()


def _submit_base_models(
    snapshots: pd.DataFrame,
    columns: FittedColumns,
    train: Mask,
    config: TrainingConfig,
    known_before: datetime | None,
    pool: Executor,
) -> Callable[[], Ensemble]:
    """Submit the base models, one thread each; the returned function waits for them."""
    known, model = known_labels(snapshots, known_before), config.model
    rows, weights = _weighted_rows(snapshots, train, known, config)
    values, known = columns.pick(rows), known[rows]
    exits = known_exits(snapshots, known_before)[rows] if model.competing_risks else None
    follow_up = follow_up_rows(snapshots, config, now=known_before)
    trees = pool.submit(
        fit_trees,
        *(values, known, weights, model.trees),
        exits=exits,
        seed=model.seed,
        threads=config.threads,
    )
    hazard = pool.submit(fit_hazard, columns.parts, follow_up, config)
    regression = pool.submit(fit_regression, values, known, weights, model.regression)
    return lambda: Ensemble(trees.result(), hazard.result(), regression.result())


def _weighted_rows(
    snapshots: pd.DataFrame, train: Mask, known: Mask, config: TrainingConfig
) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return the sorted positions of the rows to fit on, downsampled, and their weights."""
    rows = sorted_rows(snapshots, train)
    chosen = snapshots.iloc[rows]
    kept, weights = downsample_negatives(
        chosen,
        known[rows],
        visit_order_weights(chosen),
        config.model.max_negatives,
        max_positives=config.max_positives,
    )
    return rows[kept], weights
