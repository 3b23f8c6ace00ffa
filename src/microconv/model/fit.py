"""Learning a ensemble: choose on a later slice of the training rows, then refit on all of them."""

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
from microconv.model.amount import Amount, conversions_of, fit_amount
from microconv.model.calibration import Calibration, Holdout, choose_calibration, choose_shift
from microconv.model.ensemble import (
    BASE_MODELS,
    REGRESSION_ONLY,
    Ensemble,
    Weights,
    average_logits,
    choose_weights,
)
from microconv.model.fallback import commitment_points, evidence, fit_fallback
from microconv.model.hazard import fit_hazard, follow
from microconv.model.logistic import calibration_in_the_large
from microconv.model.regression import Design, fit_regression
from microconv.model.training_facts import count_conversions
from microconv.model.training_rows import (
    Floats,
    LaterSlice,
    Mask,
    TrainingConfig,
    describe_downsampling,
    downsample_negatives,
    known_exits,
    known_labels,
    plan_later_slice,
    require_both_classes,
    sorted_rows,
    visit_order_weights,
)
from microconv.model.trees import fit_trees

TRIED_NEGATIVES = 30_000
"""The trial on the later slice, which shares and calibration are chosen by, learns from about so
many rows without a conversion: its voices are as good as those of all rows but for a hair."""

TRIED_CONVERSIONS = 7_500
"""Of more rows with a conversion the trial learns from about so many."""

JUDGING_NEGATIVES = 50_000
"""Of the later slice's rows without a conversion about so many judge, each for several: how sure
the judgement is hangs on the conversions, and all of those are there."""


@dataclass(frozen=True)
class EnsembleFit:
    """What came of learning on some of the rows of a training set.

    Attributes
    ----------
    ensemble : Ensemble
        Fitted on all training rows.
    columns : FittedColumns
        Of every row of the set, the fitted families' learnt on the training rows.
    amount : Amount or None
        What a conversion is worth; None if none had a value.
    choice : str
        How shares and calibration were chosen, or why they were not.
    """

    ensemble: Ensemble
    columns: FittedColumns = field(repr=False)
    amount: Amount | None
    choice: str


