"""LightGBM's own copy of the rows: a byte a cell, made without a second matrix of floats.

Few rows are handed over as they are, and the bins of each column are learnt from all of them.
Of many rows the bins are learnt from a sample, whose quantiles are those of all but for a
hair, and then a block of rows after the other is binned: what stands beside the matrix are
the bytes, the sample and one block.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.features.family import Columns
from microconv.features.row_view import BLOCK_ROWS, RowView

MANY = 100_000
"""More rows than this are binned a block at a time."""

SAMPLED = 50_000
"""So many of them teach the bins."""


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
