"""A view of some rows of a feature matrix, copied one column or one block at a time.

A matrix of a million rows and three hundred columns takes over a gigabyte, and each base
model takes its rows in an order of its own. Passing columns and row positions instead of
copies keeps at most one block of a copy in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from microconv.features.family import Columns

BLOCK_ROWS = 16_384
"""Rows copied at a time."""


@dataclass(frozen=True)
class RowView:
    """Selected rows of columns; reads like an array of shape (n_columns, n_rows).

    Attributes
    ----------
    parts : tuple of ndarray of float32, each of shape (n_its_columns, n_all_rows)
        Stateless columns, then fitted ones.
    rows : ndarray of int64, shape (n_rows,)
        Positions, in the order wanted.
    """

    parts: tuple[Columns, ...] = field(repr=False)
    rows: npt.NDArray[np.intp] = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Columns and rows."""
        return len(self), len(self.rows)

    def __len__(self) -> int:
        """Return the number of columns."""
        return sum(len(part) for part in self.parts)

    def __getitem__(self, column: int) -> Columns:
        """Copy one column, shape (n_rows,)."""
        for part in self.parts:
            if column < len(part):
                copy: Columns = part[column, self.rows]
                return copy
            column -= len(part)
        raise IndexError(column)

    def __iter__(self) -> Iterator[Columns]:
        """Copy one column after the other."""
        return (self[column] for column in range(len(self)))

    def block(self, begin: int, end: int) -> Columns:
        """Copy the rows ``begin:end``.

        Parameters
        ----------
        begin, end : int

        Returns
        -------
        ndarray of float32, shape (n_columns, end - begin)
        """
        rows, at = self.rows[begin:end], 0
        out = np.empty((len(self), len(rows)), np.float32)
        for part in self.parts:
            np.take(part, rows, axis=1, out=out[at : at + len(part)], mode="clip")
            at += len(part)
        return out


def view_all_rows(values: Columns) -> RowView:
    """Return a view of every row, in order."""
    return RowView((values,), np.arange(values.shape[1]))


def score_in_blocks(
    score: Callable[[Columns], npt.NDArray[np.float64]], view: RowView, *, threads: int | None
) -> npt.NDArray[np.float64]:
    """Score the rows of a view in parallel, :data:`BLOCK_ROWS` at a time.

    Parameters
    ----------
    score : callable
        Turns columns into an array whose last axis is their rows. A row's score must not
        depend on other rows or on the thread.
    view : RowView, shape (n_columns, n_rows)
        At least one row.
    threads : int or None
        None takes every core.

    Returns
    -------
    ndarray of float64, shape (…, n_rows)
    """
    begins = range(0, view.shape[1], BLOCK_ROWS)
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        parts = pool.map(lambda begin: score(view.block(begin, begin + BLOCK_ROWS)), begins)
        return np.concatenate(list(parts), axis=-1)