def fit_ensemble(
    training_set: TrainingSet,
    train: Mask,
    config: TrainingConfig,
    *,
    known_before: datetime | None = None,
) -> EnsembleFit:
    """Fit the three voices, and how to mix and calibrate them.

    With fewer conversions than `model.ready.conversions` nothing can be chosen: the ensemble
    is then the one regression of :mod:`~microconv.model.fallback`.

    Parameters
    ----------
    training_set : TrainingSet
    train : ndarray of bool, shape (n_rows,)
        The labelled rows to learn from. The hazard also learns from rows whose window
        was still open when training ended.
    config : TrainingConfig
    known_before : datetime or None
        When training ended: only conversions known strictly before count, and nothing
        asked at or after it; None where everything does.

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
        return _learn_cautiously(training_set, train, config, known_before, conversions)
    plan = plan_later_slice(snapshots, train, labels, config)
    with fitting_pool(config) as pool:
        # the trial is handed in first: cores that it leaves idle go on to what ships
        trial = (
            None if isinstance(plan, str) else _try_out(training_set, plan, labels, config, pool)
        )
        columns = training_set.fit_columns(train, labels)
        grown = submit_base_models(snapshots, columns, train, config, known_before, pool)
        worth = pool.submit(fit_known_amounts, snapshots, columns, train & labels)
        chosen = None if trial is None else trial()
        ensemble, amount = grown(), worth.result()
    besides = describe_downsampling(labels[train], config.model.max_negatives)
    if ensemble.trees.competing:
        besides = f"; trees tell leaving from staying{besides}"
    if isinstance(plan, str) or chosen is None:
        return EnsembleFit(
            ensemble, columns, amount, f"equal shares, uncalibrated: {plan}{besides}"
        )
    weights, calibration = chosen
    ensemble = replace(ensemble, weights=weights, calibration=calibration)
    rows, holdout = _slice(snapshots, plan, labels)
    latest = score_in_blocks(
        partial(ensemble.logit, threads=1), columns.pick(rows), threads=config.threads
    )
    ensemble = replace(ensemble, shift=choose_shift(latest, holdout))
    shares = ", ".join(f"{n} {w:.2g}" for n, w in zip(BASE_MODELS, ensemble.weights, strict=True))
    choice = (
        f"chosen on {int(plan.test.sum())} rows from {plan.begins:%Y-%m-%d} on: shares {shares}; "
        f"calibration {ensemble.calibration.kind}, shift {ensemble.shift:+.3f}{besides}"
    )
    return EnsembleFit(ensemble, columns, amount, choice)


def _learn_cautiously(
    training_set: TrainingSet,
    train: Mask,
    config: TrainingConfig,
    known_before: datetime | None,
    conversions: int,
) -> EnsembleFit:
    """Hold the model to the journey: the voices are there to be compared with, and have no say."""
    snapshots = training_set.snapshots
    labels = known_labels(snapshots, known_before)
    columns = training_set.fit_columns(train, labels)
    rows, weights = weighed(snapshots, train, labels, config)
    fallback = fit_fallback(
        Design.of(columns.pick(rows)),
        labels[rows],
        evidence(weights, labels[rows], conversions),
        points=commitment_points(columns.names, training_set.journey),
        settings=config.model,
    )
    voices = fit_base_models(snapshots, columns, train, config, known_before)
    choice = (
        f"held to the stages and commitments of the journey: {conversions} conversions, and the "
        f"data speak for themselves from {config.model.ready.conversions} on"
        + describe_downsampling(labels[train], config.model.max_negatives)
    )
    ensemble = replace(voices, regression=fallback, weights=REGRESSION_ONLY)
    return EnsembleFit(
        ensemble, columns, fit_known_amounts(snapshots, columns, train & labels), choice
    )


def _try_out(
    training_set: TrainingSet,
    plan: LaterSlice,
    labels: Mask,
    config: TrainingConfig,
    pool: Executor,
) -> Callable[[], tuple[Weights, Calibration]]:
    """Try the voices out on the latest training dates; what comes back waits and then chooses."""
    snapshots = training_set.snapshots
    earlier = known_labels(snapshots, plan.begins)
    columns = training_set.fit_columns(plan.train, earlier)
    most = min(config.model.max_negatives or TRIED_NEGATIVES, TRIED_NEGATIVES)
    sparing = replace(
        config,
        model=config.model.model_copy(update={"max_negatives": most}),
        max_conversions=TRIED_CONVERSIONS,
    )
    grown = submit_base_models(snapshots, columns, plan.train, sparing, plan.begins, pool)
    rows, holdout = _slice(snapshots, plan, labels)

    def choose() -> tuple[Weights, Calibration]:
        tried = grown()
        said = score_in_blocks(
            lambda block: np.array([*tried.base_logits(block, threads=1).values()]),
            columns.pick(rows),
            threads=config.threads,
        )
        voices = {
            name: logit + calibration_in_the_large(logit, holdout.labels, holdout.weights)
            for name, logit in zip(BASE_MODELS, said, strict=True)
        }
        weights = choose_weights(voices, holdout)
        return weights, choose_calibration(
            config.model.calibrations, average_logits(voices, weights), holdout
        )

    return choose


def _slice(
    snapshots: pd.DataFrame, plan: LaterSlice, labels: Mask
) -> tuple[npt.NDArray[np.intp], Holdout]:
    """List the rows of the later slice that judge, in order."""
    rows = sorted_rows(snapshots, plan.test)
    kept, weights = downsample_negatives(
        snapshots.iloc[rows], labels[rows], np.ones(len(rows)), JUDGING_NEGATIVES
    )
    rows = rows[kept]
    prospects = pd.factorize(snapshots["prospect_id"].to_numpy()[rows])[0].astype(np.int64)
    return rows, Holdout(labels[rows], prospects, weights)


def fit_known_amounts(
    snapshots: pd.DataFrame, columns: FittedColumns, known: Mask
) -> Amount | None:
    """Learn what conversions are worth from those known when training ended."""
    rows = conversions_of(snapshots, known)
    prospects = pd.factorize(snapshots["prospect_id"].to_numpy()[rows])[0].astype(np.int64)
    paid = snapshots["value"].to_numpy(np.float64)[rows]
    return fit_amount(columns.take(rows), paid, prospects)


@contextmanager
def fitting_pool(config: TrainingConfig) -> Iterator[Executor]:
    """Open a pool of the config's threads, in which no fit starts threads of BLAS.

    A regression limits BLAS by itself, but from a thread of a pool that lifts the limit of
    another that still runs: the limit is set here, before any of them.
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
    """Fit the voices on what was known at an instant, and mix them equally."""
    with fitting_pool(config) as pool:
        return submit_base_models(snapshots, columns, train, config, known_before, pool)()


def submit_base_models(
    snapshots: pd.DataFrame,
    columns: FittedColumns,
    train: Mask,
    config: TrainingConfig,
    known_before: datetime | None,
    pool: Executor,
) -> Callable[[], Ensemble]:
    """Hand the voices in, a thread each; what comes back waits for them and mixes them equally."""
    known, model = known_labels(snapshots, known_before), config.model
    rows, weights = weighed(snapshots, train, known, config)
    values, known = columns.pick(rows), known[rows]
    left = known_exits(snapshots, known_before)[rows] if model.competing_risks else None
    followed = follow(snapshots, config, now=known_before)
    trees = pool.submit(
        fit_trees,
        *(values, known, weights, model.trees),
        exits=left,
        seed=model.seed,
        threads=config.threads,
    )
    hazard = pool.submit(fit_hazard, columns.parts, followed, config)
    linear = pool.submit(fit_regression, values, known, weights, model.regression)
    return lambda: Ensemble(trees.result(), hazard.result(), linear.result())


def weighed(
    snapshots: pd.DataFrame, train: Mask, known: Mask, config: TrainingConfig
) -> tuple[npt.NDArray[np.intp], Floats]:
    """List the rows to learn from in order, and what each weighs."""
    rows = sorted_rows(snapshots, train)
    asked, most = snapshots.iloc[rows], config.model.max_negatives
    kept, weights = downsample_negatives(
        *(asked, known[rows], visit_order_weights(asked), most), conversions=config.max_conversions
    )
    return rows[kept], weights
