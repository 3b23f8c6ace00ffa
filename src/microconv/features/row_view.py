"""Some rows of many columns, copied a column or a block at a time.

A matrix of a million rows and three hundred columns is over a gigabyte. Models take some
of its rows in an order of their own; a copy of these for each of three voices would make it
several. So what is handed to them are the columns and the rows' positions, and nobody holds
more than a block of the copy.
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
    """Rows picked from columns; reads like an array of shape (n_columns, n_rows).

    Attributes
    ----------
    parts : tuple of ndarray of float32, each of shape (n_its_columns, n_all_rows)
        One below the other: what no family had to learn, then what some did.
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
        """Copy some of the rows, shape (n_columns, end - begin)."""
        rows, at = self.rows[begin:end], 0
        out = np.empty((len(self), len(rows)), np.float32)
        for part in self.parts:
            np.take(part, rows, axis=1, out=out[at : at + len(part)], mode="clip")
            at += len(part)
        return out


def view_all_rows(values: Columns) -> RowView:
    """Pick every row as it stands."""
    return RowView((values,), np.arange(values.shape[1]))


def score_in_blocks(
    score: Callable[[Columns], npt.NDArray[np.float64]], picked: RowView, *, threads: int | None
) -> npt.NDArray[np.float64]:
    """Score the rows, :data:`BLOCK_ROWS` of them at a time, so many blocks side by side.

    Parameters
    ----------
    score : callable
        Turns columns into an array whose last axis are their rows; a row's score depends on
        no other row, and on no thread.
    picked : RowView, shape (n_columns, n_rows)
        At least one row.
    threads : int or None
        None takes every core.

    Returns
    -------
    ndarray of float64, shape (…, n_rows)
    """
    begins = range(0, picked.shape[1], BLOCK_ROWS)
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        parts = pool.map(lambda begin: score(picked.block(begin, begin + BLOCK_ROWS)), begins)
        return np.concatenate(list(parts), axis=-1)
