"""Factorial experiments: main effects of the factors, and interactions of two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product
from math import prod

import numpy as np

from microconv.measurement.experiments.units import Floats, Ints


@dataclass(frozen=True)
class FactorEffect:
    """A main effect or an interaction: a contrast of the arms' proportions.

    Attributes
    ----------
    factor : str
        `cta`, or `cta × subject` for an interaction.
    level : str
        `plain instead of bold`; for an interaction `bold together with go`.
    kind : {"main", "interaction"}
    difference, low, high, p_value : float
        Of proportions; Wald, variances with one success and one failure added.
    """

    factor: str
    level: str
    kind: str
    difference: float
    low: float
    high: float
    p_value: float


def missing_combinations(
    factors: Mapping[str, Mapping[str, str]], arms: tuple[str, ...]
) -> list[str]:
    """Return the combinations of levels that no arm has.

    Parameters
    ----------
    factors : mapping
        Factor → arm → level.
    arms : tuple of str

    Returns
    -------
    list of str

    Examples
    --------
    >>> factors = {"cta": {"A": "go", "B": "read"}, "subject": {"A": "short", "B": "long"}}
    >>> missing_combinations(factors, ("A", "B"))
    ['go, long', 'read, short']
    """
    present = {tuple(levels[arm] for levels in factors.values()) for arm in arms}
    every = product(*(list(dict.fromkeys(levels.values())) for levels in factors.values()))
    return [", ".join(cell) for cell in every if cell not in present]


def factor_effects(
    factors: Mapping[str, Mapping[str, str]],
    arms: tuple[str, ...],
    counts: tuple[Ints, Ints],
    *,
    confidence: float,
) -> list[FactorEffect]:
    """Estimate main effects and two-way interactions of a full factorial design.

    A main effect is the proportion of a level minus that of the factor's first level,
    averaged over the combinations of the other factors with equal weights.

    Parameters
    ----------
    factors : mapping
        Factor → arm → level. Every combination of levels has an arm.
    arms : tuple of str
    counts : (ndarray, ndarray) of int64, shape (n_arms,)
        Units that did the metric step, and units.
    confidence : float

    Returns
    -------
    list of FactorEffect
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
            text = f"{level1} together with {level2}"
            found.append((f"{one} × {other}", text, "interaction", weights / held))
    return [
        FactorEffect(factor, level, kind, *_estimate(weights, counts, confidence))
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
