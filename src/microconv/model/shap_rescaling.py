"""Contributions carried through a rising map: they sum to what the map makes of their sum."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from microconv.model.training import Floats

NEAR = 1e-5
"""A way shorter than this is measured by the map's slope where it starts: dividing by a way of
1e-17, left over where parts cancel, would blow rounding up to a reason."""


def carried(parts: Floats, through: Callable[[Floats], Floats]) -> Floats:
    """Scale each row's parts so that they sum to the map of their sum.

    All parts of a row but the intercept are scaled alike: by the map's mean slope
    between the intercept and the row's sum.

    Parameters
    ----------
    parts : ndarray of float64, shape (n_rows, n_columns + 1)
        The last column is the intercept.
    through : callable
        Rising and smooth, from logits to logits.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_columns + 1)
        The last column is the map of the intercept.
    """
    start = parts[:, -1]
    way = parts[:, :-1].sum(axis=1)
    step = np.where(np.abs(way) < NEAR, NEAR, way)
    first = through(start)
    slope = (through(start + step) - first) / step
    return np.column_stack([parts[:, :-1] * slope[:, None], first])
