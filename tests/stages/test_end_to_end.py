"""The whole pipeline on a small demo world: by DVC in a repository, and by `microconv run`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dvc_yaml import code_of
from microconv.errors import BusyError
from microconv.settings import Settings, read_settings
from microconv.stages import pipeline, runner
from microconv.storage.files import md5_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run_root(repository, tmp_path_factory) -> Path:
    """Run the same exports and settings without DVC, watching which settings are read."""
    root = tmp_path_factory.mktemp("run")
    params, inputs = repository.path / "params.yaml", repository.path / "data/demo/raw"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for _ in pipeline.run_pipeline(params, inputs=inputs, root=root):
            pass
    return root


def outputs():
    """List every output that must not depend on how the pipeline was run."""
    return [
        path
        for stage in pipeline.STAGES
        for path in stage.writes.values()
        if path != "reports/tracking.json"
    ]


@pytest.mark.parametrize("path", outputs())
def test_run_and_dvc_write_the_same_bytes(repository, run_root, path):
    """One process or one per stage, with DVC or without: the same list."""
    assert md5_of(run_root / path) == md5_of(repository.path / path)


def test_a_second_run_in_one_root_waits_for_its_turn(repository, tmp_path):
    """Two runs would mix their outputs: a model of one, a list of the other."""
    params, inputs = repository.path / "params.yaml", repository.path / "data/demo/raw"
    first = pipeline.run_pipeline(params, inputs=inputs, root=tmp_path)
    next(first)  # ingest is done, and the lock is held until the end
    with pytest.raises(BusyError, match=r"Another run is running the pipeline in .*Wait"):
        next(pipeline.run_pipeline(params, inputs=inputs, root=tmp_path))
    first.close()
    next(pipeline.run_pipeline(params, inputs=inputs, root=tmp_path))


def test_a_second_repro_runs_nothing(repository):
    """A stage that always runs has an undeclared output, or an output that is not its own."""
    assert "Data and pipelines are up to date." in repository.dvc("repro")


def test_a_stage_loads_only_code_that_it_declares(repository):
    """The declared closure comes from reading the imports; this is what really was imported."""
    for stage in (*pipeline.STAGES, pipeline.SIMULATE):
        name = stage.name
        witnessed = json.loads(
            Path(repository.env["WITNESS"], f"microconv.stages.{name}").read_text()
        )
        loaded = {Path(file).relative_to(ROOT) for file in witnessed}
        assert loaded <= code_of(f"microconv.stages.{name}"), name


def test_a_metric_changes_without_refitting_anything(repository):
    """Predictions are kept, so another list size is a matter of seconds."""
    repository.set(evaluate={"list_size": 40})
    would = repository.dvc("repro", "--dry")
    assert "Running stage 'evaluate'" in would
    for fitted in ("simulate", "ingest", "featurize", "backtest", "train", "score"):
        assert f"Running stage '{fitted}'" not in would, fitted
    repository.set(evaluate={"list_size": 50})
    assert "up to date" in repository.dvc("status")


def test_editing_code_that_a_stage_runs_makes_it_run(repository):
    """The classic lie of pipelines: code changed, result did not."""
    file = repository.path / "src/microconv/evaluation/metrics.py"
    text = file.read_text()
    file.write_text(text + "\n")
    would = repository.dvc("repro", "--dry")
    file.write_text(text)
    assert "Running stage 'evaluate'" in would
    assert "Running stage 'train'" not in would


def test_the_headline_is_a_metric(repository):
    """`dvc metrics` compares runs by a dozen numbers, not by a thousand."""
    shown = json.loads(repository.dvc("metrics", "show", "--json"))
    figures = shown[""]["data"]["reports/metrics.json"]["data"]
    assert 0.5 < figures["auc"] <= 1
    assert len(figures) < 20


def test_plots_are_drawn_from_the_tables(repository):
    """A plot whose column was renamed is an error here, not an empty page later."""
    repository.dvc("plots", "show", "-o", "plots")
    page = (repository.path / "plots/index.html").read_text()
    assert "share_of_rows" in page
    assert "predicted" in page
    assert "2024-0" in page


@pytest.mark.parametrize("stage", pipeline.STAGES, ids=lambda stage: stage.name)
def test_a_stage_reads_only_the_sections_that_it_declares(repository, run_root, stage, monkeypatch):
    """A section that is read and not declared is a setting whose change goes unnoticed."""
    read = set()

    class Watched(Settings):
        def __getattribute__(self, name):
            if name in Settings.model_fields:
                read.add(name)
            return super().__getattribute__(name)

    plain = read_settings(repository.path / "params.yaml")
    watched = Watched.model_validate(plain.model_dump())
    monkeypatch.setattr("microconv.settings.read_settings", lambda _: watched)
    monkeypatch.setattr(
        Watched,
        "model_dump",
        lambda self, **how: read.update(stage.sections) or plain.model_dump(**how),
    )
    read.clear()
    arguments = stage.arguments(
        repository.path / "params.yaml", inputs=repository.path / "data/demo/raw", root=run_root
    )
    if stage.name == "track":
        arguments += ["--store", str(run_root)]
    function = getattr(
        __import__(f"microconv.stages.{stage.name}", fromlist=[stage.name]), stage.name
    )
    runner.call(function, arguments)
    assert read - {"engine"} == set(stage.sections)  # threads change no value
