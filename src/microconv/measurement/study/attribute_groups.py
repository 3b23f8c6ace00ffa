"""What each prospect was when first seen: attributes as a few groups to compare."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from microconv.histories.arrays import Attributes, Int64
from microconv.measurement.study.study import NO_CODE, CodedColumn

MOST_VALUES = 50
"""An attribute with more values than this (a name, a free text) makes no segments."""

QUARTERS = 4


def segment_prospects(
    attributes: Attributes | None, first_seen: Int64
) -> Mapping[str, CodedColumn]:
    """Put every prospect into a group by each attribute, as known when first seen.

    What became known later is not used: a property filled in after the fact
    would explain the outcome by itself.

    Parameters
    ----------
    attributes : Attributes or None
    first_seen : ndarray of int64, shape (n_prospects,)

    Returns
    -------
    dict of str to CodedColumn
        Numbers with more than four values are cut at their quartiles; text with
        more than :data:`MOST_VALUES` values is left out.
    """
    if attributes is None:
        return {}
    row = _row_known_at(attributes.offsets, attributes.known_at, first_seen)
    known = pa.array(row, mask=row < 0)
    found = {}
    for name in attributes.table.column_names:
        column = attributes.table[name].combine_chunks().take(known)
        groups = _quarters(column) if pa.types.is_floating(column.type) else _words(column)
        if groups is not None:
            found[name] = groups
    return found


def _words(column: pa.Array) -> CodedColumn | None:
    encoded = column.cast(pa.string()).dictionary_encode()
    labels = encoded.dictionary.to_pylist()
    if not 0 < len(labels) <= MOST_VALUES:
        return None
    order = sorted(range(len(labels)), key=labels.__getitem__)
    place = np.full(len(labels) + 1, NO_CODE, np.int32)
    place[order] = np.arange(len(labels))
    codes = encoded.indices.fill_null(NO_CODE).to_numpy()
    return CodedColumn(place[codes], tuple(labels[k] for k in order))


def _quarters(column: pa.Array) -> CodedColumn | None:
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    there = np.isfinite(values)
    if not there.any():
        return None
    distinct = np.unique(values[there])
    if len(distinct) <= QUARTERS:
        codes = np.where(there, np.searchsorted(distinct, values), NO_CODE)
        return CodedColumn(codes.astype(np.int32), tuple(f"{value:g}" for value in distinct))
    cuts = np.unique(np.quantile(values[there], [0.25, 0.5, 0.75]))
    codes = np.where(there, np.searchsorted(cuts, values, side="left"), NO_CODE)
    return CodedColumn(codes.astype(np.int32), _ranges(cuts))


def _ranges(cuts: npt.NDArray[np.float64]) -> tuple[str, ...]:
    """Name the groups between cuts.

    Examples
    --------
    >>> _ranges(np.array([10.0, 50.0]))
    ('at most 10', 'over 10 to 50', 'over 50')
    """
    between = [f"over {low:g} to {high:g}" for low, high in pairwise(cuts)]
    return (f"at most {cuts[0]:g}", *between, f"over {cuts[-1]:g}")


@njit(cache=True, nogil=True)
def _row_known_at(offsets, known_at, instant):  # type: ignore[no-untyped-def]
    """Find each prospect's latest row known at an instant; -1 where there is none."""
    found = np.full(len(instant), -1, np.int64)
    for p in range(len(instant)):
        for i in range(offsets[p], offsets[p + 1]):
            if known_at[i] <= instant[p]:
                found[p] = i
    return found
