"""Sequential testing: intervals of a difference that stay valid however often one looks.

Units come in blocks. Before each block the rates of both arms are predicted from the blocks
before: p and q. To test that the rates differ by d, let q° be the rate that makes
(q° + d, q°) the pair nearest to the prediction, by the Kullback–Leibler divergence of the
block. The likelihood of the block under the prediction over that under (q° + d, q°) is an
e-value: its mean is at most 1 for *every* pair of true rates (t + d, t). For the mean is
A(t)^n B(t)^m, with A and B linear in t and both 1 at t = q°; its logarithm is concave, and
its slope at q° is that of the divergence there, which is 0.

So the product over blocks exceeds 1 / alpha at any time with probability at most alpha
(Ville), and the differences d for which it stays below form a confidence sequence: it holds
the true difference at all looks together. Any prediction from the past is valid; the one
here shrinks both arms towards their common rate, as experiments rarely change a rate by a
large part of itself. The beta-binomial mixture of each arm alone is valid too, but half as
wide again in the experiments of the demo, as it does not know the common rate.

References
----------
Turner, Ly and Grünwald, Journal of Statistical Planning and Inference 230 (2024);
Turner and Grünwald, Statistics & Probability Letters 198 (2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from microconv.measurement.experiments.units import Bools, Floats, Ints

USUAL_EFFECT = 0.2
"""Relative differences of this size are expected; changes the width, never the validity."""

HALVINGS = 30


@dataclass(frozen=True)
class Looks:
    """The difference of two arms at many looks.

    Attributes
    ----------
    difference, low, high : ndarray of float64, shape (n_looks,)
        The difference is nan where an arm has no unit yet.
    significant : ndarray of bool, shape (n_looks,)
        Whether 0 lay outside the interval at this look or an earlier one.
    """

    difference: Floats
    low: Floats
    high: Floats
    significant: Bools


def confidence_sequence(
    one: tuple[Ints, Ints], other: tuple[Ints, Ints], *, confidence: float
) -> Looks:
    """Compute the confidence sequence of a difference of two rates.

    Parameters
    ----------
    one, other : (ndarray, ndarray) of int64, shape (n_looks,)
        Successes and units so far, at each look. What comes between two looks
        is a block. The times of the looks must not depend on the successes.
    confidence : float
        Probability that *all* intervals hold the true difference.

    Returns
    -------
    Looks

    Examples
    --------
    >>> units = np.arange(50, 2001, 50)
    >>> looks = confidence_sequence((units * 3 // 10, units), (units // 5, units), confidence=0.95)
    >>> bool(looks.significant[4]), bool(looks.significant[-1])
    (False, True)
    """
    so_far = np.array([*one, *other], np.float64)
    blocks = np.diff(so_far, prepend=0.0, axis=1)
    predictions = _predictions(so_far - blocks)
    limit = -np.log1p(-confidence)
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = so_far[0] / so_far[1] - so_far[2] / so_far[3]
    low, high, against_none = _follow(blocks, predictions, np.nan_to_num(difference), limit)
    return Looks(difference, low, high, np.maximum.accumulate(against_none) >= limit)


def _predictions(past: Floats) -> Floats:
    """Predict both rates for each block from the blocks before, shape (2, n_blocks)."""
    common = (past[0] + past[2] + 0.5) / (past[1] + past[3] + 1)
    weight = (1 - common) / (common * USUAL_EFFECT**2)
    return np.stack([(past[k] + weight * common) / (past[k + 1] + weight) for k in (0, 2)])


@njit(cache=True, nogil=True)
def _follow(blocks, predictions, centre, limit):  # type: ignore[no-untyped-def]
    """Find the interval of each look, and its evidence against no difference."""
    looks = blocks.shape[1]
    ends = np.empty((2, looks))
    against_none = np.empty(looks)
    for look in range(looks):
        against_none[look] = _evidence(0.0, blocks, predictions, look)
        for side in range(2):
            inside, outside = centre[look], 2.0 * side - 1.0
            for _ in range(HALVINGS):
                middle = (inside + outside) / 2
                if _evidence(middle, blocks, predictions, look) < limit:
                    inside = middle
                else:
                    outside = middle
            ends[side, look] = outside
    return ends[0], ends[1], against_none


@njit(cache=True, nogil=True)
def _evidence(d, blocks, predictions, look):  # type: ignore[no-untyped-def]
    """Add up the log e-values against a difference, of the blocks up to and with a look."""
    total = 0.0
    for k in range(look + 1):
        p, q = predictions[0, k], predictions[1, k]
        s, n, t, m = blocks[0, k], blocks[1, k], blocks[2, k], blocks[3, k]
        low, high = max(0.0, -d), min(1.0, 1.0 - d)
        for _ in range(HALVINGS):  # the divergence is convex: halve to where its slope is 0
            near = (low + high) / 2
            first = near + d
            slope = n * ((1 - p) / (1 - first) - p / first)
            slope += m * ((1 - q) / (1 - near) - q / near)
            if slope < 0:
                low = near
            else:
                high = near
        near = (low + high) / 2
        first = near + d
        total += s * np.log(p / first) + (n - s) * np.log((1 - p) / (1 - first))
        total += t * np.log(q / near) + (m - t) * np.log((1 - q) / (1 - near))
    return total
