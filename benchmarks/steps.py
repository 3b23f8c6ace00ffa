"""The measured steps of the speed benchmark; each runs in a process of its own.

``python benchmarks/steps.py STEP FOLDER`` prints one JSON line: seconds of the
step itself, imports and compilation apart, seconds of the processor that it took with
all it had to prepare, and the peak memory of the process.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from microconv.engines.engine import map_buckets
from microconv.features.featurize_log import featurize_log
from microconv.features.matrix import read_columns, write_columns
from microconv.histories.snapshot_log import snapshot_log
from microconv.settings import Settings, read_settings
from microconv.storage.log import EventLog

PEER_FAMILIES = ("counts", "recency", "path")

TRAINED_ON = 4
"""Buckets at most whose prospects the model of the scoring benchmark is trained on."""


def ingest(folder: Path, settings: Settings) -> dict[str, float]:
    """Ingest the export."""
    from microconv.ingest.ingest import Outputs
    from microconv.ingest.ingest import ingest as ingest_exports

    outputs = Outputs(folder / "log", folder / "quarantine.parquet", folder / "ingest.json")
    began = time.perf_counter()
    facts = ingest_exports(
        settings.ingest,
        outputs=outputs,
        input_dir=Path(settings.ingest.input_dir),
        engine=settings.engine,
    )
    return {"seconds": time.perf_counter() - began, "events": facts["events"]}


def export(folder: Path, settings: Settings) -> dict[str, float]:
    """Make the export, which no other step counts."""
    from big_export import write_export

    size = json.loads((folder / "size.json").read_text(encoding="utf-8"))
    began = time.perf_counter()
    write_export(folder / "raw", **size)
    return {"seconds": time.perf_counter() - began}


def snapshot(folder: Path, settings: Settings) -> dict[str, float]:
    """Take the snapshots."""
    out = fresh(folder / "snapshots")
    log = EventLog.open(folder / "log")
    began = time.perf_counter()
    snapshot_log(log, settings, out=out)
    return {"seconds": time.perf_counter() - began}


def featurize(folder: Path, settings: Settings) -> dict[str, float]:
    """Build every column."""
    return _featurize(folder, settings, "features")


def featurize_as_peer(folder: Path, settings: Settings) -> dict[str, float]:
    """Build the families that the peer builds too."""
    fewer = settings.features.model_copy(update={"families": PEER_FAMILIES})
    return _featurize(folder, settings.model_copy(update={"features": fewer}), "features_peer")


def _featurize(folder: Path, settings: Settings, name: str) -> dict[str, float]:
    log, snapshots, out = EventLog.open(folder / "log"), folder / "snapshots", fresh(folder / name)
    began = time.perf_counter()
    facts = featurize_log(log, settings, snapshots=snapshots, out=out)
    return {"seconds": time.perf_counter() - began, **{k: facts[k] for k in ("rows", "columns")}}


def floor(folder: Path, settings: Settings) -> dict[str, float]:
    """Read the same log with Arrow and write the same matrix, and nothing else."""
    log, out = EventLog.open(folder / "log"), fresh(folder / "floor")
    matrices = [
        read_columns(folder / "features" / f"{bucket:04d}.parquet") for bucket in range(log.buckets)
    ]

    def copy(bucket: int) -> int:
        rows: int = log.read_events(bucket).num_rows
        rows += pq.read_table(folder / "snapshots" / f"{bucket:04d}.parquet").num_rows
        columns, names = matrices[bucket]
        write_columns(out / f"{bucket:04d}.parquet", [columns], names)
        return rows

    began = time.perf_counter()
    sum(map_buckets(copy, log.buckets, threads=settings.engine.threads))
    return {"seconds": time.perf_counter() - began}


def polars(folder: Path, settings: Settings) -> dict[str, float]:
    """Build the shared columns with Polars, lazily and streaming."""
    from polars_peer import build_with_polars

    out = folder / "polars.parquet"
    out.unlink(missing_ok=True)
    began = time.perf_counter()
    columns = build_with_polars(folder / "log" / "events", settings, out)
    return {"seconds": time.perf_counter() - began, "columns": columns}


def pandas(folder: Path, settings: Settings) -> dict[str, float]:
    """Build the shared columns with pandas."""
    from pandas_peer import build_with_pandas

    out = folder / "pandas.parquet"
    out.unlink(missing_ok=True)
    began = time.perf_counter()
    columns = build_with_pandas(folder / "log" / "events", settings, out)
    return {"seconds": time.perf_counter() - began, "columns": columns}


def train(folder: Path, settings: Settings) -> dict[str, float]:
    """Train a model on the first buckets, as of five weeks before the end."""
    from datetime import timedelta

    from microconv.features.matrix import build_features, column_names
    from microconv.features.training_set import TrainingSet, locate_snapshots, snapshots_to_pandas
    from microconv.histories.load import load_histories
    from microconv.histories.snapshots import cohort_snapshots
    from microconv.histories.visible import visible_events
    from microconv.journey import JourneyMap
    from microconv.model.prospect_model import ProspectModel

    log, journey = EventLog.open(folder / "log"), JourneyMap.from_settings(settings.journey)
    until = log.observed_until(journey)
    as_ofs = [until - timedelta(days=35 + 14 * k) for k in (3, 2, 1, 0)]
    training_buckets = range(min(TRAINED_ON, log.buckets))
    events = pa.concat_tables([log.read_events(bucket) for bucket in training_buckets])
    began = time.perf_counter()
    histories = load_histories(events.unify_dictionaries(), journey)
    snapshots, _ = cohort_snapshots(histories, journey, settings.snapshots, as_ofs, until)
    visible = visible_events(histories, *locate_snapshots(snapshots, histories))
    names = column_names(journey, settings.features, {}, fitted=False)
    values = build_features(visible, journey, settings.features, {}, fitted=False)
    frame = snapshots_to_pandas(snapshots)
    training_set = TrainingSet(frame, names, values, visible, journey, settings.features)
    ProspectModel.fit(training_set, settings).save(folder / "model")
    return {"seconds": time.perf_counter() - began, "rows": len(frame)}


def score(folder: Path, settings: Settings) -> dict[str, float]:
    """Make the list from the log: 5,000 prospects with three reasons each."""
    from microconv.model.prospect_model import ProspectModel
    from microconv.ranking.bucket import ScoringTask, score_bucket
    from microconv.ranking.rank import rank_prospects

    log, model = EventLog.open(folder / "log"), ProspectModel.load(folder / "model")
    until = log.observed_until(model.journey)
    score_bucket(log, 0, ScoringTask(model, until, 10, reasons=3))  # loads every kernel
    began = time.perf_counter()
    ranking = rank_prospects(
        log,
        model=model,
        as_of=until,
        limit=5000,
        engine=settings.engine,
    )
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "scored": ranking.scored, "listed": len(ranking.frame)}


def predict(folder: Path, settings: Settings) -> dict[str, float]:
    """Predict the same matrix with LightGBM; reading is not counted."""
    import lightgbm as lgb

    from microconv.model.ensemble import BASE_MODELS
    from microconv.model.prospect_model import ProspectModel

    weights = ProspectModel.load(folder / "model").ensemble.weights
    shares = dict(zip(BASE_MODELS, weights, strict=True))
    trees = [
        lgb.Booster(model_file=folder / "model" / f"{base_model}.txt")
        for base_model in ("trees", "hazard")
        if shares[base_model]
    ]
    seconds = 0.0
    for file in sorted((folder / "features").glob("*.parquet")):
        values, _ = read_columns(file)
        matrix = values.T.copy()
        began = time.perf_counter()
        for booster in trees:
            booster.predict(matrix, raw_score=True, num_threads=settings.engine.threads)
        seconds += time.perf_counter() - began
    return {"seconds": seconds, "boosters": len(trees)}


STEPS: dict[str, Callable[[Path, Settings], dict[str, float]]] = {
    step.__name__: step
    for step in (
        export,
        ingest,
        snapshot,
        featurize,
        featurize_as_peer,
        floor,
        polars,
        pandas,
        train,
        score,
        predict,
    )
}


def fresh(folder: Path) -> Path:
    """Empty a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    return folder


def main() -> None:
    """Run one step and print what it cost."""
    step, folder = sys.argv[1], Path(sys.argv[2])
    settings = read_settings(folder / "params.yaml")
    if step not in ("export", "ingest", "polars", "pandas"):
        warm(settings)
    before = time.process_time()
    cost = STEPS[step](folder, settings)
    cost["processor"] = time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(json.dumps({"step": step, **cost, "peak_gb": peak}))


def warm(settings: Settings) -> None:
    """Load the compiled kernels before the clock starts, on a log of no events."""
    import numpy as np

    from microconv.features.matrix import build_features
    from microconv.histories.load import load_histories
    from microconv.histories.visible import visible_events
    from microconv.journey import JourneyMap
    from microconv.storage.log import MemoryLog
    from microconv.storage.schema import EVENTS

    journey = JourneyMap.from_settings(settings.journey)
    histories = load_histories(MemoryLog(EVENTS.empty_table()).read_events(0), journey)
    nobody = np.empty(0, np.int64)
    visible = visible_events(histories, nobody, nobody)
    build_features(visible, journey, settings.features, {}, fitted=False)


if __name__ == "__main__":
    main()
