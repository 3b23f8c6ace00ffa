"""Attributes: the as-of lookup, the categories of the training rows, and unseen values."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.hand_made_snapshots import SETTINGS, fill_columns, make_snapshot, visible_of
from microconv.errors import EventLogError
from microconv.features.families import attributes
from microconv.features.family import Spec
from microconv.histories.arrays import DAY, Attributes, microseconds
from worlds.logs import AS_OF, JOURNEY

NOW = microseconds(AS_OF)


def known(rows, n_prospects, **types):
    """Make the table of attributes from (prospect, days before `AS_OF`, values)."""
    ordered = sorted(rows, key=lambda row: (row[0], -row[1]))
    counts = np.bincount([row[0] for row in ordered], minlength=n_prospects)
    return Attributes(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array([NOW - round(row[1] * DAY) for row in ordered], np.int64),
        pa.table(
            {
                name: pa.array([row[2].get(name) for row in ordered], type_)
                for name, type_ in types.items()
            }
        ),
    )


def snapshots_with(rows, n_prospects, prospects=None, **types):
    """Take snapshots at `AS_OF` of prospects (each once, by default) with `rows` of attributes."""
    visible = visible_of([make_snapshot(("blog", 1))] * n_prospects)
    histories = replace(visible.histories, attributes=known(rows, n_prospects, **types))
    if prospects is None:
        return replace(visible, histories=histories)
    chosen = np.array(prospects, np.int64)
    arrays = {name: getattr(visible, name)[chosen] for name in ("as_of", "start", "end")}
    return replace(visible, histories=histories, prospect=chosen, **arrays)


def fit(visible, **changes):
    """Fit on every row of `visible`."""
    settings = SETTINGS.model_copy(update=changes)
    return attributes.FAMILY.fit(visible, np.zeros(len(visible), bool), JOURNEY, settings)


def rows_of(visible, state):
    """Fill the columns and return one dictionary of them per row."""
    names, out = fill_columns(attributes.FAMILY, visible, state=state)
    return [dict(zip(names, column, strict=True)) for column in out.T.tolist()]


MICROSECOND = 1 / DAY


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        pytest.param(MICROSECOND, 250, id="known a microsecond before"),
        pytest.param(0, 40, id="known at the instant itself"),
        pytest.param(-1, 40, id="known later"),
    ],
)
def test_only_values_known_before_the_snapshot_count(age, expected):
    """``known_at < as_of``: the CRM's later correction is not there yet."""
    visible = snapshots_with([(0, 9, {"size": 40}), (0, age, {"size": 250})], 1, size=pa.int64())
    assert rows_of(visible, fit(visible))[0]["attributes.size"] == expected


def test_each_attribute_keeps_its_latest_value():
    """A later row that is silent on the country (null or blank) does not forget it."""
    rows = [
        (0, 9, {"size": 40.0, "country": "DE"}),
        (0, 5, {"size": math.nan, "country": "AT"}),
        (0, 1, {"size": None, "country": " "}),
    ]
    visible = snapshots_with(rows, 1, size=pa.float64(), country=pa.string())
    found = rows_of(visible, fit(visible))[0]
    assert found["attributes.size"] == 40
    assert found["attributes.country=AT"] == 1


def test_categories_come_by_count_then_name_and_the_rare_ones_are_other():
    """Of ten rows: b 3, a 3, c 2, rare 1, one unknown; a share of 0.2 is two rows."""
    texts = ["b", "b", "b", "c", "c", "a", "a", "a", "rare"]
    rows = [(who, 3, {"source": text}) for who, text in enumerate(texts)]
    visible = snapshots_with(rows, 10, source=pa.dictionary(pa.int32(), pa.string()))
    state = fit(visible, min_category_share=0.2)
    assert state == {"columns": [{"name": "source", "categories": ["a", "b", "c"]}]}
    found = rows_of(visible, state)
    ones = [next(name for name, value in row.items() if value == 1) for row in found]
    assert ones[0] == "attributes.source=b"
    assert ones[8] == "attributes.source=(other)"
    assert ones[9] == "attributes.source=(missing)"
    assert all(sum(row.values()) == 1 for row in found)


def test_the_number_of_categories_is_limited():
    """The two most frequent of three."""
    rows = [(who, 3, {"source": text}) for who, text in enumerate("aabbbc")]
    visible = snapshots_with(rows, 6, source=pa.string())
    state = fit(visible, max_categories=2, min_category_share=0)
    assert state["columns"][0]["categories"] == ["b", "a"]


def test_categories_come_from_training_rows_only():
    """Values seen only elsewhere count as other; a number without values has no column."""
    rows = [
        (0, 3, {"source": "webinar"}),
        (1, 3, {"source": "fair", "size": 10}),
        (2, -3, {"source": "later", "size": 20}),
    ]
    types = {"source": pa.string(), "size": pa.int32()}
    state = fit(snapshots_with(rows, 3, prospects=[0, 2], **types))
    assert state == {"columns": [{"name": "source", "categories": ["webinar"]}]}
    everyone = rows_of(snapshots_with(rows, 3, **types), state)
    assert [row["attributes.source=(other)"] for row in everyone] == [0, 1, 0]
    assert [row["attributes.source=(missing)"] for row in everyone] == [0, 0, 1]


