"""The run log: what a run holds, and that the same run is never logged twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from microconv.errors import MissingInputError
from microconv.settings import check_settings
from microconv.storage.files import md5_of
from microconv.tracking.run_log import CHALLENGER, log_run
from worlds.ranking import settings


def runs_of(client):
    """List the runs of the experiment, by name; the parent has a made-up one."""
    experiment = client.get_experiment_by_name("test")
    return client.search_runs([experiment.experiment_id])


def below(client, entry):
    """List the runs below the parent."""
    return [r for r in runs_of(client) if r.data.tags.get("mlflow.parentRunId") == entry.run_id]


def test_the_parent_shows_the_candidates_figures_and_each_fold_as_a_step(client, entry):
    """Runs are compared by these numbers, and drawn over the folds."""
    metrics = client.get_run(entry.run_id).data.metrics
    assert metrics["auc"] == 0.75
    assert metrics["auc.low"] == 0.65
    assert "auc.high" not in metrics  # null is no number
    history = client.get_metric_history(entry.run_id, "fold.auc")
    assert [(point.step, point.value) for point in history] == [(0, 0.5), (1, 1.0)]


def test_every_candidate_has_a_run_below_the_parent(client, entry):
    """The baselines are logged for comparison."""
    children = {
        run.info.run_name: run.data.metrics["auc"]
        for run in below(client, entry)
        if "microconv.chosen" not in run.data.tags
    }
    assert children == {"ensemble": 0.75, "recency": 0.625}


def test_every_trial_of_a_search_has_a_run_below_the_parent(client, entry):
    """What was tried, what it cost, and what was given up."""
    trials = {
        run.info.run_name: run.data for run in below(client, entry) if "seconds" in run.data.metrics
    }
    assert set(trials) == {"trial 000", "trial 001"}
    assert trials["trial 000"].params == {
        "trees.num_leaves": "4",
        "trees.learning_rate": "0.04",
    }
    assert trials["trial 000"].metrics["log_loss"] == 0.4
    assert trials["trial 000"].tags["microconv.chosen"] == "true"
    assert "log_loss" not in trials["trial 001"].metrics
    assert trials["trial 001"].tags["microconv.pruned"] == "true"


def test_another_speed_of_the_same_search_is_the_same_entry(client, entry, files, store, tmp_path):
    """Seconds differ on every run; what was found is in the model."""
    slower = tmp_path / "search.json"
    slower.write_text(files["search"].read_text().replace("1.5", "2.5"))
    assert log_run(settings(), {**files, "search": slower}, store=store) == entry


def test_settings_are_parameters_and_threads_are_not(client, entry):
    """What cannot change a result must not make two runs look different."""
    params = client.get_run(entry.run_id).data.params
    assert params["snapshots.horizon_days"] == "30.0"
    assert params["model.trees.num_iterations"] == "20"
    assert params["journey.steps.pricing.commitment"] == "3"
    assert not [name for name in params if name.startswith("engine")]


def test_inputs_are_named_by_their_md5(client, entry, files):
    """Whoever holds a file can tell whether it is the one."""
    inputs = {
        i.dataset.name: i.dataset.digest for i in client.get_run(entry.run_id).inputs.dataset_inputs
    }
    assert inputs == {name: md5_of(path) for name, path in files.items()}


def test_reports_are_kept_and_the_list_of_people_is_not(client, entry):
    """Charts are logged; names and addresses are not."""
    kept = {file.path for file in client.list_artifacts(entry.run_id)}
    assert {"evaluation.json", "ingest.json", "model.html", "plots", "params.json"} <= kept
    assert not [path for path in kept if path.endswith((".csv", ".parquet"))]


def test_the_same_inputs_are_the_same_entry(client, entry, files, store):
    """A stage that runs again in a fresh clone must not log copies."""
    before = len(runs_of(client))
    assert log_run(settings(), files, store=store) == entry
    assert len(runs_of(client)) == before
    assert len(client.search_model_versions("name = 'test'")) == 1


def test_the_challenger_is_the_version_of_the_run(client, entry):
    """What was trained last is what a person may promote."""
    assert str(client.get_model_version_by_alias("test", CHALLENGER).version) == entry.version
    assert client.get_model_version("test", entry.version).run_id == entry.run_id


def test_an_entry_that_was_cut_short_is_written_again(client, entry, files, store, monkeypatch):
    """A run without a model would be found for ever, and never have one."""
    changed = settings()
    changed = changed.model_copy(
        update={"evaluate": changed.evaluate.model_copy(update={"seed": 2})}
    )
    with monkeypatch.context() as broken:
        broken.setattr("microconv.tracking.run_log._register", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            log_run(changed, files, store=store)
    again = log_run(changed, files, store=store)
    assert again.run_id != entry.run_id
    assert again.version == "2"
    assert log_run(settings(), files, store=store) == entry
    assert str(client.get_model_version_by_alias("test", CHALLENGER).version) == entry.version


def test_a_missing_file_is_named_before_anything_is_written(files, store, tmp_path):
    """Half an entry is worse than none."""
    with pytest.raises(MissingInputError, match=r"nowhere\.html"):
        log_run(settings(), {**files, "model_page": tmp_path / "nowhere.html"}, store=store)


def test_a_journey_of_very_many_steps_is_one_parameter_and_a_file(client, files, store):
    """Five thousand steps were 35,000 parameters, written one row each for minutes."""
    given = settings().model_dump(mode="json")
    pages = {f"page_{k}": {"kind": "exposure"} for k in range(600)}
    given["journey"]["steps"] |= pages
    entry = log_run(check_settings(given), files, store=store)
    params = client.get_run(entry.run_id).data.params
    assert params["journey.steps"] == f"{len(given['journey']['steps'])} steps, in params.json"
    assert params["model.seed"] == "1"
    assert not [name for name in params if "page_" in name]
    kept = client.download_artifacts(entry.run_id, "params.json")
    assert "page_599" in json.loads(Path(kept).read_text())["journey"]["steps"]
