"""Learning a blend: choose on a later slice of the training rows, then refit on all of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.features.row_view import score_in_blocks
from microconv.features.training_set import FittedColumns, TrainingSet
from microconv.model.amount import Amount, conversions_of, fit_amount
from microconv.model.base_models import fit_voices, grow_voices, side_by_side, weighed
from microconv.model.calibration import Calibration, Holdout, choose_calibration, choose_level
from microconv.model.downsampling import thin_out, told
from microconv.model.ensemble import LINEAR_ALONE, VOICES, Blend, Weights, choose_weights, mix
from microconv.model.fallback import evidence, fit_cautious, journey_points
from microconv.model.logistic import level
from microconv.model.readiness import count_conversions
from microconv.model.regression import Design
from microconv.model.training import (
    LaterSlice,
    Mask,
    Recipe,
    in_order,
    known_labels,
    plan_later_slice,
    require_both,
)

TRIED_NEGATIVES = 30_000
"""The trial on the later slice, which shares and calibration are chosen by, learns from about so
many rows without a conversion: its voices are as good as those of all rows but for a hair."""

TRIED_CONVERSIONS = 7_500
"""Of more rows with a conversion the trial learns from about so many."""

JUDGING_NEGATIVES = 50_000
"""Of the later slice's rows without a conversion about so many judge, each for several: how sure
the judgement is hangs on the conversions, and all of those are there."""


@dataclass(frozen=True)
class Lesson:
    """What came of learning on some of the rows of a training set.

    Attributes
    ----------
    blend : Blend
        Fitted on all training rows.
    columns : FittedColumns
        Of every row of the set, the fitted families' learnt on the training rows.
    amount : Amount or None
        What a conversion is worth; None if none had a value.
    choice : str
        How shares and calibration were chosen, or why they were not.
    """

    blend: Blend
    columns: FittedColumns = field(repr=False)
    amount: Amount | None
    choice: str


def learn(
    training_set: TrainingSet, train: Mask, recipe: Recipe, *, known_before: datetime | None = None
) -> Lesson:
    """Fit the three voices, and how to mix and calibrate them.

    With fewer conversions than `model.ready.conversions` nothing can be chosen: the blend
    is then the one regression of :mod:`~microconv.model.fallback`.

    Parameters
    ----------
    training_set : TrainingSet
    train : ndarray of bool, shape (n_rows,)
        The labelled rows to learn from. The hazard also learns from rows whose window
        was still open when training ended.
    recipe : Recipe
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
    require_both(labels[train], "to learn from")
    conversions = count_conversions(snapshots[train & labels])
    if conversions < recipe.model.ready.conversions:
        return _learn_cautiously(training_set, train, recipe, known_before, conversions)
    plan = plan_later_slice(snapshots, train, labels, recipe)
    with side_by_side(recipe) as pool:
        # the trial is handed in first: cores that it leaves idle go on to what ships
        trial = (
            None if isinstance(plan, str) else _try_out(training_set, plan, labels, recipe, pool)
        )
        columns = training_set.fit_columns(train, labels)
        grown = grow_voices(snapshots, columns, train, recipe, known_before, pool)
        worth = pool.submit(learn_amount, snapshots, columns, train & labels)
        chosen = None if trial is None else trial()
        blend, amount = grown(), worth.result()
    besides = told(labels[train], recipe.model.max_negatives)
    if blend.boosted.competing:
        besides = f"; boosted tells leaving from staying{besides}"
    if isinstance(plan, str) or chosen is None:
        return Lesson(blend, columns, amount, f"equal shares, uncalibrated: {plan}{besides}")
    weights, calibration = chosen
    blend = replace(blend, weights=weights, calibration=calibration)
    rows, holdout = _slice(snapshots, plan, labels)
    latest = score_in_blocks(
        partial(blend.logit, threads=1), columns.pick(rows), threads=recipe.threads
    )
    blend = replace(blend, level=choose_level(latest, holdout))
    shares = ", ".join(f"{n} {w:.2g}" for n, w in zip(VOICES, blend.weights, strict=True))
    choice = (
        f"chosen on {int(plan.test.sum())} rows from {plan.begins:%Y-%m-%d} on: shares {shares}; "
        f"calibration {blend.calibration.kind}, level {blend.level:+.3f}{besides}"
    )
    return Lesson(blend, columns, amount, choice)


