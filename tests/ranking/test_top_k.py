"""The order of the list, merging buckets, and contacts."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microconv.histories.arrays import NOT_YET
from microconv.histories.snapshots import STATUSES
from microconv.ranking.bucket import contacts
from microconv.ranking.selection.top_k import BucketScores, Candidates, merge_buckets
from worlds.logs import AS_OF


def rows_of(*rows: tuple[float, int, int, str]) -> Candidates:
    """Make a candidates of (probability, last activity, events, id); features number the rows."""
    frame = pd.DataFrame(rows, columns=["probability", "last_activity", "events", "prospect_id"])
    return Candidates(frame, np.arange(len(rows), dtype=np.float32)[None])


def ids(candidates: Candidates) -> list[str]:
    """Name who is on a candidates, best first."""
    return candidates.rows["prospect_id"].tolist()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param((0.3, 0, 0, "z"), (0.2, 9, 9, "a"), id="the more probable"),
        pytest.param((0.2, 9, 0, "z"), (0.2, 8, 9, "a"), id="the more recently active"),
        pytest.param((0.2, 1, 0, "z"), (0.2, NOT_YET, 9, "a"), id="whoever was active at all"),
        pytest.param((0.2, 9, 2, "z"), (0.2, 9, 1, "a"), id="whoever has more events"),
        pytest.param((0.2, 9, 2, "a"), (0.2, 9, 2, "b"), id="the smaller id"),
    ],
)
def test_ties_go_by_a_stated_rule(first, second) -> None:
    """No label is needed to decide, and the order the rows came in decides nothing."""
    assert ids(rows_of(first, second).best(None)) == [first[3], second[3]]
    assert ids(rows_of(second, first).best(None)) == [first[3], second[3]]


def test_features_follow_their_rows() -> None:
    """Reasons are worked out from them: nobody must get another's."""
    best = rows_of((0.1, 0, 0, "a"), (0.3, 0, 0, "b"), (0.2, 0, 0, "c")).best(2)
    assert ids(best) == ["b", "c"]
    assert best.features.tolist() == [[1.0, 2.0]]


def bucket(candidates: Candidates, limit: int | None) -> BucketScores:
    """Make what one bucket adds, as `score_bucket` does."""
    return BucketScores(
        statuses={**dict.fromkeys(STATUSES, 1), "no_step": 0},
        exits={"left": 1},
        event_names={"blog": 2},
        probability=candidates.rows["probability"].to_numpy(float),
        candidates=candidates.best(limit),
        seen=(None, AS_OF),
    )


people = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.3]), st.integers(0, 2), st.integers(0, 2)), max_size=30
)


@given(people=people, buckets=st.integers(1, 5), limit=st.one_of(st.none(), st.integers(1, 8)))
def test_bucket_by_bucket_is_the_same_as_all_at_once(people, buckets, limit) -> None:
    """Only `limit` rows are ever kept, and they are those that sorting everyone would keep."""
    rows = [(*row, f"p{number:02d}") for number, row in enumerate(people)]
    parts = [bucket(rows_of(*rows[start::buckets]), limit) for start in range(buckets)]
    merged = merge_buckets(parts, limit)
    by_hand = sorted(rows, key=lambda row: (-row[0], -row[1], -row[2], row[3]))
    assert ids(merged.candidates) == [row[3] for row in by_hand][:limit]
    assert len(merged.probability) == len(rows)
    assert merged.statuses["converted"] == buckets
    assert merged.event_names == {"blog": 2 * buckets}
    assert merged.seen == (None, AS_OF)


def test_contacts_are_what_was_known_before_the_question() -> None:
    """A change of owner next week must not reach back into last week's list."""
    day = timedelta(days=1)
    known = [
        ("ada", AS_OF - 9 * day, "Olga", "a@example.com"),
        ("ada", AS_OF - 2 * day, "Pete", None),
        ("ada", AS_OF, "Quin", "new@example.com"),
        ("bob", AS_OF + day, "Rosa", "b@example.com"),
    ]
    names = ["prospect_id", "known_at", "owner", "email"]
    table = pa.table(
        {name: [row[i] for row in known] for i, name in enumerate(names)},
        schema=pa.schema(
            [
                ("prospect_id", pa.string()),
                ("known_at", pa.timestamp("us", "UTC")),
                ("owner", pa.string()),
                ("email", pa.string()),
            ]
        ),
    )
    found = contacts(table, pd.Series(["bob", "ada", "eve"]), before=AS_OF)
    assert found["owner"].isna().tolist() == [True, False, True]
    assert found.loc[1].tolist() == ["Pete", "a@example.com"]


def test_a_prospects_table_without_contacts_adds_no_column() -> None:
    """Attributes alone say nothing about whom to call."""
    table = pa.table(
        {
            "prospect_id": ["ada"],
            "known_at": pa.array([AS_OF], pa.timestamp("us", "UTC")),
            "company_size": [3.0],
        }
    )
    found = contacts(table, pd.Series(["ada"]), before=AS_OF + timedelta(days=1))
    assert found.shape == (1, 0)
    assert rows_of((0.3, 0, 0, "ada")).rows.join(found).columns[-1] == "prospect_id"
