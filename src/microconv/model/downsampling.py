"""Fewer rows without a conversion, where there are many: drawn by a hash, weighed back.

Rows with a conversion are few, and all are kept: only a trial, which ships nothing, draws of
them too where there are very many. Of the others a share is drawn, and what is
drawn weighs for what is not: their weights add up to those of all of them. So every voice is
shown the base rate as it is, trees, regression and hazard (whose time at risk is weighed)
alike, and nothing has to be corrected after. Of a model that is fitted without weights the
same is said of its probability p: q = p / (p + (1 - p) / share).

A worked example. 20,000 rows with a conversion, 980,000 without, at most 200,000 to be drawn:
each of them is drawn with chance 0.204 and weighs 4.9 times its own weight.

Where conversions are not rare, little is drawn: no fewer than :data:`PER_CONVERSION` rows for
each row with a conversion. Few and heavy rows are learnt by heart, and those that were not
drawn are then given too high a probability.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from microconv.model.training import Floats, Mask

PER_CONVERSION = 4
"""At least so many rows without a conversion are drawn for each row with one."""


def thin_out(
    snapshots: pd.DataFrame,
    converted: Mask,
    weights: Floats,
    most: int | None,
    *,
    conversions: int | None = None,
) -> tuple[Mask, Floats]:
    """Draw about `most` of the rows without a conversion, if there are more.

    Whether a row is drawn depends on its prospect and instant, and on how many rows there
    are: not on their order, the number of buckets, or a seed.

    Parameters
    ----------
    snapshots : DataFrame of shape (n_rows, …)
        With `prospect_id` and `as_of`.
    converted : ndarray of bool, shape (n_rows,)
    weights : ndarray of float64, shape (n_rows,)
    most : int or None
        None draws nothing.
    conversions : int, optional
        Of the rows with one about so many are drawn; every one is kept when None.

    Returns
    -------
    kept : ndarray of bool, shape (n_rows,)
    weights : ndarray of float64, shape (n_kept,)
        With the sum of all, of rows with and of rows without a conversion.
    """
    with_one = int(converted.sum())
    of_them = 1.0 if conversions is None else min(1.0, conversions / max(with_one, 1))
    share = share_drawn(converted, most, of_them)
    if share >= 1 and of_them >= 1:
        return np.ones(len(converted), dtype=bool), weights
    kept: Mask = draws(snapshots) < np.where(converted, of_them, share)
    back = weights.copy()
    for side in (converted, ~converted):
        drawn = side & kept
        if 0 < drawn.sum() < side.sum():
            back[drawn] *= weights[side].sum() / weights[drawn].sum()
    return kept, back[kept]


def share_drawn(converted: Mask, most: int | None, of_them: float = 1.0) -> float:
    """Return the chance of a row without a conversion to be drawn, `of_them` of one with.

    Examples
    --------
    >>> share_drawn(np.arange(1000) < 10, 99)
    0.1
    >>> share_drawn(np.arange(1000) < 100, 99)
    0.4444444444444444
    >>> share_drawn(np.arange(1000) < 10, None)
    1.0
    """
    with_one = int(converted.sum())
    without = len(converted) - with_one
    if most is None or without == 0:
        return 1.0
    return min(1.0, max(most, PER_CONVERSION * of_them * with_one) / without)


def draws(snapshots: pd.DataFrame) -> Floats:
    """Deal each row a number in [0, 1) by its prospect and instant, shape (n_rows,)."""
    asked = pd.DataFrame(
        {
            "prospect_id": snapshots["prospect_id"].to_numpy(object),
            "as_of": snapshots["as_of"].dt.tz_convert(None).to_numpy("datetime64[us]"),
        }
    )
    dealt = pd.util.hash_pandas_object(asked, index=False).to_numpy(np.uint64)
    return (dealt >> np.uint64(11)) / 2.0**53


def told(converted: Mask, most: int | None) -> str:
    """Say that rows were drawn; nothing where none were."""
    share = share_drawn(converted, most)
    if share >= 1:
        return ""
    without = int((~converted).sum())
    return (
        f"; learnt from about {round(share * without):,} of {without:,} rows without a conversion, "
        "weighed back to all"
    )
