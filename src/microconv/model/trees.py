"""LightGBM, kept as its own text: the same bits on any number of threads, after any reload."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.errors import DamagedModelError, listed
from microconv.features.family import Columns
from microconv.features.row_view import RowView
from microconv.model.lightgbm_dataset import bin_rows, finite_or_missing
from microconv.model.thread_lock import LIGHTGBM
from microconv.model.training import Floats
from microconv.settings import BoostedSettings

SMALL = 100_000_000
"""Up to so many cells one thread grows the trees: small trees leave threads waiting for each other
(on 30 million cells two of them took four times as long as one)."""

HEADER = (
    "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "feature_names",
    "feature_infos",
)  # fmt: skip
"""What LightGBM needs to find; where it does not, it writes to stderr past everybody's logger."""


@dataclass(frozen=True)
class Trees:
    """A fitted ensemble of trees.

    Attributes
    ----------
    text : str
        LightGBM's own format. It is only ever parsed if it is known to be whole:
        LightGBM ends the process when a file is cut short.
    """

    text: str = field(repr=False)

    @cached_property
    def scores(self) -> int:
        """How many scores a row has: each is grown by trees of its own."""
        found = re.search(r"^num_tree_per_iteration=(\d+)$", self.text, re.MULTILINE)
        return int(found[1]) if found else 1

    @cached_property
    def _booster(self) -> Any:
        import lightgbm

        lacking = [name for name in HEADER if f"\n{name}=" not in self.text]
        if lacking:
            raise DamagedModelError(
                f"The trees of the model lack {listed(lacking)}. Train it again."
            )
        try:
            return lightgbm.Booster(model_str=self.text)
        except lightgbm.basic.LightGBMError as error:
            raise DamagedModelError(
                f"LightGBM cannot read the trees of the model: {error}. Train it again."
            ) from None

    def raw(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Score rows on the scale that the trees were grown on: sums over trees.

        Parameters
        ----------
        values : ndarray of float32, shape (n_columns, n_rows)
            Infinite values count as missing.
        threads : int, optional
            Every core when None; changes no bit.

        Returns
        -------
        ndarray of float64, shape (n_rows,), or (n_rows, scores) where there are several
        """
        if values.shape[1] == 0:
            return np.empty(0 if self.scores == 1 else (0, self.scores))
        rows = finite_or_missing(values).T
        return self._predict(rows, threads, raw_score=True)

    def contributions(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Split each row's raw score into its columns by exact tree SHAP.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_columns + 1), or (n_rows, scores, n_columns + 1)
            The last column is the mean; a row sums to its raw score.
        """
        columns, rows = values.shape
        shape = (rows, columns + 1) if self.scores == 1 else (rows, self.scores, columns + 1)
        if rows == 0:
            return np.empty(shape)
        parts = self._predict(finite_or_missing(values).T, threads, pred_contrib=True)
        return parts.reshape(shape)

    def _predict(self, rows: Columns, threads: int | None, **what: bool) -> Floats:
        booster, number = self._booster, threads or 0
        with LIGHTGBM.with_threads(number):
            out: Floats = booster.predict(rows, num_threads=number, **what)
        return out


def grow_trees(
    picked: RowView,
    target: dict[str, npt.NDArray[Any]],
    settings: BoostedSettings,
    given: dict[str, Any],
) -> Trees:
    """Grow trees, the same to the bit on any number of threads.

    Parameters
    ----------
    picked : RowView, shape (n_columns, n_rows)
    target : dict of str to ndarray
        What LightGBM's data set takes: `label`, `weight`, perhaps `init_score`.
    settings : BoostedSettings
    given : dict
        Further parameters: `objective`, `seed`, `num_threads` (0 for every core).
    """
    import lightgbm

    columns, rows = picked.shape
    threads = 1 if columns * rows <= SMALL else given["num_threads"]
    parameters = {
        **given,
        "num_threads": threads,
        "deterministic": True,
        "force_col_wise": True,  # a histogram is summed by one thread, in the order of the rows
        "bagging_freq": 1,
        "verbose": -1,
        **settings.model_dump(exclude={"num_iterations"}),
    }
    with LIGHTGBM.with_threads(threads):
        data = bin_rows(picked, target, parameters)
        booster = lightgbm.train(parameters, data, num_boost_round=settings.num_iterations)
    text = booster.model_to_string(num_iteration=-1)
    return Trees(re.sub(r"\[num_threads: \d+\]", "[num_threads: 0]", text))
