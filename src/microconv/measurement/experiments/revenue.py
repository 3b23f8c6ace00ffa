"""Revenue per unit: differences of means whose intervals do not trust the normal curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microconv.measurement.experiments.units import Floats

TRIM = 0.99
"""Amounts above this quantile of the payers' are cut to it in the winsorized figure."""

FEW_PAYERS = 10


@dataclass(frozen=True)
class MoneyDifference:
    """Revenue per unit of one arm minus another's.

    Attributes
    ----------
    difference, low, high : float
        With the percentile interval of the bootstrap over units.
    winsorized, winsorized_low, winsorized_high : float
        The same with the largest amounts cut to :data:`TRIM`'s quantile, so
        that one huge order cannot carry it.
    """

    difference: float
    low: float
    high: float
    winsorized: float
    winsorized_low: float
    winsorized_high: float


def compare_revenue(
    one: Floats, other: Floats, *, confidence: float, resamples: int, seed: int
) -> MoneyDifference | None:
    """Compare revenue per unit by bootstrap.

    Parameters
    ----------
    one, other : ndarray of float64
        Revenue of each unit of the two arms; 0 where nothing was bought.

    Returns
    -------
    MoneyDifference or None
        None where fewer than :data:`FEW_PAYERS` units paid in either arm: a
        resample of so few knows nothing of the amounts that did not come up.
    """
    paid = [values[values != 0] for values in (one, other)]
    if min(len(values) for values in paid) < FEW_PAYERS:
        return None
    limit = np.quantile(np.concatenate(paid), TRIM)
    rng = np.random.default_rng(seed)
    sizes = (len(one), len(other))
    figures = []
    for amounts in (paid, [np.minimum(values, limit) for values in paid]):
        drawn = [
            _resampled_means(values, size, resamples, rng)
            for values, size in zip(amounts, sizes, strict=True)
        ]
        gap = drawn[0] - drawn[1]
        low, high = np.quantile(gap, [(1 - confidence) / 2, (1 + confidence) / 2])
        centre = amounts[0].sum() / sizes[0] - amounts[1].sum() / sizes[1]
        figures += [float(centre), float(low), float(high)]
    return MoneyDifference(*figures)


def _resampled_means(paid: Floats, size: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Bootstrap the mean over `size` units of whom only some paid.

    A resample of all units holds a binomial number of payers, each any of the
    payers alike: drawing just those is the same bootstrap without the zeros.
    """
    payers = rng.binomial(size, len(paid) / size, resamples)
    sums = np.array([paid[rng.integers(0, len(paid), count)].sum() for count in payers])
    return sums / size
