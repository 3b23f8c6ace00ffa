"""Questions by the block, so that no bucket is too large: rows times columns are bounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from microconv.histories.arrays import Histories, Int64
from microconv.settings import EngineSettings

CELLS_PER_EVENT = 6
"""Cells that a copied event is worth: its time, step, value and human_probability."""


def block_cells(engine: EngineSettings) -> int:
    """Say how many float32 cells of columns and of copied events make a block.

    Examples
    --------
    >>> cells_within(EngineSettings(memory_gb=1)), cells_within(EngineSettings(memory_gb=64))
    (25000000, 100000000)
    """
    return engine.block_bytes // 4


DEFAULT_CELLS = block_cells(EngineSettings())
"""As many where nothing else is said."""


def row_blocks(
    histories: Histories, prospect: Int64, *, n_columns: int, cells: int = DEFAULT_CELLS
) -> Iterator[slice]:
    """Cut questions into runs whose columns, and whose events if copied, fit into memory.

    A question that is too large on its own is a block of its own.

    Parameters
    ----------
    histories : Histories
    prospect : ndarray of int64, shape (n_rows,)
        Whom each question is about.
    n_columns : int
    cells : int
        Bound of a block.

    Yields
    ------
    slice
        Consecutive; one empty one where there is no question.
    """
    lengths = (histories.offsets[1:] - histories.offsets[:-1])[prospect]
    total = np.cumsum(n_columns + CELLS_PER_EVENT * lengths)
    begin, spent = 0, 0
    while begin < len(total):
        end = max(begin + 1, int(np.searchsorted(total, spent + cells, side="right")))
        yield slice(begin, end)
        begin, spent = end, int(total[end - 1])
    if len(total) == 0:
        yield slice(0, 0)
