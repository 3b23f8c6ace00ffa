"""LightGBM: binning, training and prediction with identical results on any number of threads."""

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

MAX_SINGLE_THREAD_CELLS = 100_000_000
"""Up to this many cells (rows × columns) train on one thread: with small trees, threads spend
their time waiting for each other (on 30 million cells two took four times as long as one)."""

MAX_ROWS_AT_ONCE = 100_000
"""More rows than this are binned a block at a time."""

BIN_SAMPLE_ROWS = 50_000
"""Rows from which the bins are then determined."""

HEADER = (
    "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "feature_names",
    "feature_infos",
)  # fmt: skip
"""Keys without which LightGBM writes to stderr, past every logger."""


class ThreadCountLock:
    """Lets calls with the same number of threads run together; others wait until these are done.

    LightGBM's number of threads is global: a call sets it for all others that run. Buffers laid
    out for one thread are then written to by two, and the process crashes
    (https://github.com/lightgbm-org/LightGBM/issues/4705, and the note on `num_threads` in its
    documentation).
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._number = 0
        self._inside = 0

    @contextmanager
    def hold(self, number: int) -> Iterator[None]:
        """Wait until no call with another number is inside; not re-entrant."""
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
"""The lock of this process."""


@dataclass(frozen=True)
class Booster:
    """A trained LightGBM model.

    Attributes
    ----------
    text : str
        In LightGBM's own format. It must be complete when it is parsed: LightGBM ends the
        process when a file is cut short.
    """

    text: str = field(repr=False)

    @cached_property
    def scores(self) -> int:
        """Number of scores per row; each has trees of its own."""
        found = re.search(r"^num_tree_per_iteration=(\d+)$", self.text, re.MULTILINE)
        return int(found[1]) if found else 1

    @cached_property
    def _booster(self) -> Any:
        import lightgbm

        missing = [name for name in HEADER if f"\n{name}=" not in self.text]
        if missing:
            raise DamagedModelError(
                f"The trees of the model lack {listed(missing)}. Train it again."
            )
        try:
            return lightgbm.Booster(model_str=self.text)
        except lightgbm.basic.LightGBMError as error:
            raise DamagedModelError(
                f"LightGBM cannot read the trees of the model: {error}. Train it again."
            ) from None

    def raw(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Return raw scores: sums over trees, before any link.

        Parameters
        ----------
        values : ndarray of float32, shape (n_columns, n_rows)
            Infinite values count as missing.
        threads : int, optional
            Every core when None; results are identical.

        Returns
        -------
        ndarray of float64, shape (n_rows,), or (n_rows, scores) where there are several
        """
        if values.shape[1] == 0:
            return np.empty(0 if self.scores == 1 else (0, self.scores))
        return self._predict(values, threads, raw_score=True)

    def contributions(self, values: Columns, *, threads: int | None = None) -> Floats:
        """Split each row's raw score into its columns by exact tree SHAP.

        Parameters
        ----------
        values, threads
            As in :meth:`raw`.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_columns + 1), or (n_rows, scores, n_columns + 1)
            The last column is the mean; a row sums to its raw score.
        """
        columns, rows = values.shape
        shape = (rows, columns + 1) if self.scores == 1 else (rows, self.scores, columns + 1)
        if rows == 0:
            return np.empty(shape)
        return self._predict(values, threads, pred_contrib=True).reshape(shape)

    def _predict(self, values: Columns, threads: int | None, **what: bool) -> Floats:
        rows, booster, number = _infinite_to_nan(values).T, self._booster, threads or 0
        with LIGHTGBM_LOCK.hold(number):
            out: Floats = booster.predict(rows, num_threads=number, **what)
        return out


