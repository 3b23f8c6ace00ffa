"""The same model and list to the bit: after a kill, and on any number of threads."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from threadpoolctl import threadpool_limits

from microconv.demo import simulate
from microconv.stages.pipeline import STAGES, PipelineStage
from microconv.stages.runner import call
from microconv.storage.files import md5_of
from worlds.demo import world

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
UNTIL_SCORE = STAGES[: [stage.name for stage in STAGES].index("score") + 1]
BY_NAME = {stage.name: stage for stage in UNTIL_SCORE}
MODEL_AND_LIST = ("models/prospect_model", "reports/prospects.parquet", "reports/prospects.csv")
SMALL = {
    "ingest": {"buckets": 4},
    "backtest": {"folds": 1},
    "model": {
        "trees": {"num_iterations": 40},
        "hazard": {"num_iterations": 40},
        "forest": {"trees": 20},
        "ready": {"conversions": 30},  # below it the fallback is used
    },
}


@dataclass(frozen=True)
class Run:
    """A folder with the outputs of a run, its params and its exports."""

    root: Path
    params: Path
    raw: Path

    def words(self, stage: PipelineStage) -> list[str]:
        """Write a stage's command line."""
        return stage.arguments(self.params, inputs=self.raw, root=self.root)

    def all_stages(self, names: Iterable[str] = tuple(BY_NAME)) -> Run:
        """Run stages in this process, by default everything up to the list."""
        for name in names:
            stage = getattr(import_module(f"microconv.stages.{name}"), name)
            call(stage, self.words(BY_NAME[name]))
        return self

    def start(self, stage: PipelineStage) -> subprocess.Popen[bytes]:
        """Start a stage as the program that DVC runs."""
        words = [sys.executable, "-m", f"microconv.stages.{stage.name}", *self.words(stage)]
        out = subprocess.DEVNULL
        return subprocess.Popen(words, stdout=out, stderr=out)

    def bits(self, paths=MODEL_AND_LIST) -> dict[str, str]:
        """Fingerprint outputs."""
        return {path: md5_of(self.root / path) for path in paths}

    def unfinished(self, paths: tuple[str, ...]) -> list[Path]:
        """List what lies beside some outputs: begun, and not taken away."""
        places = [self.root / path for path in paths]
        return [left for place in places for left in place.parent.glob(f".{place.name}.*")]


def write_params(file: Path, **engine) -> Path:
    """Write the shipped params.yaml, made small."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section, changes in SMALL.items():
        content[section] |= changes
    content["engine"] = engine or {"threads": None}
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Run:
    """Run a small demo world from its exports to its list."""
    folder = tmp_path_factory.mktemp("undisturbed")
    simulate(world(prospects=1500), out=folder / "raw", truth=folder / "truth")
    return Run(folder / "run", write_params(folder / "params.yaml"), folder / "raw").all_stages()


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("backtest", None), ("train", None), ("score", None), ("train", 8.0)],
    ids=["backtest writes", "train writes", "score writes", "train learns"],
)
def test_killed_and_run_again_it_is_as_if_nothing_had_happened(
    undisturbed, tmp_path, name, seconds
):
    """`kill -9`: no half of an output is ever seen, and the next run leaves nothing of it."""
    stage = BY_NAME[name]
    run = replace(undisturbed, root=tmp_path / "run")
    shutil.copytree(undisturbed.root, run.root)
    outputs = tuple(stage.writes.values())
    kept = undisturbed.bits(outputs)
    child = run.start(stage)
    began = time.monotonic()
    while child.poll() is None and not run.unfinished(outputs):
        if seconds is not None and time.monotonic() - began > seconds:
            break
        time.sleep(0.0002)
    child.kill()
    child.wait()
    assert run.bits(outputs) == kept  # the old ones, whole
    assert run.start(stage).wait() == 0
    assert run.bits(outputs) == kept
    assert run.unfinished(outputs) == []


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_number_of_threads_changes_no_bit_of_model_or_list(undisturbed, tmp_path, threads):
    """The engine's, and those that the libraries start by themselves; else it is every core."""
    params = write_params(tmp_path / "params.yaml", threads=threads)
    run = replace(undisturbed, root=tmp_path / "run", params=params)
    shutil.copytree(undisturbed.root, run.root)
    for path in MODEL_AND_LIST:
        place = run.root / path
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    with threadpool_limits(threads):  # as OMP_NUM_THREADS, and its likes, would
        run.all_stages(["train", "score"])
    assert run.bits() == undisturbed.bits()
