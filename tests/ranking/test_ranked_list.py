"""The table of the list: columns, order, types, percentiles."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import percentileofscore

from microconv.histories.arrays import NOT_YET, microseconds
from microconv.ranking.ranked_list import Ranking, build_list, percentile
from worlds.logs import AS_OF

ROWS = pd.DataFrame(
    {
        "prospect_id": ["ada", "bob"],
        "probability": [0.25, 0.05],
        "last_activity": [microseconds(AS_OF - timedelta(hours=30)), NOT_YET],
        "events": [7, 1],
        "amount": [400.0, 400.0],
        "stage": ["decision", None],
        "next_step": [None, "blog"],
        "reason_1": ["↑ blog", None],
        "reason_2": [None, None],
        "owner": ["Olga", None],
    }
)
EVERYONE = np.array([0.05, 0.25, 0.01, 0.01])


def test_the_table_by_hand() -> None:
    """Ada is above 3 of 4 and level with herself: (3 + 4) / 2 / 4; a conversion is worth 400."""
    table = build_list(ROWS, EVERYONE, grades={"A": 0.2, "B": 0.0})
    assert table.columns.tolist() == [
        "rank", "prospect_id", "owner", "probability", "percentile", "grade", "amount",
        "expected_value", "reason_1", "reason_2", "stage", "next_step", "last_activity",
    ]  # fmt: skip
    assert table["rank"].tolist() == [1, 2]
    assert table["percentile"].tolist() == [87.5, 62.5]
    assert table["grade"].tolist() == ["A", "B"]
    assert table["expected_value"].tolist() == [100.0, 20.0]
    assert table["last_activity"].tolist() == [pd.Timestamp(AS_OF - timedelta(hours=30)), pd.NaT]


def test_without_values_or_thresholds_nothing_is_made_up() -> None:
    """An expected value of 0 or a grade D would be a statement; null says nobody knows."""
    table = build_list(ROWS.assign(amount=np.nan), EVERYONE, grades=None)
    assert table["expected_value"].isna().all()
    assert table["grade"].isna().all()


def test_the_types_do_not_depend_on_the_rows() -> None:
    """An empty list has the columns and types of a full one, so that readers never break."""
    full = build_list(ROWS, EVERYONE, grades=None)
    empty = build_list(ROWS[:0], EVERYONE[:0], grades=None)
    assert len(empty) == 0
    assert empty.dtypes[["rank", "percentile", "last_activity"]].equals(
        full.dtypes[["rank", "percentile", "last_activity"]]
    )


@given(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), min_size=1, max_size=20))
def test_the_percentile_is_scipys(everyone: list[float]) -> None:
    """Ties count half, as in scipy's "mean" kind."""
    found = percentile(np.array(everyone), np.array(everyone))
    expected = [percentileofscore(everyone, p, kind="mean") for p in everyone]
    np.testing.assert_allclose(found, expected)


def test_everyone_is_accounted_for() -> None:
    """2 listed + 3 converted + 4 not yet known + 1 below the limit are the 10 of the log."""
    left_out = {
        "converted": 3, "exited": 0, "inactive": 0, "not_yet_known": 4, "merged_away": 0,
        "no_step": 0, "below_the_limit": 1,
    }  # fmt: skip
    ranking = Ranking(ROWS, AS_OF, timedelta(days=30), scored=3, left_out=left_out)
    assert ranking.prospects == 10
    assert ranking.known == 6


def test_a_column_without_a_place_on_the_list_is_an_error() -> None:
    """A column that is computed and not declared would otherwise be lost silently."""
    with pytest.raises(ValueError, match=r"no place for \['win_back_score'\]"):
        build_list(ROWS.assign(win_back_score=1.0), EVERYONE, grades=None)
    team = build_list(
        ROWS.assign(team="north"), EVERYONE, grades=None, capacity_columns=("team", "owner")
    )
    assert team.columns.tolist()[2:5] == ["owner", "team", "probability"]
