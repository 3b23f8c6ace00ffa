"""Growing the three voices of a blend, side by side on the cores there are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.features.training_set import FittedColumns
from microconv.model.boosted import fit_boosted
from microconv.model.downsampling import thin_out
from microconv.model.ensemble import Blend
from microconv.model.hazard import fit_hazard, follow
from microconv.model.regression import fit_linear
from microconv.model.training import (
    Floats,
    Mask,
    Recipe,
    in_order,
    known_exits,
    known_labels,
    turn_weights,
)


@contextmanager
def side_by_side(recipe: Recipe) -> Iterator[Executor]:
    """Open a pool of the recipe's threads, in which no fit starts threads of BLAS.

    A regression limits BLAS by itself, but from a thread of a pool that lifts the limit of
    another that still runs: the limit is set here, before any of them.
    """
    from threadpoolctl import threadpool_limits

    with (
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(recipe.threads or os.cpu_count()) as pool,
    ):
        yield pool


def fit_voices(
    snapshots: pd.DataFrame,
    columns: FittedColumns,
    train: Mask,
    recipe: Recipe,
    known_before: datetime | None,
) -> Blend:
    """Fit the voices on what was known at an instant, and mix them equally."""
    with side_by_side(recipe) as pool:
        return grow_voices(snapshots, columns, train, recipe, known_before, pool)()


def grow_voices(
    snapshots: pd.DataFrame,
    columns: FittedColumns,
    train: Mask,
    recipe: Recipe,
    known_before: datetime | None,
    pool: Executor,
) -> Callable[[], Blend]:
    """Hand the voices in, a thread each; what comes back waits for them and mixes them equally."""
    known, model = known_labels(snapshots, known_before), recipe.model
    rows, weights = weighed(snapshots, train, known, recipe)
    values, known = columns.pick(rows), known[rows]
    left = known_exits(snapshots, known_before)[rows] if model.competing_risks else None
    followed = follow(snapshots, recipe, now=known_before)
    boosted = pool.submit(
        fit_boosted,
        *(values, known, weights, model.boosted),
        exits=left,
        seed=model.seed,
        threads=recipe.threads,
    )
    hazard = pool.submit(fit_hazard, columns.parts, followed, recipe)
    linear = pool.submit(fit_linear, values, known, weights, model.linear)
    return lambda: Blend(boosted.result(), hazard.result(), linear.result())


def weighed(
    snapshots: pd.DataFrame, train: Mask, known: Mask, recipe: Recipe
) -> tuple[npt.NDArray[np.intp], Floats]:
    """List the rows to learn from in order, and what each weighs."""
    rows = in_order(snapshots, train)
    asked, most = snapshots.iloc[rows], recipe.model.max_negatives
    kept, weights = thin_out(
        *(asked, known[rows], turn_weights(asked), most), conversions=recipe.max_conversions
    )
    return rows[kept], weights
