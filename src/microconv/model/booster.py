"""LightGBM, kept as its own text: the same bits on any number of threads, after any reload."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from threading import Condition
from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.errors import DamagedModelError, listed
from microconv.features.family import Columns
from microconv.features.row_view import BLOCK_ROWS, RowView
from microconv.model.training_rows import Floats
from microconv.settings import TreeSettings

SMALL = 100_000_000
"""Up to so many cells one thread grows the trees: small trees leave threads waiting for each other
(on 30 million cells two of them took four times as long as one)."""

HEADER = (
    "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "feature_names",
    "feature_infos",
)  # fmt: skip
"""What LightGBM needs to find; where it does not, it writes to stderr past everybody's logger."""

MANY = 100_000
"""More rows than this are binned a block at a time."""

SAMPLED = 50_000
"""So many of them teach the bins."""


class ThreadCountLock:
    """Lets calls in together if they agree on a number; others wait until these are out."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._number = 0
        self._inside = 0

    @contextmanager
    def hold(self, number: int) -> Iterator[None]:
        """Wait until no call with another number is inside; never call it from inside."""
        with self._changed:
            self._changed.wait_for(lambda: not self._inside or self._number == number)
            self._number = number
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()


LIGHTGBM_LOCK = ThreadCountLock()
"""Of this process."""


@dataclass(frozen=True)
class Booster:
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
        with LIGHTGBM_LOCK.hold(number):
            out: Floats = booster.predict(rows, num_threads=number, **what)
        return out


def fit_booster(
    picked: RowView,
    target: dict[str, npt.NDArray[Any]],
    settings: TreeSettings,
    given: dict[str, Any],
) -> Booster:
    """Grow trees, the same to the bit on any number of threads.

    Parameters
    ----------
    picked : RowView, shape (n_columns, n_rows)
    target : dict of str to ndarray
        What LightGBM's data set takes: `label`, `weight`, perhaps `init_score`.
    settings : TreeSettings
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
    with LIGHTGBM_LOCK.hold(threads):
        data = bin_rows(picked, target, parameters)
        booster = lightgbm.train(parameters, data, num_boost_round=settings.num_iterations)
    text = booster.model_to_string(num_iteration=-1)
    return Booster(re.sub(r"\[num_threads: \d+\]", "[num_threads: 0]", text))


def bin_rows(
    picked: RowView, target: dict[str, npt.NDArray[Any]], parameters: dict[str, Any]
) -> Any:
    """Make a `lightgbm.Dataset`.

    Parameters
    ----------
    picked : RowView, shape (n_columns, n_rows)
        Infinite values count as missing.
    target : dict of str to ndarray
        `label`, `weight`, perhaps `init_score`.
    parameters : dict
        LightGBM's; its `seed` draws the sample.
    """
    import lightgbm

    rows = picked.shape[1]
    names = [f"f{position:04d}" for position in range(len(picked))]
    if rows <= MANY:
        matrix = _row_by_row(picked, 0, rows)
        return lightgbm.Dataset(matrix, feature_name=names, params=parameters, **target)
    # what is rare in the sample is not rare in the rows: no column is left out for it
    parameters = {**parameters, "feature_pre_filter": False}
    drawn = np.random.default_rng(parameters["seed"]).choice(rows, SAMPLED, replace=False)
    sample = RowView(picked.parts, picked.rows[np.sort(drawn)])
    bins = lightgbm.Dataset(
        _row_by_row(sample, 0, SAMPLED),
        label=np.zeros(SAMPLED, np.float32),
        feature_name=names,
        params=parameters,
    )
    return lightgbm.Dataset(
        _stream(picked), feature_name=names, reference=bins, params=parameters, **target
    )


def _stream(picked: RowView) -> Any:
    """Read the rows as LightGBM asks for them: a block at a time, row by row in memory."""
    import lightgbm

    class Stream(lightgbm.Sequence):  # type: ignore[misc]
        """The rows in their order."""

        batch_size = BLOCK_ROWS

        def __len__(self) -> int:
            """Return the number of rows."""
            return picked.shape[1]

        def __getitem__(self, rows: slice) -> Columns:
            """Copy a block, shape (n_rows, n_columns)."""
            return _row_by_row(picked, rows.start, rows.stop)

    return Stream()


def _row_by_row(picked: RowView, begin: int, end: int) -> npt.NDArray[np.float32]:
    """Copy some of the rows, shape (n_rows, n_columns), as LightGBM goes through them.

    Handed over column by column, they take it half as long again to bin, to the same bytes.
    """
    out = np.empty((min(end, picked.shape[1]) - begin, len(picked)), np.float32)
    for at in range(0, len(out), BLOCK_ROWS):
        upto = min(
            begin + at + BLOCK_ROWS, end
        )  # no name for the block: it is gone before the next
        out[at : at + BLOCK_ROWS] = finite_or_missing(picked.block(begin + at, upto)).T
    return out


def finite_or_missing(values: Columns) -> Columns:
    """Turn infinite values into nan, in a copy if there are any."""
    infinite = np.isinf(values)
    if not infinite.any():
        return values
    return np.where(infinite, np.float32(np.nan), values)
