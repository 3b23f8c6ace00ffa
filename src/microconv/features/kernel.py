"""What every family's kernel is given, in one form."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from microconv.histories.arrays import DAY, Int64, VisibleEvents
from microconv.settings import FeatureSettings

HUMAN_THRESHOLD = 0.5
"""An event less likely than this to be a person's is no deed of the prospect.

`counts` and `exposure` add up the probabilities instead: a sum can hold half an
event, an order or a gap cannot.
"""

EVER = "ever"
"""The window that reaches back to the first event."""


def read_only(*arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """Return read-only views of arrays.

    Arrow's arrays are read-only, numpy's are not, and to numba the two are
    different types: as one type, each kernel is compiled once.
    """
    views = tuple(np.ascontiguousarray(array).view() for array in arrays)
    for view in views:
        view.flags.writeable = False
    return views


def event_arrays(visible: VisibleEvents) -> tuple[npt.NDArray[Any], ...]:
    """Return as_of, start, end, time, step and human_probability, as every kernel takes them."""
    v = visible
    return read_only(v.as_of, v.start, v.end, v.time, v.step, v.human_probability)


def window_names(settings: FeatureSettings) -> list[str]:
    """Name the windows, the longest last.

    Examples
    --------
    >>> window_names(FeatureSettings(windows_days=(0.5, 7)))
    ['0.5d', '7d', 'ever']
    """
    return [*(f"{str(days).removesuffix('.0')}d" for days in settings.windows_days), EVER]


def window_spans(settings: FeatureSettings) -> Int64:
    """Return the length of each window but "ever", in microseconds.

    An event at `t` lies in a window of so many microseconds if and only if
    ``as_of - span <= t < as_of``; everything visible is before `as_of`.
    """
    return np.array([round(days * DAY) for days in settings.windows_days], dtype=np.int64)
