"""Effects by segment, and a test of whether they differ (heterogeneous treatment effects)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from microconv.measurement.experiments.proportions import Comparison, compare_proportions
from microconv.measurement.experiments.units import Units

MIN_UNITS = 30
"""Levels with fewer units in an arm are grouped."""

OTHERS = "(others)"


@dataclass(frozen=True)
class Level:
    """One level of an attribute: count and size of the arm and of the control, compared."""

    name: str
    one: tuple[int, int]
    other: tuple[int, int]
    comparison: Comparison


@dataclass(frozen=True)
class Heterogeneity:
    """The effect in the levels of one attribute.

    Attributes
    ----------
    attribute : str
    levels : tuple of Level
    p_value : float or None
        Of the interaction: Cochran's Q over the levels' differences. None with
        fewer than two levels.
    """

    attribute: str
    levels: tuple[Level, ...]
    p_value: float | None


def effects_by_segment(
    units: Units, arm: int, attribute: str, *, confidence: float
) -> Heterogeneity:
    """Compare an arm with the control within each level of an attribute.

    Parameters
    ----------
    units : Units
    arm : int
        Position of the arm that is compared with the control.
    attribute : str
        One of `units.segments`.
    confidence : float

    Returns
    -------
    Heterogeneity
    """
    names = _levels(units, arm, attribute)
    levels = []
    for name in sorted(set(names.tolist())):
        inside = names == name
        pairs = [
            (int(units.metric[chosen].sum()), int(chosen.sum()))
            for chosen in (inside & (units.arm == arm), inside & (units.arm == 0))
        ]
        if all(size for _, size in pairs):
            found = compare_proportions(*pairs, confidence=confidence)
            levels.append(Level(str(name), pairs[0], pairs[1], found))
    return Heterogeneity(attribute, tuple(levels), _interaction(levels))


def _interaction(levels: Sequence[Level]) -> float | None:
    """Test whether the differences of several levels are equal.

    Cochran's Q: Σ w (d − mean)², against chi-square with levels − 1 degrees of
    freedom. Variances add one success and one failure to each group (Agresti
    and Caffo), so that a group without a success has one.
    """
    from scipy.stats import chi2

    if len(levels) < 2:
        return None
    difference = np.array([level.comparison.difference for level in levels])
    weight = 1 / np.array([_variance(level.one) + _variance(level.other) for level in levels])
    mean = (weight @ difference) / weight.sum()
    return float(chi2.sf(weight @ (difference - mean) ** 2, len(levels) - 1))


def _variance(group: tuple[int, int]) -> float:
    share = (group[0] + 1) / (group[1] + 2)
    return share * (1 - share) / (group[1] + 2)


def _levels(units: Units, arm: int, attribute: str) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Return the level of each unit, the small ones grouped."""
    values = units.segments[attribute]
    names, codes = np.unique(values.astype(str), return_inverse=True)
    least = np.minimum(
        np.bincount(codes[units.arm == arm], minlength=len(names)),
        np.bincount(codes[units.arm == 0], minlength=len(names)),
    )
    return np.where(least[codes] >= MIN_UNITS, names[codes], OTHERS).astype(object)
