"""Rows that matured after training: what a model says of them is what `score` would have said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from microconv.ranking.newly_labelled import newly_labelled_rows, out_of_time_predictions, rescore
from microconv.ranking.score import score
from microconv.storage.log import EventLog
from worlds.ranking import on_disk, trained, world, younger


@pytest.fixture
def log(tmp_path) -> EventLog:
    """Put the small world on disk, as ingest would."""
    return on_disk(tmp_path)


def test_only_dates_after_everything_it_learnt_from_and_closed_by_now_are_asked(log):
    """Hand: it learnt from outcomes until 13 March, the windows of later dates close by 3 June."""
    model = younger()
    assert model.facts.learnt_until == datetime(2024, 3, 13, tzinfo=UTC)
    expected = {datetime(2024, *day, tzinfo=UTC) for day in ((3, 25), (4, 8), (4, 22))}
    assert set(newly_labelled_rows(log, model)["as_of"]) == expected
    assert len(newly_labelled_rows(log, trained())) == 0  # it was trained on all that closed


def test_what_it_says_then_is_what_its_list_would_have_said_on_that_day(log):
    """Two ways to one number: all questions at once, and the list of one day."""
    rows = newly_labelled_rows(log, younger())
    for as_of, group in rows.groupby("as_of"):
        listed = score(log.path, model=younger(), as_of=as_of.to_pydatetime())
        expected = group.set_index("prospect_id")["probability"]
        theirs = listed.set_index("prospect_id")["probability"]
        assert set(expected.index) <= set(theirs.index)
        assert expected.to_dict() == theirs[expected.index].to_dict()


def test_rows_it_may_have_learnt_from_and_strangers_are_left_out():
    """A champion must not be praised for outcomes that it trained on."""
    until = pd.Timestamp(younger().facts.learnt_until)
    rows = pd.DataFrame(
        {
            "prospect_id": ["p001@example.com", "p001@example.com", "nobody@example.com"],
            "as_of": pd.to_datetime([until - timedelta(seconds=1), until, until], utc=True),
            "probability": np.nan,
            "converted": [True, False, False],
            "value": [1.0, np.nan, np.nan],
        }
    )
    said = rescore(world(), younger(), rows)
    assert said["prospect_id"].tolist() == ["p001@example.com"]
    assert said["as_of"].tolist() == [until]
    assert said["probability"].between(0, 1).all()
    assert len(rescore(world(), younger(), rows[:1])) == 0


def test_a_model_without_predictions_has_no_rows():
    """An empty table keeps its columns: it can be joined."""
    assert isinstance(trained().out_of_time, pa.Table)
    assert len(out_of_time_predictions(trained())) == 0
    assert list(out_of_time_predictions(trained())) == [
        "prospect_id", "as_of", "probability", "converted", "value",
    ]  # fmt: skip
