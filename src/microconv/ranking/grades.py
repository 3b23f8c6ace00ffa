"""Grades: fixed thresholds on the probability, so that an A means the same every Monday."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt


def grade(
    probability: npt.NDArray[np.float64], thresholds: Mapping[str, float]
) -> npt.NDArray[np.object_]:
    """Give each probability the best grade whose threshold it reaches.

    The thresholds are absolute: quartiles of the day's list would shift
    silently, and a weak week would have as many As as a strong one.

    Parameters
    ----------
    probability : ndarray of float64, shape (n_rows,)
    thresholds : mapping of str to float
        Grade → smallest probability that earns it, falling to 0, as
        :class:`~microconv.settings.ScoreSettings` checks.

    Returns
    -------
    ndarray of str, shape (n_rows,)

    Examples
    --------
    >>> grade(np.array([0.31, 0.2, 0.199, 0.0]), {"A": 0.2, "B": 0.1, "C": 0.0})
    array(['A', 'A', 'B', 'C'], dtype=object)
    """
    names = np.array(list(thresholds), dtype=object)
    smallest = np.array(list(thresholds.values()))
    best = np.argmax(probability[:, None] >= smallest, axis=1)
    return np.asarray(names[best], dtype=object)


def version_of(thresholds: Mapping[str, float]) -> str:
    """Name thresholds by what they are: two lists with one version grade alike.

    Examples
    --------
    >>> version_of({"A": 0.1, "B": 0.0}) == version_of({"A": 0.1, "B": 0.0})
    True
    """
    content = json.dumps([[name, float(least)] for name, least in thresholds.items()])
    return hashlib.sha256(content.encode()).hexdigest()[:8]
