"""What a column is made from: a step, an attribute; and attributes put back together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from microconv.features.families.attributes import MISSING
from microconv.features.family import Columns

ATTRIBUTES = "attributes."

BINS = 20
"""Numbers are cut into so many parts of equal size before they are looked at as values."""


def is_attribute(name: str) -> bool:
    """Say whether a column shows an attribute; all others show the history."""
    return name.startswith(ATTRIBUTES)


def origin_of(name: str) -> str:
    """Name what a column is about, whatever is measured of it and in which window.

    Examples
    --------
    >>> origin_of("counts.pricing_visit.30d"), origin_of("recency.pricing_visit.last")
    ('pricing_visit', 'pricing_visit')
    >>> origin_of("path.last=demo_video"), origin_of("counts.stage=decision.7d")
    ('demo_video', 'stage=decision')
    >>> origin_of("attributes.source=web.site"), origin_of("attributes.size")
    ('source', 'size')
    """
    if is_attribute(name):
        return name.removeprefix(ATTRIBUTES).split("=", 1)[0]
    about = name.split(".", 1)[-1]
    return about.rsplit(".", 1)[0] if "." in about else about.split("=", 1)[-1]


def attribute_values(
    names: Sequence[str], values: Columns
) -> dict[str, tuple[npt.NDArray[np.int64], list[str]]]:
    """Turn the columns of each attribute back into one value per row.

    Parameters
    ----------
    names : sequence of str
    values : ndarray of float32, shape (n_columns, n_rows)

    Returns
    -------
    dict of str to (ndarray of int64, list of str)
        Attribute → each row's code, and what each code stands for. The last code
        is the missing value.
    """
    columns: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        if is_attribute(name):
            columns.setdefault(origin_of(name), []).append(position)
    return {
        attribute: (
            _categories([names[c] for c in at], values[at])
            if "=" in names[at[0]]
            else _cut(values[at[0]])
        )
        for attribute, at in columns.items()
    }


def _categories(names: list[str], values: Columns) -> tuple[npt.NDArray[np.int64], list[str]]:
    words = [name.split("=", 1)[1] for name in names]
    return values.argmax(axis=0).astype(np.int64), words


def _cut(numbers: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Cut a number at its quantiles; few distinct numbers stay as they are."""
    known = numbers[~np.isnan(numbers)]
    levels = np.unique(known)
    if len(levels) > BINS:
        levels = np.unique(np.quantile(known, np.arange(BINS) / BINS, method="lower"))
    codes = np.searchsorted(levels, numbers, side="right") - 1
    codes = np.where(np.isnan(numbers), len(levels), np.maximum(codes, 0))
    return codes.astype(np.int64), [*(f"from {level:g}" for level in levels), MISSING]
