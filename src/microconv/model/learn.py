"""Learning a blend: choose on a later slice of the training rows, then refit on all of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.features.training_set import FittedColumns, TrainingSet
from microconv.model.blend import Blend, choose_weight, mix
from microconv.model.boosted import Boosted, fit_boosted
from microconv.model.calibration import (
    Calibration,
    choose_calibration,
    choose_level,
    level,
)
from microconv.model.linear import Linear, fit_linear
from microconv.model.training import (
    LaterSlice,
    Mask,
    Recipe,
    in_order,
    known_labels,
    plan_later_slice,
    require_both,
    turn_weights,
)


@dataclass(frozen=True)
class Lesson:
    """What came of learning on some of the rows of a training set.

    Attributes
    ----------
    blend : Blend
        Fitted on all training rows.
    columns : FittedColumns
        Of every row of the set, the fitted families' learnt on the training rows.
    choice : str
        How blend weight and calibration were chosen, or why they were not.
    """

    blend: Blend
    columns: FittedColumns = field(repr=False)
    choice: str


def learn(
    training_set: TrainingSet, train: Mask, recipe: Recipe, *, known_before: datetime | None = None
) -> Lesson:
    """Fit trees and regression, and how to mix and calibrate them.

    Parameters
    ----------
    training_set : TrainingSet
    train : ndarray of bool, shape (n_rows,)
        The rows to learn from.
    recipe : Recipe
    known_before : datetime or None
        Only conversions known strictly before count; None where all do.

    Raises
    ------
    NotEnoughDataError
        If nobody or everybody among the training rows converted.
    """
    snapshots = training_set.snapshots
    labels = known_labels(snapshots, known_before)
    require_both(labels[train], "to learn from")
    plan = plan_later_slice(snapshots, train, labels, recipe)
    chosen = None if isinstance(plan, str) else _choose(training_set, plan, labels, recipe)
    columns = training_set.fit_columns(train, labels)
    boosted, linear = fit_both(snapshots, columns, train, labels, recipe)
    if isinstance(plan, str) or chosen is None:
        return Lesson(Blend(boosted, linear), columns, f"equal shares, uncalibrated: {plan}")
    blend = Blend(boosted, linear, *chosen)
    rows, prospects = _slice(snapshots, plan)
    latest = blend.logit(columns.values[:, rows], threads=recipe.threads)
    blend = replace(blend, level=choose_level(latest, labels[rows], prospects))
    choice = (
        f"chosen on {len(rows)} rows from {plan.begins:%Y-%m-%d} on: share of the trees "
        f"{blend.weight:g}, calibration {blend.calibration.kind}, level {blend.level:+.3f}"
    )
    return Lesson(blend, columns, choice)


def _choose(
    training_set: TrainingSet, plan: LaterSlice, labels: Mask, recipe: Recipe
) -> tuple[float, Calibration]:
    """Try both models out on the latest training dates."""
    snapshots = training_set.snapshots
    earlier = known_labels(snapshots, plan.begins)
    columns = training_set.fit_columns(plan.train, earlier)
    boosted, linear = fit_both(snapshots, columns, plan.train, earlier, recipe)
    rows, prospects = _slice(snapshots, plan)
    tried, happened = columns.values[:, rows], labels[rows]
    trees, regression = boosted.logit(tried, threads=recipe.threads), linear.logit(tried)
    trees, regression = trees + level(trees, happened), regression + level(regression, happened)
    weight = choose_weight(trees, regression, happened, prospects)
    mixed = mix(trees, regression, weight)
    kinds = recipe.model.calibrations
    return weight, choose_calibration(kinds, mixed, happened, prospects)


def _slice(
    snapshots: pd.DataFrame, plan: LaterSlice
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """List the rows of the later slice in order, and whose they are."""
    rows = in_order(snapshots, plan.test)
    return rows, pd.factorize(snapshots["prospect_id"].to_numpy()[rows])[0].astype(np.int64)


def fit_both(
    snapshots: pd.DataFrame, columns: FittedColumns, train: Mask, labels: Mask, recipe: Recipe
) -> tuple[Boosted, Linear]:
    """Fit trees and regression on the same rows."""
    rows = in_order(snapshots, train)
    values, known = columns.values[:, rows], labels[rows]
    weights = turn_weights(snapshots.iloc[rows])
    model = recipe.model
    boosted = fit_boosted(
        values, known, weights, model.boosted, seed=model.seed, threads=recipe.threads
    )
    return boosted, fit_linear(values, known, weights, model.linear)