def test_a_value_named_other_counts_as_other():
    """Reserved names never become a second column of the same name."""
    rows = [(0, 3, {"source": "(other)"}), (1, 3, {"source": "(missing)"})]
    visible = snapshots_with(rows, 2, source=pa.string())
    state = fit(visible)
    assert attributes.FAMILY.names(Spec(JOURNEY, SETTINGS, state)) == [
        "attributes.source=(other)",
        "attributes.source=(missing)",
    ]
    assert [row["attributes.source=(other)"] for row in rows_of(visible, state)] == [1, 1]


def test_the_state_survives_json():
    """It lives in the model, as text."""
    rows = [(0, 3, {"source": "fair", "size": 7})]
    visible = snapshots_with(rows, 1, source=pa.string(), size=pa.int64())
    state = fit(visible)
    assert rows_of(visible, json.loads(json.dumps(state))) == rows_of(visible, state)


def test_without_a_prospects_table_no_attribute_is_fitted_and_all_are_missing():
    """A log of events alone still scores."""
    bare = visible_of([make_snapshot(("blog", 1))] * 2)
    assert fit(bare) == {"columns": []}
    assert fill_columns(attributes.FAMILY, bare, state={"columns": []})[1].shape == (0, 2)
    state = {"columns": [{"name": "size"}, {"name": "source", "categories": ["fair"]}]}
    for row in rows_of(bare, state):
        assert math.isnan(row.pop("attributes.size"))
        assert row == {
            "attributes.source=fair": 0,
            "attributes.source=(other)": 0,
            "attributes.source=(missing)": 1,
        }


def test_a_number_too_large_for_float32_is_nan():
    """1e300 as float32 is infinite, which no model can weigh."""
    visible = snapshots_with([(0, 3, {"size": 1e300}), (1, 3, {"size": 2.5})], 2, size=pa.float64())
    found = [row["attributes.size"] for row in rows_of(visible, fit(visible))]
    assert math.isnan(found[0])
    assert found[1] == 2.5


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [(pa.bool_(), True, 1), (pa.decimal128(9, 2), Decimal("12.50"), 12.5), (pa.int16(), 3, 3)],
)
def test_booleans_and_decimals_are_numbers(kind, value, expected):
    """Arrow casts both to float64."""
    visible = snapshots_with([(0, 3, {"x": value})], 1, x=kind)
    assert rows_of(visible, fit(visible))[0]["attributes.x"] == expected


def test_a_date_is_rejected_by_name():
    """As a category it would be noise, as a number the absolute date."""
    visible = snapshots_with([(0, 3, {"born": AS_OF})], 1, born=pa.timestamp("us", tz="UTC"))
    with pytest.raises(EventLogError, match="`born` is of type timestamp"):
        fit(visible)


def test_a_number_that_turns_into_text_is_rejected_by_name():
    """The model needs a number."""
    state = fit(snapshots_with([(0, 3, {"size": 5})], 1, size=pa.int64()))
    text = snapshots_with([(0, 3, {"size": "many"})], 1, size=pa.string())
    with pytest.raises(EventLogError, match="`size` was a number when the model was trained"):
        rows_of(text, state)


def test_text_that_turns_into_numbers_keeps_its_categories():
    """Codes like 10 and 20 read as numbers by another reader are still those codes."""
    state = fit(snapshots_with([(0, 3, {"code": "10"})], 1, code=pa.string()))
    later = snapshots_with([(0, 3, {"code": 10})], 1, code=pa.int64())
    assert rows_of(later, state)[0]["attributes.code=10"] == 1


KNOWN = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([-1.0, 0.0, MICROSECOND, 1.0, 2.0, 9.0]),
        st.fixed_dictionaries(
            {
                "size": st.sampled_from([None, 1.0, 2.5, -3.0]),
                "source": st.sampled_from([None, "", "fair", "web", "referral"]),
            }
        ),
    ),
    max_size=12,
    unique_by=lambda row: row[:2],
)


@given(rows=KNOWN, prospects=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_the_as_of_join_is_the_latest_value_of_a_sorted_list(rows, prospects):
    """Each attribute by itself, for any table and any snapshots."""
    visible = snapshots_with(rows, 4, prospects, size=pa.float64(), source=pa.string())
    state = {"columns": [{"name": "size"}, {"name": "source", "categories": ["fair", "web"]}]}
    for who, found in zip(prospects, rows_of(visible, state), strict=True):
        sizes = {age: v["size"] for p, age, v in rows if p == who and age > 0 and v["size"]}
        sources = {age: v["source"] for p, age, v in rows if p == who and age > 0 and v["source"]}
        size = sizes[min(sizes)] if sizes else math.nan
        source = sources[min(sources)] if sources else "(missing)"
        source = source if source in ("fair", "web", "(missing)") else "(other)"
        np.testing.assert_equal(found["attributes.size"], size)
        assert [name for name, value in found.items() if "=" in name and value == 1] == [
            f"attributes.source={source}"
        ]
