"""What MLflow loads ranks raw events exactly as the library does, and holds no code."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

import microconv
from microconv.tracking.fetch_model import fetched
from worlds.ranking import END, settings, trained, world

PARAMS = {"as_of": END.isoformat(), "limit": 25}


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    """Return the world's events as a person would have them: a frame, in no order.

    The attributes of the prospects stand beside their events.
    """
    columns = ["prospect_id", "time", "event_name", "known_at", "visible_at", "value", "event_id"]
    frame = world().events.select(columns).to_pandas()
    known = world().prospects.to_pandas().drop(columns="known_at")
    frame = frame.merge(known, on="prospect_id")
    return frame.sample(frac=1, random_state=1, ignore_index=True)


@pytest.fixture(scope="module")
def served(store, entry):
    """Load the challenger as anybody would."""
    with store.open():
        import mlflow

        return mlflow.pyfunc.load_model("models:/test@challenger")


@pytest.mark.parametrize("names", ["category", "str"])
def test_the_registered_model_gives_the_results_of_the_library(served, events, names):
    """Two ways to score that differ in the last bit are two models."""
    given = events.astype({"event_name": names})
    rules = settings().score
    ours = microconv.score(given, model=trained(), settings=rules, include_unscored=True, **PARAMS)
    theirs = served.predict(given, params=PARAMS)
    assert (ours["status"] == "scored").sum() == 25
    assert list(theirs.columns) == list(ours.columns)
    for name in ours.columns:
        missing = ours[name].isna()
        assert [value is None for value in theirs[name]] == missing.tolist(), name
        assert theirs[name][~missing].tolist() == ours[name][~missing].tolist(), name


def test_whole_numbers_for_money_are_no_error(served, events):
    """A frame read from a CSV file of round amounts has integers."""
    whole = events.assign(value=events["value"].fillna(0).astype("int64"))
    assert (served.predict(whole, params=PARAMS)["status"] == "scored").sum() == 25


def test_instants_may_be_text_as_in_a_json_request(served, events):
    """Requests are JSON, which has no timestamps; the list must be the same."""
    text = events.assign(time=events["time"].map(lambda at: at.isoformat()))
    expected = served.predict(events, params=PARAMS)
    pd.testing.assert_frame_equal(served.predict(text, params=PARAMS), expected)


def test_text_without_a_zone_is_refused(served, events):
    """Read as UTC it would be wrong by hours for most people, and nobody would see it."""
    naive = events.assign(time=events["time"].dt.tz_localize(None).astype("str"))
    with pytest.raises(MlflowException, match=f"{len(naive)} of {len(naive)} values of `time`"):
        served.predict(naive, params=PARAMS)


def test_an_instant_must_be_named(served, events):
    """A served model that takes "now" would rank by events it cannot have seen yet."""
    with pytest.raises(MlflowException, match="`as_of` is missing"):
        served.predict(events)


def test_the_artefact_holds_neither_code_nor_pickle(store, entry):
    """Loading a model must run nothing that came with it."""
    with fetched("models:/test@challenger", store) as model:
        files = {p.name for p in Path(model.folder).parent.parent.rglob("*") if p.is_file()}
        assert {p.name for p in Path(model.folder).iterdir()} >= {
            "model.json",
            "trees.txt",
            "hazard.txt",
        }
    assert not [name for name in files if name.endswith((".pkl", ".py", ".pickle", ".joblib"))]


def test_the_example_is_nobodys_data(served):
    """An example of real events would put a person into every copy of the model."""
    example = served.input_example
    assert set(example) == {"events", "prospects"}
    for records in example.values():
        assert {record["prospect_id"] for record in records} == {"ada@example.com"}
    assert {"company_size", "source"} <= set(example["prospects"][0])
