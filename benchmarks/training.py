"""Seconds and memory of learning, beside plain `lightgbm.train` on the same matrix.

    python benchmarks/training.py                       # 1,000,000 rows x 300 columns, 2 % convert
    python benchmarks/training.py --rows 100000
    python benchmarks/training.py --rounds matrix "final fits" learn

A matrix is made from a hidden truth and learnt from the product's way: a trial on the later
slice, the final fits, the level. The final fits alone, and LightGBM alone with the product's own
settings on every row, are the comparison. Each runs in a process of its own, so that each one's
peak of memory is its own; the peak of `matrix` is that of making it. On a machine with other
work to do the seconds of the processor say more than those of the clock. Models are evaluated
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

FRESH = 40_000
RATE = 0.02


def main() -> None:
    """Print a line per round, and the ratios."""
    parser = argparse.ArgumentParser(description="Seconds and memory of learning.")
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
        figures[name] = told = json.loads(done.stdout.splitlines()[-1])
        print(f"{name:<10} {told['seconds']:7.1f} s  processor {told['cpu_seconds']:7.1f} s  "
              f"peak {told['peak_gb']:5.2f} GB  {told['said']}", flush=True)  # fmt: skip
    for name, other in (("learn", "final fits"), ("learn", "lightgbm"), ("final fits", "lightgbm")):
        if name in figures and other in figures:
            wall, work = (
                figures[name][what] / figures[other][what] for what in ("seconds", "cpu_seconds")
            )
            print(f"{name} / {other}: {wall:.2f}, of processor time {work:.2f}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def measure(name: str, given: argparse.Namespace) -> dict[str, float | str]:
    """Do one round: seconds without those of making the matrix, peak with it."""
    world = make(given.rows, given.columns, rate=RATE, seed=1)
    model = ModelSettings.model_validate({"seed": 1, **given.model})
    config = TrainingConfig(model, timedelta(days=HORIZON_DAYS), threads=given.threads)
    import lightgbm  # noqa: F401  (seconds of import are nobody's)
    import sklearn.linear_model  # noqa: F401

    begun, worked = time.perf_counter(), time.process_time()
    answer = ROUNDS[name](world, config)
    seconds, work = time.perf_counter() - begun, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES
    return {"seconds": seconds, "cpu_seconds": work, "peak_gb": peak, "said": answer(given)}


Answer = Callable[[argparse.Namespace], str]
"""What is said of a round after its time and memory have been taken."""


def matrix(world: World, config: TrainingConfig) -> Answer:
    """Do nothing but have the matrix."""
    converted = world.training_set.snapshots["converted"]
    return lambda given: f"{converted.mean():.4f} convert, {int(converted.sum()):,} rows"


def plainly(world: World, config: TrainingConfig) -> Answer:
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

    def answer(given: argparse.Namespace) -> str:
        fresh = _fresh(given)
        return held_against(fresh, grown.predict(fresh.training_set.values.T))

    return answer


def final_fits(world: World, config: TrainingConfig) -> Answer:
    """Fit the three base models on every row, once."""
    training_set, snapshots = world.training_set, world.training_set.snapshots
    train = training_set.labelled
    columns = training_set.fit_columns(train, snapshots["converted"].to_numpy(bool))
    blend = fit_base_models(snapshots, columns, train, config, None)

    def answer(given: argparse.Namespace) -> str:
        fresh = _fresh(given)
        said = blend.base_logits(_columns(fresh).values, threads=config.threads)
        parts = [f"{v}: {held_against(fresh, sigmoid(said[v]))}" for v in BASE_MODELS]
        return "; ".join(parts)

    return answer


def everything(world: World, config: TrainingConfig) -> Answer:
    """Learn as the product does."""
    fitted = fit_ensemble(world.training_set, world.training_set.labelled, config)

    def answer(given: argparse.Namespace) -> str:
        fresh = _fresh(given)
        p = fitted.ensemble.predict(_columns(fresh).values, threads=config.threads)
        return f"{held_against(fresh, p)}; {fitted.choice}"

    return answer


def _fresh(given: argparse.Namespace) -> World:
    return make(FRESH, given.columns, rate=RATE, seed=2)


def _columns(fresh: World) -> FittedColumns:
    """Fill the columns of fresh rows: their three sources are those of the training rows."""
    training_set = fresh.training_set
    converted = training_set.snapshots["converted"].to_numpy(bool)
    return training_set.fit_columns(training_set.labelled, converted)


def held_against(fresh: World, p: Floats) -> str:
    """Say how far probabilities are from the true ones."""
    q = fresh.truth
    apart = q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))
    return f"{1000 * apart.mean():.3f} above the truth, mean {p.mean() / q.mean():.3f}"


ROUNDS: dict[str, Callable[[World, TrainingConfig], Answer]] = {
    "matrix": matrix,
    "lightgbm": plainly,
    "final fits": final_fits,
    "learn": everything,
}

if __name__ == "__main__":
    main()
