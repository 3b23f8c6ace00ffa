"""`dvc.yaml` tells the truth: about code, settings, paths, and about `microconv run`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from microconv.settings import Settings
from microconv.stages.pipeline import INPUT, STAGES
from stage_code import DVC_FILES, code_of, declared, folded, module_of, stages_of

ROOT = Path(__file__).parents[2]
EVERY_STAGE = {name: stage for file in DVC_FILES for name, stage in stages_of(file).items()}


def paths(entries):
    """List the paths of deps or outs, whatever options stand beside them."""
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


def options(stage):
    """Parse a stage's command line into option → value."""
    words = shlex.split(stage["cmd"].replace("${", "$\\{"))
    assert words[:2] == ["python", "-m"]
    names = [word.removeprefix("--").replace("-", "_") for word in words[3::2]]
    return dict(zip(names, (word.replace("$\\{", "${") for word in words[4::2]), strict=True))


@pytest.mark.parametrize("name", EVERY_STAGE)
def test_a_stage_declares_the_code_it_runs(name):
    """Edit a module that a stage runs but does not declare, and DVC reports a stale result."""
    stage = EVERY_STAGE[name]
    runs = code_of(module_of(stage))
    assert runs <= declared(stage), "run `make declare`"
    code = [dep for dep in paths(stage["deps"]) if dep.startswith("src/")]
    assert sorted(code) == sorted(folded(runs)), "run `make declare`"


@pytest.mark.parametrize("name", EVERY_STAGE)
def test_the_paths_of_a_command_are_the_declared_data_deps_and_outs(name):
    """A path that DVC does not know of is neither cached nor checked."""
    stage = EVERY_STAGE[name]
    data = {dep for dep in paths(stage.get("deps", [])) if not dep.startswith("src/")}
    outs = [entry for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])]
    used = options(stage)
    assert used.pop("params") == "params.yaml"
    assert sorted(used.values()) == sorted(data | paths(outs))


def test_microconv_run_does_what_dvc_does():
    """The two must give the same list: same stages, order, options, paths and settings."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert list(stages) == [stage.name for stage in STAGES]
    for stage in STAGES:
        in_dvc = stages[stage.name]
        used = options(in_dvc)
        del used["params"]
        assert used == {**stage.reads, **stage.writes}
        data = {dep for dep in paths(in_dvc["deps"]) if not dep.startswith("src/")}
        assert data == set(stage.reads.values())
        assert tuple(in_dvc.get("params", ())) == stage.sections


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
        assert set(stage.get("params", ())) <= set(Settings.model_fields)


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
    few = {Path("src/microconv") / name for name in ("errors.py", "stages/shell.py")}
    assert folded(few) == ["src/microconv/errors.py", "src/microconv/stages/shell.py"]
    room = Path("src/microconv/histories")
    files = sorted(f.relative_to(ROOT) for f in (ROOT / room).iterdir() if f.is_file())
    half = len(files) // 2
    assert folded(set(files[:half])) == [file.as_posix() for file in files[:half]]
    assert folded(set(files[: half + 1])) == [room.as_posix()]


def test_the_receipt_of_tracking_is_no_cached_data():
    """A receipt from the cache would claim a run that this store has never seen."""
    (receipt,) = EVERY_STAGE["track"]["outs"]
    assert receipt == {"reports/tracking.json": {"cache": False}}
