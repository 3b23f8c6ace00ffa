"""Seconds and memory of training, compared with plain `lightgbm.train` on the same matrix.

    python benchmarks/training.py                       # 1,000,000 rows x 300 columns, 2 % convert
    python benchmarks/training.py --rows 100000
    python benchmarks/training.py --rounds matrix "final fits" fit_ensemble

A matrix is simulated from a known truth. The product fits its ensemble: a trial fit on the
later slice, the final fits, the calibration-in-the-large. It is compared with the final fits
alone, and with LightGBM alone with the product's own settings on every row. Each round runs in a
separate process, so peaks of memory are separate; the peak of `matrix` is that of making it. On
a busy machine processor seconds are more reliable than wall-clock seconds. Models are evaluated
on fresh rows: `above the truth` is the mean Kullback-Leibler divergence from their true
probabilities, in thousandths of a nat, `mean` the mean probability over the true one.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
from training_world import HORIZON_DAYS, World, make

from microconv.features.training_set import FittedColumns
from microconv.model.ensemble import BASE_MODELS
from microconv.model.fit import fit_base_models, fit_ensemble
from microconv.model.logistic import sigmoid
from microconv.model.training_rows import Floats, TrainingConfig, visit_order_weights
from microconv.settings import ModelSettings

KILOBYTES = 2**20
"""Of a gigabyte: `ru_maxrss` counts kilobytes."""

COMPARED = (
    ("fit_ensemble", "final fits"),
    ("fit_ensemble", "lightgbm"),
    ("final fits", "lightgbm"),
)
FRESH = 40_000
RATE = 0.02


def main() -> None:
    """Print a line per round, and the ratios."""
    parser = argparse.ArgumentParser(description="Seconds and memory of training.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=json.loads, default={}, help="settings, as JSON")
    parser.add_argument("--rounds", nargs="+", choices=ROUNDS, default=list(ROUNDS))
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--alone", choices=ROUNDS, help="one round, in this very process")
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(measure(given.alone, given)))
        return
    figures = {}
    for name in given.rounds:
        command = [sys.executable, __file__, *sys.argv[1:], "--alone", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        figures[name] = figure = json.loads(done.stdout.splitlines()[-1])
        print(f"{name:<12} {figure['seconds']:7.1f} s  processor {figure['cpu_seconds']:7.1f} s  "
              f"peak {figure['peak_gb']:5.2f} GB  {figure['result']}", flush=True)  # fmt: skip
    for name, other in (
        ("fit_ensemble", "final fits"),
        ("fit_ensemble", "lightgbm"),
        ("final fits", "lightgbm"),
    ):
        if name in figures and other in figures:
            wall, work = (
                figures[name][what] / figures[other][what] for what in ("seconds", "cpu_seconds")
            )
            print(f"{name} / {other}: {wall:.2f}, of processor time {work:.2f}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def measure(name: str, given: argparse.Namespace) -> dict[str, float | str]:
    """Run one round; seconds exclude making the matrix, the peak includes it."""
    world = make(given.rows, given.columns, rate=RATE, seed=1)
    model = ModelSettings.model_validate({"seed": 1, **given.model})
    config = TrainingConfig(model, timedelta(days=HORIZON_DAYS), threads=given.threads)
    import lightgbm  # noqa: F401  (import time is not measured)
    import sklearn.linear_model  # noqa: F401

    begun, worked = time.perf_counter(), time.process_time()
    describe = ROUNDS[name](world, config)
    seconds, work = time.perf_counter() - begun, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES
    return {"seconds": seconds, "cpu_seconds": work, "peak_gb": peak, "result": describe(given)}


Describe = Callable[[argparse.Namespace], str]
"""Returns a description of a round after its time and memory are measured."""


def matrix(world: World, config: TrainingConfig) -> Describe:
    """Return the matrix without fitting."""
    converted = world.training_set.snapshots["converted"]
    return lambda given: f"{converted.mean():.4f} convert, {int(converted.sum()):,} rows"


def plain_lightgbm(world: World, config: TrainingConfig) -> Describe:
    """Train LightGBM on every row, as its manual does, with the product's settings."""
    import lightgbm

    training_set, settings = world.training_set, config.model.trees
    parameters = {
        **{"objective": "binary", "bagging_freq": 1, "verbose": -1, "seed": 1},
        "num_threads": config.threads,
        **settings.model_dump(exclude={"num_iterations"}),
    }
    data = lightgbm.Dataset(
        training_set.values.T,
        training_set.snapshots["converted"].to_numpy(),
        weight=visit_order_weights(training_set.snapshots),
    )
    grown = lightgbm.train(parameters, data, num_boost_round=settings.num_iterations)

    def describe(given: argparse.Namespace) -> str:
        fresh = _fresh(given)
        return compare_with_truth(fresh, grown.predict(fresh.training_set.values.T))

    return describe


def final_fits(world: World, config: TrainingConfig) -> Describe:
    """Fit the three base models on every row, once."""
    training_set, snapshots = world.training_set, world.training_set.snapshots
    train = training_set.labelled
    columns = training_set.fit_columns(train, snapshots["converted"].to_numpy(bool))
    base = fit_base_models(snapshots, columns, train, config, None)

    def describe(given: argparse.Namespace) -> str:
        fresh = _fresh(given)
        logits = base.base_logits(_columns(fresh).values, threads=config.threads)
        parts = [f"{v}: {compare_with_truth(fresh, sigmoid(logits[v]))}" for v in BASE_MODELS]
        return "; ".join(parts)

    return describe


def full_fit(world: World, config: TrainingConfig) -> Describe:
    """Fit the ensemble as the product does."""
    fitted = fit_ensemble(world.training_set, world.training_set.labelled, config)

    def describe(given: argparse.Namespace) -> str:
        fresh = _fresh(given)
        p = fitted.ensemble.predict(_columns(fresh).values, threads=config.threads)
        return f"{compare_with_truth(fresh, p)}; {fitted.choice}"

    return describe


def _fresh(given: argparse.Namespace) -> World:
    return make(FRESH, given.columns, rate=RATE, seed=2)


def _columns(fresh: World) -> FittedColumns:
    """Fill the columns of fresh rows: their three sources are those of the training rows."""
    training_set = fresh.training_set
    converted = training_set.snapshots["converted"].to_numpy(bool)
    return training_set.fit_columns(training_set.labelled, converted)


def compare_with_truth(fresh: World, p: Floats) -> str:
    """Describe the distance of probabilities from the true ones."""
    q = fresh.truth
    divergence = q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))
    return f"{1000 * divergence.mean():.3f} above the truth, mean {p.mean() / q.mean():.3f}"


ROUNDS: dict[str, Callable[[World, TrainingConfig], Describe]] = {
    "matrix": matrix,
    "lightgbm": plain_lightgbm,
    "final fits": final_fits,
    "fit_ensemble": full_fit,
}

if __name__ == "__main__":
    main()
