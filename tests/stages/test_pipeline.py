"""The table of the pipeline, and the `dvc.yaml` files that are generated from it."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from dvc_yaml import code_of, dvc_files, folded
from microconv.settings import Settings
from microconv.stages.pipeline import INPUT, SIMULATE, STAGES

ROOT = Path(__file__).parents[2]
EVERY_STAGE = {stage.name: stage for stage in (*STAGES, SIMULATE)}


@pytest.mark.parametrize("file", dvc_files(), ids=str)
def test_the_dvc_files_are_what_the_table_generates(file):
    """A stage that does not declare what it reads or runs gives stale results, silently."""
    assert (ROOT / file).read_text() == dvc_files()[file], "run `make dvc.yaml`"


@pytest.mark.parametrize("name", EVERY_STAGE)
def test_a_stage_takes_exactly_the_paths_that_it_declares(name):
    """A path that DVC does not know of is neither cached nor checked."""
    function = getattr(import_module(f"microconv.stages.{name}"), name)
    options = {
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
    }
    stage = EVERY_STAGE[name]
    assert options == {*stage.reads, *stage.writes}
    assert not set(stage.reads.values()) & set(stage.writes.values())


@pytest.mark.parametrize("name", EVERY_STAGE)
def test_the_command_in_dvc_yaml_names_every_path(name):
    """What DVC runs must read and write where the table says."""
    file = "data/demo/dvc.yaml" if name == "simulate" else "dvc.yaml"
    declared = yaml.safe_load((ROOT / file).read_text())["stages"][name]
    words = declared["cmd"].split()
    assert words[:5] == ["python", "-m", f"microconv.stages.{name}", "--params", "params.yaml"]
    outs = [o if isinstance(o, str) else next(iter(o)) for o in declared["outs"]]
    data = {dep for dep in declared.get("deps", []) if not dep.startswith("src/")}
    assert set(words[6::2]) == data | set(outs) | set(declared.get("metrics", []))


def test_a_stage_reads_only_what_an_earlier_one_wrote():
    """The order of the table is the order of the data."""
    made = {INPUT}
    for stage in STAGES:
        assert set(stage.reads.values()) <= made, stage.name
        assert not made.intersection(stage.writes.values()), stage.name
        made |= set(stage.writes.values())


def test_sections_of_settings_are_declared_whole():
    """A key forgotten in a list of keys would be a setting that changes nothing."""
    for stage in EVERY_STAGE.values():
        assert set(stage.sections) <= set(Settings.model_fields)


def test_a_stage_depends_on_the_code_it_runs():
    """Code that a stage reaches through other modules counts, code that it never runs does not."""
    code = code_of("microconv.stages.snapshot")
    assert Path("src/microconv/histories/snapshots.py") in code
    assert Path("src/microconv/storage/log.py") in code  # imported by modules that it imports
    assert not [file for file in code if "model" in file.parts or "tracking" in file.parts]


def test_code_is_imported_by_name_only():
    """The closure of a stage is found from import statements; a computed name would hide one."""
    allowed = {Path("src/microconv/stages/pipeline.py"), Path("src/microconv/__init__.py")}
    hidden = [
        file.relative_to(ROOT)
        for file in (ROOT / "src").rglob("*.py")
        if re.search(r"import_module|__import__|run_module", file.read_text())
    ]
    assert set(hidden) <= allowed


def test_a_folder_stands_for_its_files_if_most_of_them_are_run():
    """DVC's lock is read and written around every stage, so it is kept short."""
    few = {Path("src/microconv") / name for name in ("errors.py", "stages/runner.py")}
    assert folded(few) == ["src/microconv/errors.py", "src/microconv/stages/runner.py"]
    package = Path("src/microconv/histories")
    files = sorted(f.relative_to(ROOT) for f in (ROOT / package).iterdir() if f.is_file())
    half = len(files) // 2
    assert folded(set(files[:half])) == [file.as_posix() for file in files[:half]]
    assert folded(set(files[: half + 1])) == [package.as_posix()]


def test_the_receipt_of_tracking_is_not_cached():
    """A receipt from the cache would claim a run that this MLflow store has never seen."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert stages["track"]["outs"] == [{"reports/tracking.json": {"cache": False}}]
