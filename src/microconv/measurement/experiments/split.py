"""Sample ratio mismatch: whether the arms have the shares they were meant to have."""

from __future__ import annotations

from dataclasses import dataclass

from microconv.measurement.experiments.units import Floats, Ints

ALARM = 0.001
"""Below this p-value the split is refused: an honest split fails one time in a thousand."""


@dataclass(frozen=True)
class Split:
    """Observed against intended sizes of the arms.

    Attributes
    ----------
    expected : ndarray of float64, shape (n_arms,)
    p_value : float
        Of the chi-square test of the sizes.
    holds : bool
    """

    expected: Floats
    p_value: float
    holds: bool


def check_split(sizes: Ints, shares: Floats) -> Split:
    """Test the sizes of the arms against the shares that were intended.

    A mismatch means that units went missing from an arm, or came into it, for
    a reason that may have to do with the outcome: then no difference between
    the arms means anything, and none is shown.

    Parameters
    ----------
    sizes : ndarray of int64, shape (n_arms,)
    shares : ndarray of float64, shape (n_arms,)
        Intended; need not add up to 1.

    Examples
    --------
    >>> import numpy as np
    >>> check_split(np.array([500, 520]), np.array([1.0, 1.0])).holds
    True
    >>> check_split(np.array([5800, 4200]), np.array([1.0, 1.0])).holds
    False
    """
    from scipy.stats import chisquare

    expected = sizes.sum() * shares / shares.sum()
    p_value = float(chisquare(sizes, expected).pvalue)
    return Split(expected, p_value, p_value >= ALARM)