def _learn_cautiously(
    training_set: TrainingSet,
    train: Mask,
    recipe: Recipe,
    known_before: datetime | None,
    conversions: int,
) -> Lesson:
    """Hold the model to the journey: the voices are there to be compared with, and have no say."""
    snapshots = training_set.snapshots
    labels = known_labels(snapshots, known_before)
    columns = training_set.fit_columns(train, labels)
    rows, weights = weighed(snapshots, train, labels, recipe)
    cautious = fit_cautious(
        Design.of(columns.pick(rows)),
        labels[rows],
        evidence(weights, labels[rows], conversions),
        points=journey_points(columns.names, training_set.journey),
        settings=recipe.model,
    )
    voices = fit_voices(snapshots, columns, train, recipe, known_before)
    choice = (
        f"held to the stages and commitments of the journey: {conversions} conversions, and the "
        f"data speak for themselves from {recipe.model.ready.conversions} on"
        + told(labels[train], recipe.model.max_negatives)
    )
    blend = replace(voices, linear=cautious, weights=LINEAR_ALONE)
    return Lesson(blend, columns, learn_amount(snapshots, columns, train & labels), choice)


def _try_out(
    training_set: TrainingSet, plan: LaterSlice, labels: Mask, recipe: Recipe, pool: Executor
) -> Callable[[], tuple[Weights, Calibration]]:
    """Try the voices out on the latest training dates; what comes back waits and then chooses."""
    snapshots = training_set.snapshots
    earlier = known_labels(snapshots, plan.begins)
    columns = training_set.fit_columns(plan.train, earlier)
    most = min(recipe.model.max_negatives or TRIED_NEGATIVES, TRIED_NEGATIVES)
    sparing = replace(
        recipe,
        model=recipe.model.model_copy(update={"max_negatives": most}),
        max_conversions=TRIED_CONVERSIONS,
    )
    grown = grow_voices(snapshots, columns, plan.train, sparing, plan.begins, pool)
    rows, holdout = _slice(snapshots, plan, labels)

    def choose() -> tuple[Weights, Calibration]:
        tried = grown()
        said = score_in_blocks(
            lambda block: np.array([*tried.voices(block, threads=1).values()]),
            columns.pick(rows),
            threads=recipe.threads,
        )
        voices = {
            name: logit + level(logit, holdout.labels, holdout.weights)
            for name, logit in zip(VOICES, said, strict=True)
        }
        weights = choose_weights(voices, holdout)
        return weights, choose_calibration(recipe.model.calibrations, mix(voices, weights), holdout)

    return choose


def _slice(
    snapshots: pd.DataFrame, plan: LaterSlice, labels: Mask
) -> tuple[npt.NDArray[np.intp], Holdout]:
    """List the rows of the later slice that judge, in order."""
    rows = in_order(snapshots, plan.test)
    kept, weights = thin_out(
        snapshots.iloc[rows], labels[rows], np.ones(len(rows)), JUDGING_NEGATIVES
    )
    rows = rows[kept]
    prospects = pd.factorize(snapshots["prospect_id"].to_numpy()[rows])[0].astype(np.int64)
    return rows, Holdout(labels[rows], prospects, weights)


def learn_amount(snapshots: pd.DataFrame, columns: FittedColumns, known: Mask) -> Amount | None:
    """Learn what conversions are worth from those known when training ended."""
    rows = conversions_of(snapshots, known)
    prospects = pd.factorize(snapshots["prospect_id"].to_numpy()[rows])[0].astype(np.int64)
    paid = snapshots["value"].to_numpy(np.float64)[rows]
    return fit_amount(columns.take(rows), paid, prospects)