def fit_booster(
    rows: RowView,
    target: dict[str, npt.NDArray[Any]],
    settings: TreeSettings,
    fixed: dict[str, Any],
) -> Booster:
    """Train a model; results are identical on any number of threads.

    Parameters
    ----------
    rows : RowView, shape (n_columns, n_rows)
    target : dict of str to ndarray
        What LightGBM's data set takes: `label`, `weight`, perhaps `init_score`.
    settings : TreeSettings
        Every parameter is passed on under its own name.
    fixed : dict
        Further parameters: `objective`, `seed`, `num_threads` (0 for every core).
    """
    import lightgbm

    single = rows.shape[0] * rows.shape[1] <= MAX_SINGLE_THREAD_CELLS
    threads = 1 if single else fixed["num_threads"]
    parameters = {
        **fixed,
        "num_threads": threads,
        "deterministic": True,
        "force_col_wise": True,  # one thread sums a histogram, in the order of the rows
        "bagging_freq": 1,
        "verbose": -1,
        **settings.model_dump(exclude={"num_iterations"}),
    }
    with LIGHTGBM_LOCK.hold(threads):
        data = _bin_rows(rows, target, parameters)
        booster = lightgbm.train(parameters, data, num_boost_round=settings.num_iterations)
    text = booster.model_to_string(num_iteration=-1)
    return Booster(re.sub(r"\[num_threads: \d+\]", "[num_threads: 0]", text))


def _bin_rows(
    rows: RowView, target: dict[str, npt.NDArray[Any]], parameters: dict[str, Any]
) -> Any:
    """Return a `lightgbm.Dataset`: a byte per cell, made without a second matrix of floats.

    Few rows are passed on as they are. For many, the bins are determined from a sample, whose
    quantiles hardly differ, and the rows are then binned a block at a time.
    """
    import lightgbm

    n_rows = rows.shape[1]
    names = [f"f{position:04d}" for position in range(len(rows))]
    if n_rows <= MAX_ROWS_AT_ONCE:
        matrix = _copy_block(rows, 0, n_rows)
        return lightgbm.Dataset(matrix, feature_name=names, params=parameters, **target)
    # a column that is rare in the sample is not rare in the rows: none is left out
    parameters = {**parameters, "feature_pre_filter": False}
    generator = np.random.default_rng(parameters["seed"])
    drawn = generator.choice(n_rows, BIN_SAMPLE_ROWS, replace=False)
    sample = RowView(rows.parts, rows.rows[np.sort(drawn)])
    bins = lightgbm.Dataset(
        _copy_block(sample, 0, BIN_SAMPLE_ROWS),
        label=np.zeros(BIN_SAMPLE_ROWS, np.float32),
        feature_name=names,
        params=parameters,
    )

    class Blocks(lightgbm.Sequence):  # type: ignore[misc]
        """The rows in order, as LightGBM reads them."""

        batch_size = BLOCK_ROWS

        def __len__(self) -> int:
            """Return the number of rows."""
            return n_rows

        def __getitem__(self, block: slice) -> Columns:
            """Return a copy of a block, shape (n_rows, n_columns)."""
            return _copy_block(rows, block.start, block.stop)

    return lightgbm.Dataset(
        Blocks(), feature_name=names, reference=bins, params=parameters, **target
    )


def _copy_block(rows: RowView, begin: int, end: int) -> npt.NDArray[np.float32]:
    """Return a copy of some rows, shape (n_rows, n_columns): binned faster than by column."""
    out = np.empty((min(end, rows.shape[1]) - begin, len(rows)), np.float32)
    for at in range(0, len(out), BLOCK_ROWS):
        upto = min(begin + at + BLOCK_ROWS, end)
        # no name for the block, so that it is freed before the next
        out[at : at + BLOCK_ROWS] = _infinite_to_nan(rows.block(begin + at, upto)).T
    return out


def _infinite_to_nan(values: Columns) -> Columns:
    """Return the values with nan for infinite ones, in a copy if there are any."""
    infinite = np.isinf(values)
    if not infinite.any():
        return values
    return np.where(infinite, np.float32(np.nan), values)
