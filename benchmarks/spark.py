"""Cost of Spark on one machine, and identical results: local[2] compared with two threads.

``python benchmarks/spark.py`` makes 1 M events of 50,000 prospects (2 % of them
late, ties among them), trains a model on a tenth as many, and lets each engine, in a
process of its own, ingest them, take the snapshots, build the features and score the list:
twice, because the first time the executors' Python workers import the libraries.
Then every file of the log, of snapshots and features is compared with the other engine's,
byte by byte, and so is every probability and row of the list.

On one machine Spark is only slower: the figures are its overhead.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from big_export import DAYS, START, params_for, write_export

from microconv.engines.engine import open_engine
from microconv.features.featurize_log import featurize_log
from microconv.features.training_set import load_training_set
from microconv.histories.snapshot_log import snapshot_log
from microconv.ingest.ingest import Outputs, ingest
from microconv.journey import JourneyMap
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.bucket import ScoringTask, score_bucket
from microconv.ranking.selection.top_k import SCORES, merge_buckets
from microconv.settings import EngineSettings, Settings, read_settings
from microconv.storage.files import md5_of
from microconv.storage.log import EventLog

ENGINES = {
    "local": EngineSettings(threads=2),
    "spark": EngineSettings(name="spark", master="local[2]"),
}
ROUNDS = ("first", "second")
STEPS = ("ingest", "snapshot", "featurize", "score")
LIMIT = 500


def main() -> None:
    """Measure, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--prospects", type=int, default=50_000)
    parser.add_argument("--buckets", type=int, default=16)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--one", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_one(arguments.one, arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder, arguments)
        costs = {name: measure(name, folder) for name in ENGINES}
        size = check_same(folder)
    figures = {"size": size, "seconds": costs}
    report(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def prepare(folder: Path, arguments: argparse.Namespace) -> None:
    """Write the log, and a model that is trained on a smaller one of the same kind."""
    write_log(folder, arguments.events, arguments.prospects, arguments.buckets)
    small = folder / "small"
    settings = write_log(small, arguments.events // 10, arguments.prospects // 10, 4)
    log = EventLog.open(small / "log")
    for name in ("snapshots", "features"):
        (small / name).mkdir()
    snapshot_log(log, settings, out=small / "snapshots")
    featurize_log(log, settings, snapshots=small / "snapshots", out=small / "features")
    training_set = load_training_set(
        log,
        small / "snapshots",
        small / "features",
        journey=JourneyMap.from_settings(settings.journey),
        settings=settings.features,
    )
    ProspectModel.fit(training_set, settings).save(folder / "model")


def write_log(folder: Path, events: int, prospects: int, buckets: int) -> Settings:
    """Make an export, its settings and its log."""
    write_export(folder / "raw", events=events, prospects=prospects)
    params = params_for(folder / "raw", buckets=buckets, threads=2)
    params["snapshots"] |= {"first": (START + timedelta(days=60)).isoformat(), "every_days": 40}
    params["model"] |= {"trees": {"num_iterations": 60}, "hazard": {"num_iterations": 60}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    settings = read_settings(folder / "params.yaml")
    outputs = Outputs(folder / "log", folder / "quarantine.parquet", folder / "ingest.json")
    ingest(settings.ingest, outputs=outputs, engine=settings.engine)
    return settings


def measure(name: str, folder: Path) -> dict[str, dict[str, float]]:
    """Run all steps with one engine in a separate process."""
    command = [sys.executable, __file__, "--one", name, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    cost: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {name}: {cost}", flush=True)
    return cost


def run_one(name: str, folder: Path) -> dict[str, dict[str, float]]:
    """Ingest, take the snapshots, build the features and score, twice; say what each took."""
    given = read_settings(folder / "params.yaml")
    settings = given.model_copy(update={"engine": ENGINES[name]})
    log, model = EventLog.open(folder / "log"), ProspectModel.load(folder / "model")
    cost: dict[str, dict[str, float]] = {}
    began = time.perf_counter()
    with open_engine(settings.engine):  # the steps below find the session running
        cost["start"] = {"seconds": time.perf_counter() - began}
        for turn in ROUNDS:
            cost[turn] = {}
            for step in STEPS:
                out = folder / name / turn / step
                out.mkdir(parents=True)
                began = time.perf_counter()
                run_step(step, log, model, settings, out)
                cost[turn][step] = time.perf_counter() - began
    return cost


def run_step(step: str, log: EventLog, model: ProspectModel, settings: Settings, out: Path) -> None:
    """Do one step as the stage of its name does."""
    if step == "ingest":
        outputs = Outputs(out / "log", out / "quarantine.parquet", out / "ingest.json")
        ingest(settings.ingest, outputs=outputs, engine=settings.engine)
    elif step == "snapshot":
        snapshot_log(log, settings, out=out)
    elif step == "featurize":
        featurize_log(log, settings, snapshots=out.parent / "snapshot", out=out)
    else:
        task = ScoringTask(model, START + timedelta(days=DAYS), LIMIT, reasons=3, threads=1)
        ask = partial(score_bucket, log, task=task)
        with open_engine(settings.engine) as engine:
            found = merge_buckets(engine.map_buckets(ask, log.buckets, codec=SCORES), LIMIT)
        best = task.explain(found.candidates)
        np.save(out / "probability.npy", found.probability)
        best.rows.to_parquet(out / "list.parquet")


def check_same(folder: Path) -> dict[str, int]:
    """Compare the engines' outputs, file by file and byte by byte."""
    seen = {md5_of(folder / name / turn) for name in ENGINES for turn in ROUNDS}
    if len(seen) != 1:
        raise SystemExit("the engines differ, or a second turn differs from the first")
    features = sorted((folder / "spark" / "first" / "featurize").glob("*.parquet"))
    scored = np.load(folder / "spark" / "first" / "score" / "probability.npy")
    print(
        f"identical: the log, {len(features)} files of features, "
        f"{len(scored):,} probabilities, a list of {LIMIT} with reasons"
    )
    facts = json.loads((features[0].parent / "features.json").read_text(encoding="utf-8"))
    return {"scored": len(scored), "rows": facts["rows"], "columns": facts["columns"]}


def report(figures: dict[str, Any]) -> None:
    """Print seconds and ratios."""
    size, seconds = figures["size"], figures["seconds"]
    print(f"{size['rows']:,} snapshots of {size['columns']} columns, {size['scored']:,} scored")
    print(f"a Spark session starts in {seconds['spark']['start']['seconds']:.1f} s")
    for turn in ROUNDS:
        for step in STEPS:
            local, spark = (seconds[name][turn][step] for name in ENGINES)
            print(f"{turn:6} {step:10} local {local:6.1f} s  local[2] {spark:6.1f} s")
        local, spark = (sum(seconds[name][turn].values()) for name in ENGINES)
        print(f"{turn:6} all        {spark / local:.2f} times, {spark - local:+.1f} s")


if __name__ == "__main__":
    main()
