"""Laws of time and invariance, over every family at once."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from microconv.features.matrix import FAMILIES, build_features, column_names
from microconv.histories.arrays import microseconds
from microconv.histories.load import concat_histories, load_histories
from microconv.histories.visible import visible_events
from microconv.measurement.impact.person_time import ever_completed
from microconv.measurement.study.human_events import HumanEvents
from microconv.settings import FeatureSettings
from worlds.logs import AS_OF, JOURNEY, event, event_rows, instant, log_of

EVERYTHING = FeatureSettings(
    pairs="all", sequences=(("blog", "guide", "pricing"),), families=tuple(FAMILIES)
)
PEOPLE = ("ada", "bob", "cy")


def histories_with_attributes(rows, attributes):
    """Load histories whose prospects also have attributes, each known from some instant."""
    table = pa.table(
        {
            "prospect_id": pa.array([row[0] for row in attributes], pa.string()),
            "known_at": pa.array([row[1] for row in attributes], pa.timestamp("us", tz="UTC")),
            "country": pa.array([row[2] for row in attributes], pa.string()),
            "size": pa.array([row[3] for row in attributes], pa.float64()),
        }
    ).sort_by([("prospect_id", "ascending"), ("known_at", "ascending")])
    return load_histories(log_of(*rows).read_events(0), JOURNEY, table)


def features_of(histories, who, as_of=AS_OF):
    """Build every column, fitted families included, of some people at an instant."""
    ids = histories.prospect_ids.to_pylist()
    prospect = np.array([ids.index(name) for name in who], np.int64)
    visible = visible_events(histories, prospect, np.full(len(who), microseconds(as_of)))
    states = {"attributes": ATTRIBUTES}
    parts = [build_features(visible, JOURNEY, EVERYTHING, states, fitted=f) for f in (False, True)]
    return np.concatenate(parts)


def _learn_attributes():
    lands = dict(zip(PEOPLE, ["NL", "DE", "NL"], strict=True))
    rows = [event(who, "blog", instant(-60)) for who in PEOPLE]
    known = [(who, instant(-90), land, 3.0) for who, land in lands.items()]
    histories = histories_with_attributes(rows, known)
    visible = visible_events(histories, np.arange(3), np.full(3, microseconds(AS_OF)))
    return FAMILIES["attributes"].fit(visible, np.array([True, False, True]), JOURNEY, EVERYTHING)


ATTRIBUTES = _learn_attributes()

attribute_rows = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE),
        st.integers(-40 * 86_400, 40 * 86_400).map(instant),
        st.sampled_from([None, "NL", "DE", "JP"]),
        st.sampled_from([None, 1.0, 250.0]),
    ),
    max_size=6,
    unique_by=lambda row: row[:2],
)


@settings(max_examples=80)
@given(
    past=event_rows(-100 * 86_400, -1),
    future=event_rows(0, 40 * 86_400),
    attributes=attribute_rows,
)
def test_the_future_never_reaches_a_feature(past, future, attributes):
    """Events and attributes at or after ``as_of``, the instant itself included, change nothing."""
    who = sorted({row["prospect_id"] for row in past})
    if not who:
        return
    known = [row for row in attributes if row[1] < AS_OF]
    without = features_of(histories_with_attributes(past, known), who)
    later = features_of(histories_with_attributes([*past, *future], attributes), who)
    np.testing.assert_array_equal(without, later)


@given(
    past=event_rows(-100 * 86_400, -1, late=False),
    late=event_rows(-20 * 86_400, -1, late=False),
)
def test_what_becomes_known_later_is_not_there_yet(past, late):
    """A past event that arrives at or after ``as_of`` changes nothing."""
    who = sorted({row["prospect_id"] for row in past})
    if not who:
        return
    hidden = [
        {**row, "visible_at": AS_OF + timedelta(seconds=k), "event_id": f"late {k}"}
        for k, row in enumerate(late)
    ]
    without = features_of(histories_with_attributes(past, []), who)
    later = features_of(histories_with_attributes([*past, *hidden], []), who)
    np.testing.assert_array_equal(without, later)


@given(rows=event_rows(-100 * 86_400, 0))
def test_a_prospect_has_the_same_features_in_any_bucket(rows):
    """Alone, with others or in joined buckets: identical features."""
    who = sorted({row["prospect_id"] for row in rows})
    if not who:
        return
    together = histories_with_attributes(rows, [])
    alone = [
        histories_with_attributes([r for r in rows if r["prospect_id"] == name], []) for name in who
    ]
    expected = features_of(together, who)
    np.testing.assert_array_equal(features_of(concat_histories(alone), who), expected)
    for position, histories in enumerate(alone):
        found = features_of(histories, [who[position]])
        np.testing.assert_array_equal(found[:, 0], expected[:, position])


@given(rows=event_rows(-100 * 86_400, 0), shift=st.integers(0, 30))
def test_snapshots_do_not_affect_each_other(rows, shift):
    """Many instants at once give what each gives alone."""
    if not rows:
        return
    histories = histories_with_attributes(rows, [])
    everyone = np.repeat(np.arange(len(histories)), 3)
    cuts = [microseconds(instant(-k * shift * 86_400)) for k in range(3)]
    as_of = np.tile(np.array(cuts[::-1]), len(histories))
    visible = visible_events(histories, everyone, as_of)
    whole = build_features(visible, JOURNEY, EVERYTHING, {}, fitted=False)
    for row in range(len(visible)):
        alone = build_features(
            visible.select(np.array([row])), JOURNEY, EVERYTHING, {}, fitted=False
        )
        np.testing.assert_array_equal(alone[:, 0], whole[:, row])


@given(rows=event_rows(-90 * 86_400, -1, late=False))
def test_features_and_measurement_agree_on_who_completed_a_sequence(rows):
    """Two kernels that cannot share code across files have one meaning of a sequence."""
    if not rows:
        return
    histories = histories_with_attributes(rows, [])
    everyone = np.arange(len(histories))
    visible = visible_events(histories, everyone, np.full(len(histories), microseconds(AS_OF)))
    names = column_names(JOURNEY, EVERYTHING, {}, fitted=False)
    values = build_features(visible, JOURNEY, EVERYTHING, {}, fitted=False)
    zeros = np.zeros(len(histories.time), np.int64)
    h = histories
    events = HumanEvents(h.offsets, h.time, h.time, h.step, h.time, zeros.astype(np.int16), zeros)
    for sequence in (("blog", "guide", "pricing"), ("pricing", "blog"), ("guide", "reference")):
        codes = np.array([JOURNEY.code_of(step) for step in sequence], np.int16)
        done = values[names.index(f"path.{'>'.join(sequence)}.done")]
        completed = ever_completed(codes, events, within=10**17)
        np.testing.assert_array_equal(done == 1, completed)


def test_every_column_has_one_name():
    """As many names as columns, none twice, each `family.what.window` or `family.what`."""
    names = column_names(JOURNEY, EVERYTHING, {}, fitted=False)
    assert len(names) == len(set(names))
    assert {name.split(".")[0] for name in names} == set(FAMILIES) - {"attributes"}
