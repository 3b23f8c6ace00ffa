"""The contract of a feature family, and what every family's kernel is given.

A family is one module of `features/families/` with one self-contained ``@njit`` kernel
and one constant, ``FAMILY``. No kernel calls a function or reads a constant of another
file: numba's cache watches the kernel's own file only, and would silently keep the old
machine code after an edit of the other one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from microconv.histories.arrays import DAY, Int64, VisibleEvents
from microconv.journey import JourneyMap
from microconv.settings import FeatureSettings

State = dict[str, Any]
"""What a family has fitted, as JSON can hold it; empty for a stateless family."""

Columns = npt.NDArray[np.float32]
"""Feature columns, shape (n_columns, n_rows): each column is contiguous."""


class Spec(NamedTuple):
    """What the columns of a family depend on, besides the events."""

    journey: JourneyMap
    settings: FeatureSettings
    state: State

    @property
    def windows(self) -> list[str]:
        """The names of the windows, the longest last.

        Examples
        --------
        >>> Spec(None, FeatureSettings(windows_days=(0.5, 7)), {}).windows
        ['0.5d', '7d', 'ever']
        """
        days = [str(days).removesuffix(".0") for days in self.settings.windows_days]
        return [*(f"{each}d" for each in days), "ever"]

    @property
    def spans(self) -> Int64:
        """The length in microseconds of each window but "ever".

        An event at `t` lies in a window if ``as_of - span <= t < as_of``.
        """
        return np.array([round(days * DAY) for days in self.settings.windows_days], np.int64)


@dataclass(frozen=True)
class Family:
    """A feature family: how its columns are named, filled and, if need be, fitted.

    Attributes
    ----------
    names : callable(spec) -> list of str
        The columns, ``family.what.window``, in the order of `fill`.
    fill : callable(out, visible, spec) -> None
        Writes every cell of `out`, shape (n_columns, n_rows); nan where a value does not
        exist.
    fit : callable(visible, labels, journey, settings) -> State, optional
        Learns the state from training rows only. Families without it are stateless: they
        run once, in the stage `featurize`; the others are fitted inside each fold.
    """

    names: Callable[[Spec], list[str]]
    fill: Callable[[Columns, VisibleEvents, Spec], None]
    fit: (
        Callable[[VisibleEvents, npt.NDArray[np.bool_], JourneyMap, FeatureSettings], State] | None
    ) = None


def read_only(*arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """Return contiguous, read-only views of arrays.

    Arrow's arrays are read-only and numpy's are not, which numba takes for two types:
    with one type, each kernel is compiled once.
    """
    views = tuple(np.ascontiguousarray(array).view() for array in arrays)
    for view in views:
        view.flags.writeable = False
    return views


def event_arrays(visible: VisibleEvents) -> tuple[npt.NDArray[Any], ...]:
    """Return as_of, start, end, time, step and human_probability, as every kernel takes them."""
    v = visible
    return read_only(v.as_of, v.start, v.end, v.time, v.step, v.human_probability)
