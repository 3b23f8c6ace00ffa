"""Attributes: what was known of a prospect's attributes at `as_of`.

Each attribute is looked up by itself: its latest value with ``known_at < as_of``,
ignoring blanks and nulls; of two values known at one instant the later row counts.
Numbers are taken as they are. Of text, the most frequent values of the training rows
become columns; any other value is "other".

================================  ============================================
``attributes.company_size``       the number; nan if not known yet
``attributes.source=webinar``     1 if the text is this one, else 0
``attributes.source=(other)``     1 if it was rare or absent in training
``attributes.source=(missing)``   1 if not known yet
================================  ============================================

The state is ``{"columns": [{"name": "company_size"}, {"name": "source", "categories":
["webinar", "referral"]}]}``. Attributes without a value in any training row are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from microconv.errors import EventLogError
from microconv.features.family import Columns, Family, Spec, State, read_only
from microconv.histories.arrays import Attributes, Int64, VisibleEvents
from microconv.journey import JourneyMap
from microconv.settings import FeatureSettings

OTHER, MISSING = "(other)", "(missing)"


def _fit(
    visible: VisibleEvents,
    labels: npt.NDArray[np.bool_],
    journey: JourneyMap,
    settings: FeatureSettings,
) -> State:
    """Find the attributes that have values, and the categories of those that are text.

    A category is a value of at least `min_category_share` of the training rows, at most
    `max_categories` of them: the most frequent first, then by name.
    """
    columns: list[State] = []
    for name, values in _latest_values(visible).items():
        if isinstance(values, np.ndarray):
            if not np.isnan(values).all():
                columns.append({"name": name})
        elif values.null_count < len(values):
            counted = values.drop_null().value_counts().to_pylist()
            frequent = sorted(
                (-each["counts"], each["values"])
                for each in counted
                if each["counts"] >= settings.min_category_share * len(values)
                and each["values"] not in (OTHER, MISSING)
            )
            categories = [value for _, value in frequent[: settings.max_categories]]
            columns.append({"name": name, "categories": categories})
    return {"columns": columns}


def _names(spec: Spec) -> list[str]:
    return [
        f"attributes.{column['name']}{ending}"
        for column in spec.state["columns"]
        for ending in _endings(column)
    ]


def _fill(out: Columns, visible: VisibleEvents, spec: Spec) -> None:
    """Write every column; an attribute that the table does not have is missing."""
    attributes = visible.histories.attributes
    first, every_row = 0, np.arange(len(visible))
    for column in spec.state["columns"]:
        name, width = column["name"], len(_endings(column))
        if attributes is None or name not in attributes.table.column_names:
            out[first : first + width] = 0 if width > 1 else np.nan
            out[first + width - 1] = 1 if width > 1 else np.nan
        elif "categories" in column:
            code = _category_codes(attributes, visible, name, column["categories"])
            out[first : first + width] = 0
            out[first + code, every_row] = 1
        else:
            with np.errstate(over="ignore"):
                numbers = _latest_numbers(attributes, visible, name).astype(np.float32)
            numbers[~np.isfinite(numbers)] = np.nan  # too large for float32
            out[first] = numbers
        first += width


FAMILY = Family(_names, _fill, _fit)


def attribute_values(visible: VisibleEvents) -> dict[str, npt.NDArray[Any]]:
    """Return every attribute of each snapshot, as known strictly before it.

    Returns
    -------
    dict of str to ndarray of object or float64, shape (n_rows,)
        Text with None where nothing was known, or numbers with nan.
    """
    return {
        name: values if isinstance(values, np.ndarray) else values.to_numpy(False)
        for name, values in _latest_values(visible).items()
    }


def _latest_values(visible: VisibleEvents) -> dict[str, npt.NDArray[np.float64] | pa.Array]:
    attributes = visible.histories.attributes
    out: dict[str, npt.NDArray[np.float64] | pa.Array] = {}
    if attributes is None:
        return out
    for name in attributes.table.column_names:
        if _is_number(attributes.table, name):
            out[name] = _latest_numbers(attributes, visible, name)
        else:
            texts, rows = _latest_texts(attributes, visible, name)
            out[name] = texts.take(pa.array(rows, mask=rows < 0))
    return out


def _endings(column: State) -> list[str]:
    """List what follows the attribute's name in the names of its columns."""
    if "categories" not in column:
        return [""]
    return [f"={category}" for category in [*column["categories"], OTHER, MISSING]]


def _category_codes(
    attributes: Attributes, visible: VisibleEvents, name: str, categories: list[str]
) -> Int64:
    """Return each row's position among the categories, other and missing."""
    texts, rows = _latest_texts(attributes, visible, name)
    found = pc.index_in(texts, value_set=pa.array(categories, pa.string()))
    codes = found.fill_null(len(categories)).to_numpy(False).astype(np.int64)
    code_or_missing: Int64 = np.append(codes, len(categories) + 1)[rows]
    return code_or_missing


def _is_number(table: pa.Table, name: str) -> bool:
    """Return whether an attribute is a number and not text; reject what is neither."""
    kind = table.schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    types = pa.types
    if any(of(kind) for of in (types.is_string, types.is_large_string, types.is_null)):
        return False
    if any(
        of(kind) for of in (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean)
    ):
        return True
    raise EventLogError(
        f"The attribute `{name}` is of type {kind}; an attribute is text or a number. Leave it "
        "out of the `attributes` of its source, or turn it into one (a date into days)."
    )


def _latest_numbers(
    attributes: Attributes, visible: VisibleEvents, name: str
) -> npt.NDArray[np.float64]:
    """Return each row's latest number, nan if nothing was known.

    Raises
    ------
    EventLogError
        If the attribute was a number in training and holds text now.
    """
    try:
        column = attributes.table.column(name).cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise EventLogError(
            f"The attribute `{name}` was a number when the model was trained, and now it holds "
            f"text: {error}. Supply the number, or train on the new attribute."
        ) from error
    values = np.asarray(column.to_numpy(), dtype=np.float64)
    numbers: npt.NDArray[np.float64] = np.append(values, np.nan)[
        _latest_rows(attributes, visible, ~np.isnan(values))
    ]
    return numbers


def _latest_texts(
    attributes: Attributes, visible: VisibleEvents, name: str
) -> tuple[pa.Array, Int64]:
    """Return an attribute as text, null for blank, and each snapshot's row; -1 if none."""
    column = attributes.table.column(name).cast(pa.string()).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks or [pa.array([], pa.string())])
    blank = pc.equal(pc.utf8_trim_whitespace(column), "")
    texts = pc.if_else(blank, pa.scalar(None, pa.string()), column)
    return texts, _latest_rows(attributes, visible, texts.is_valid().to_numpy(False))


def _latest_rows(
    attributes: Attributes, visible: VisibleEvents, has_value: npt.NDArray[np.bool_]
) -> Int64:
    """Find the row of the attributes table for each snapshot; -1 if nothing was known yet."""
    arrays = read_only(attributes.offsets, attributes.known_at, has_value)
    rows: Int64 = _latest(*arrays, *read_only(visible.prospect, visible.as_of))
    return rows


@njit(cache=True, nogil=True, error_model="numpy")
def _latest(offsets, known_at, has_value, prospect, as_of):  # type: ignore[no-untyped-def]
    """Walk back from each prospect's newest row to one known before the snapshot."""
    rows = np.full(len(as_of), -1, np.int64)
    for r in range(len(as_of)):
        for i in range(offsets[prospect[r] + 1] - 1, offsets[prospect[r]] - 1, -1):
            if has_value[i] and known_at[i] < as_of[r]:
                rows[r] = i
                break
    return rows
