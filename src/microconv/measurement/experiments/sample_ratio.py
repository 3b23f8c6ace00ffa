"""Sample ratio mismatch: whether the arms of a test have the sizes they should have."""

from __future__ import annotations

from dataclasses import dataclass

from microconv.measurement.experiments.units import Floats, Ints

SAMPLE_RATIO_ALPHA = 0.001
"""Below this p-value the arms count as mismatched: one false alarm in a thousand experiments."""


@dataclass(frozen=True)
class SampleRatio:
    """Expected sizes of the arms, and the chi-square test of the observed ones.

    Attributes
    ----------
    expected : ndarray of float64, shape (n_arms,)
    p_value : float
    mismatch : bool
    """

    expected: Floats
    p_value: float
    mismatch: bool


def check_sample_ratio(sizes: Ints, shares: Floats) -> SampleRatio:
    """Test the sizes of the arms against their intended shares.

    A mismatch means that units are missing from an arm, or were added to it,
    for a reason that may be related to the outcome: then no difference between
    the arms can be trusted.

    Parameters
    ----------
    sizes : ndarray of int64, shape (n_arms,)
    shares : ndarray of float64, shape (n_arms,)
        Intended; need not add up to 1.

    Returns
    -------
    SampleRatio

    Examples
    --------
    >>> import numpy as np
    >>> check_sample_ratio(np.array([500, 520]), np.array([1.0, 1.0])).mismatch
    False
    >>> check_sample_ratio(np.array([5800, 4200]), np.array([1.0, 1.0])).mismatch
    True
    """
    from scipy.stats import chisquare

    expected = sizes.sum() * shares / shares.sum()
    p_value = float(chisquare(sizes, expected).pvalue)
    return SampleRatio(expected, p_value, p_value < SAMPLE_RATIO_ALPHA)
