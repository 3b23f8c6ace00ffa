"""Attributes: what was known of a prospect's properties, as of the question.

Each attribute is joined by itself: its latest value with ``known_at < as_of``,
blanks and nulls passed over; of two values known at one instant the later row
counts. Numbers are taken as they are. Of text, the commonest values of the
training rows become columns; whatever else turns up later is "other".

================================  ============================================
``attributes.company_size``       the number; nan if not known yet
``attributes.source=webinar``     1 if the text is this one, else 0
``attributes.source=(other)``     1 if it was rare, or unseen, in training
``attributes.source=(missing)``   1 if not known yet
================================  ============================================

The state is JSON: ``{"columns": [{"name": "company_size"}, {"name": "source",
"categories": ["webinar", "referral"]}]}``. An attribute that no training row
knew is left out.
"""

from __future__ import annotations

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
    """Learn which attributes are numbers, and the categories of those that are text.

    A category is a value of at least `min_category_share` of the training rows,
    at most `max_categories` of them: the commonest first, then by name.
    """
    attributes = visible.histories.attributes
    columns: list[State] = []
    if attributes is None:
        return {"columns": columns}
    for name in attributes.table.column_names:
        if _is_number(attributes.table, name):
            values = _numbers(attributes.table, name)
            if (_latest_of(attributes, visible, ~np.isnan(values)) >= 0).any():
                columns.append({"name": name})
        else:
            texts = _texts(attributes.table, name)
            rows = _latest_of(attributes, visible, texts.is_valid().to_numpy(False))
            known = texts.take(pa.array(rows[rows >= 0]))
            if len(known):
                columns.append({"name": name, "categories": _commonest(known, len(rows), settings)})
    return {"columns": columns}


def _names(spec: Spec) -> list[str]:
    """Name the columns: the attributes in the order of their table."""
    return [
        f"attributes.{column['name']}{ending}"
        for column in spec.state["columns"]
        for ending in _endings(column)
    ]


def _fill(out: Columns, visible: VisibleEvents, spec: Spec) -> None:
    """Write every column for every row; an attribute without a table is missing."""
    attributes = visible.histories.attributes
    first, every_row = 0, np.arange(len(visible))
    for column in spec.state["columns"]:
        name, width = column["name"], len(_endings(column))
        if attributes is None or name not in attributes.table.column_names:
            out[first : first + width] = 0 if width > 1 else np.nan
            out[first + width - 1] = 1 if width > 1 else np.nan
        elif "categories" in column:
            code = _code_as_of(attributes, visible, name, column["categories"])
            out[first : first + width] = 0
            out[first + code, every_row] = 1
        else:
            out[first] = _number_as_of(attributes, visible, name)
        first += width


FAMILY = Family(_names, _fill, _fit)


def attribute_values(
    visible: VisibleEvents,
) -> dict[str, npt.NDArray[np.object_] | npt.NDArray[np.float64]]:
    """Return every attribute of some questions, as it was known strictly before each.

    Returns
    -------
    dict of str to ndarray, shape (n_rows,)
        Text with None where nothing was known, or numbers with nan.
    """
    attributes = visible.histories.attributes
    out: dict[str, npt.NDArray[np.object_] | npt.NDArray[np.float64]] = {}
    if attributes is None:
        return out
    for name in attributes.table.column_names:
        if _is_number(attributes.table, name):
            numbers = _numbers(attributes.table, name)
            rows = _latest_of(attributes, visible, ~np.isnan(numbers))
            out[name] = np.append(numbers, np.nan)[rows]
        else:
            texts = _texts(attributes.table, name)
            rows = _latest_of(attributes, visible, texts.is_valid().to_numpy(False))
            out[name] = texts.take(pa.array(rows, mask=rows < 0)).to_numpy(False)
    return out


def _endings(column: State) -> list[str]:
    """List what follows the attribute's name in the names of its columns."""
    if "categories" not in column:
        return [""]
    return [f"={category}" for category in [*column["categories"], OTHER, MISSING]]


def _commonest(known: pa.Array, n_rows: int, settings: FeatureSettings) -> list[str]:
    """Pick the categories; a value that reads like one of ours goes with the other ones."""
    counted = known.value_counts()
    values, counts = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
    common = [
        (-count, value)
        for value, count in zip(values, counts, strict=True)
        if count >= settings.min_category_share * n_rows and value not in (OTHER, MISSING)
    ]
    return [value for _, value in sorted(common)[: settings.max_categories]]


def _number_as_of(
    attributes: Attributes, visible: VisibleEvents, name: str
) -> npt.NDArray[np.float32]:
    """Return each row's number; nan too where it is beyond what float32 can hold."""
    values = _numbers(attributes.table, name)
    rows = _latest_of(attributes, visible, ~np.isnan(values))
    with np.errstate(over="ignore"):
        found = np.append(values, np.nan)[rows].astype(np.float32)
    found[~np.isfinite(found)] = np.nan
    return found


def _code_as_of(
    attributes: Attributes, visible: VisibleEvents, name: str, categories: list[str]
) -> Int64:
    """Return each row's category: its position, one more for other, two for missing."""
    texts = _texts(attributes.table, name)
    rows = _latest_of(attributes, visible, texts.is_valid().to_numpy(False))
    found = pc.index_in(texts, value_set=pa.array(categories, pa.string()))
    codes = found.fill_null(len(categories)).to_numpy(False).astype(np.int64)
    code_or_missing: Int64 = np.append(codes, len(categories) + 1)[rows]
    return code_or_missing


def _is_number(table: pa.Table, name: str) -> bool:
    """Say whether an attribute is a number or text, and refuse what is neither."""
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


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """Return an attribute as numbers, nan for null.

    Raises
    ------
    EventLogError
        If it was learnt as a number and holds text now.
    """
    try:
        column = table.column(name).cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise EventLogError(
            f"The attribute `{name}` was a number when the model was trained, and now it holds "
            f"text: {error}. Bring the number, or train on the new attribute."
        ) from error
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _texts(table: pa.Table, name: str) -> pa.Array:
    """Return an attribute as text, null for blank."""
    column = table.column(name).cast(pa.string()).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks or [pa.array([], pa.string())])
    blank = pc.equal(pc.utf8_trim_whitespace(column), "")
    return pc.if_else(blank, pa.scalar(None, pa.string()), column)


def _latest_of(
    attributes: Attributes, visible: VisibleEvents, has_value: npt.NDArray[np.bool_]
) -> Int64:
    """Find each question's row of the attributes' table; -1 if nothing was known yet."""
    arrays = read_only(attributes.offsets, attributes.known_at, has_value)
    rows: Int64 = _latest(*arrays, *read_only(visible.prospect, visible.as_of))
    return rows


@njit(cache=True, nogil=True, error_model="numpy")
def _latest(offsets, known_at, has_value, prospect, as_of):  # type: ignore[no-untyped-def]
    """Walk back from each prospect's newest row to one known before the question."""
    rows = np.full(len(as_of), -1, np.int64)
    for r in range(len(as_of)):
        for i in range(offsets[prospect[r] + 1] - 1, offsets[prospect[r]] - 1, -1):
            if has_value[i] and known_at[i] < as_of[r]:
                rows[r] = i
                break
    return rows
