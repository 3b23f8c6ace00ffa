"""The file of a search: what it contains is what later stages use."""

from __future__ import annotations

import json

import pytest

from microconv.errors import MissingInputError, ModelError
from microconv.model.search_result import SearchResult, Trial, searched_settings
from worlds.training_sets import MODEL, settings_for

SLOW_TREES = {**MODEL.trees.model_dump(), "num_leaves": 9}
OTHER = {"trees": SLOW_TREES, "hazard": SLOW_TREES, "regression": {"inverse_penalty": 0.25}}
DONE = SearchResult(
    "",
    (
        Trial(0, searched_settings(MODEL), (0.5, 0.4), 1.5),
        Trial(1, OTHER, (0.4, 0.3), 1.0),
        Trial(2, OTHER, (0.9,), 0.5, pruned=True),
    ),
    "2024-06-24T00:00:00+00:00",
    ({"train": ["2024-03-04T00:00:00+00:00"], "test": ["2024-04-29T00:00:00+00:00"]},),
)


def test_what_is_written_is_what_is_read(tmp_path):
    """Backtest and train are other processes."""
    chosen = DONE.choose(1, "the first is best")
    chosen.write(tmp_path / "models" / "search.json")
    assert SearchResult.read(tmp_path / "models" / "search.json") == chosen


def test_chosen_settings_take_the_place_of_the_given_ones_and_nothing_else_changes():
    """A search that changed the seed, say, would not be the one in the settings."""
    model = DONE.choose(1, "").apply(settings_for()).model
    assert (model.trees.num_leaves, model.hazard.num_leaves) == (9, 9)
    assert model.regression.inverse_penalty == 0.25
    same = {"trees": MODEL.trees, "hazard": MODEL.hazard, "regression": MODEL.regression}
    assert model.model_copy(update=same) == MODEL


@pytest.mark.parametrize(
    "done", [SearchResult("off"), DONE.choose(0, "")], ids=["off", "nothing better"]
)
def test_without_a_better_trial_the_given_settings_stay(done):
    """The settings of params.yaml are used, unless something better was found."""
    assert done.apply(settings_for()) == settings_for()


def test_a_pruned_trial_has_no_loss(tmp_path):
    """Its figure is of the first folds only, and would look like one of all."""
    DONE.write(tmp_path / "search.json")
    trials = json.loads((tmp_path / "search.json").read_text())["trials"]
    assert [trial["loss"] for trial in trials] == [0.4, 0.3, None]


def test_a_search_that_is_not_there_names_the_stage(tmp_path):
    """One sentence that names what to run."""
    with pytest.raises(MissingInputError, match="Run the stage `search`"):
        SearchResult.read(tmp_path / "search.json")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"summary": "", "settings": null, "trials": [{"number": 1}]}'],
    ids=["empty", "a list", "no trials", "half a trial"],
)
def test_a_file_of_something_else_is_refused_in_a_sentence(tmp_path, text):
    """Cut short or edited by hand, it must not end in a traceback."""
    (tmp_path / "search.json").write_text(text)
    with pytest.raises(ModelError, match="Run the stage `search` again"):
        SearchResult.read(tmp_path / "search.json")


def test_settings_out_of_their_range_are_refused(tmp_path):
    """The limits of params.yaml hold for a search too."""
    bad = {**OTHER, "regression": {"inverse_penalty": -1}}
    SearchResult("", (Trial(1, bad, (0.1,), 1.0, chosen=True),)).write(tmp_path / "search.json")
    with pytest.raises(ModelError, match="inverse_penalty"):
        SearchResult.read(tmp_path / "search.json")
