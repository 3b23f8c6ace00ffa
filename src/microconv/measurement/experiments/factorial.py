"""Several factors at once: each one's main effect, and whether two of them depend on each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product
from math import prod

import numpy as np

from microconv.measurement.experiments.units import Floats, Ints


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of the arms' shares.

    Attributes
    ----------
    factor : str
        `cta`, or `cta × subject` for a dependence.
    level : str
        `plain instead of bold`; for a dependence the two of them.
    kind : {"main", "interaction"}
    difference, low, high, p_value : float
        In shares; Wald, variances with one success and one failure added.
    """

    factor: str
    level: str
    kind: str
    difference: float
    low: float
    high: float
    p_value: float


def missing_cells(factors: Mapping[str, Mapping[str, str]], arms: tuple[str, ...]) -> list[str]:
    """Name the combinations of levels that no arm has.

    Parameters
    ----------
    factors : mapping
        Factor → arm → level.

    Examples
    --------
    >>> factors = {"cta": {"A": "go", "B": "read"}, "subject": {"A": "short", "B": "long"}}
    >>> missing_cells(factors, ("A", "B"))
    ['go, long', 'read, short']
    """
    there = {tuple(levels[arm] for levels in factors.values()) for arm in arms}
    every = product(*(list(dict.fromkeys(levels.values())) for levels in factors.values()))
    return [", ".join(cell) for cell in every if cell not in there]


def contrasts(
    factors: Mapping[str, Mapping[str, str]],
    arms: tuple[str, ...],
    counts: tuple[Ints, Ints],
    *,
    confidence: float,
) -> list[Contrast]:
    """Estimate main effects and two-way dependences of a complete design.

    A main effect is a level's share minus the factor's first level's, averaged
    over the combinations of the other factors with equal weights: the effect
    of this one alone, whatever the sizes of the arms.

    Parameters
    ----------
    factors : mapping
        Factor → arm → level. Every combination of levels has an arm.
    arms : tuple of str
    counts : (ndarray, ndarray) of int64, shape (n_arms,)
        Units that did the metric step, and units.
    """
    found = []
    for factor, levels in factors.items():
        first, *others = dict.fromkeys(levels[arm] for arm in arms)
        for level in others:
            weights = _main(levels, arms, level, first)
            found.append((factor, f"{level} instead of {first}", "main", weights))
    for one, other in combinations(factors, 2):
        (base1, *rest1), (base2, *rest2) = (
            dict.fromkeys(factors[name][arm] for arm in arms) for name in (one, other)
        )
        for level1, level2 in product(rest1, rest2):
            weights = _signs(factors[one], arms, level1, base1)
            weights = weights * _signs(factors[other], arms, level2, base2)
            held = prod(len(set(levels.values())) for levels in factors.values())
            held //= len(set(factors[one].values())) * len(set(factors[other].values()))
            says = f"{level1} together with {level2}"
            found.append((f"{one} × {other}", says, "interaction", weights / held))
    return [
        Contrast(factor, level, kind, *_estimate(weights, counts, confidence))
        for factor, level, kind, weights in found
    ]


def _signs(levels: Mapping[str, str], arms: tuple[str, ...], level: str, first: str) -> Floats:
    return np.array([(levels[arm] == level) * 1.0 - (levels[arm] == first) for arm in arms])


def _main(levels: Mapping[str, str], arms: tuple[str, ...], level: str, first: str) -> Floats:
    signs = _signs(levels, arms, level, first)
    return np.asarray(signs / (signs > 0).sum())


def _estimate(
    weights: Floats, counts: tuple[Ints, Ints], confidence: float
) -> tuple[float, float, float, float]:
    from scipy.stats import norm

    done, size = counts
    difference = float(weights @ (done / size))
    share = (done + 1) / (size + 2)
    error = float(np.sqrt(weights**2 @ (share * (1 - share) / (size + 2))))
    reach = norm.isf((1 - confidence) / 2) * error
    return (
        difference,
        difference - reach,
        difference + reach,
        float(2 * norm.sf(abs(difference) / error)),
    )
