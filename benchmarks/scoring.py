"""Seconds and memory from raw events to the list, beside the trees' own prediction.

``python benchmarks/scoring.py`` makes 20 M events of 1 M prospects (or ``--events``
and ``--prospects``, or takes those of ``benchmarks/speed.py --folder``), trains a
model on a part of them, and then, in turn and each in a process of its own:

* ``score``: the log in, a list of 5,000 with three reasons each out;
* ``featurize``: the columns of the same prospects, written as Parquet;
* ``predict``: LightGBM's ``Booster.predict`` on the same matrix, read beforehand.

The cost of scoring without the trees is compared with featurize.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from speed import command_line, prepare, run_step

ROUNDS = ("score", "featurize", "predict")


def main() -> None:
    """Measure and print."""
    arguments = command_line(__doc__)
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        prepare(folder, arguments)
        costs = measure(folder, arguments.rounds)
    figures = report(costs, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def measure(folder: Path, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Run what is missing once, and the compared steps in turn."""
    made = {"export": "raw", "ingest": "log", "snapshot": "snapshots", "train": "model"}
    once = [step for step, place in made.items() if not (folder / place).exists()]
    costs: dict[str, list[dict[str, float]]] = {}
    for step in (*once, *(list(ROUNDS) * rounds)):
        costs.setdefault(step, []).append(run_step(step, folder))
    return costs


def report(
    costs: dict[str, list[dict[str, float]]], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Print medians, and the ratio of each round."""
    seconds = {step: median(c["seconds"] for c in cost) for step, cost in costs.items()}
    peak = {step: max(c["peak_gb"] for c in cost) for step, cost in costs.items()}
    ratios = [
        (score["seconds"] - trees["seconds"]) / columns["seconds"]
        for score, columns, trees in zip(*(costs[step] for step in ROUNDS), strict=True)
    ]
    scored, listed = (costs["score"][0][name] for name in ("scored", "listed"))
    print(f"{arguments.events:,} events, {scored:,} scored, {listed:,} listed with their reasons, "
          f"{arguments.threads} threads, {arguments.buckets} buckets")  # fmt: skip
    for step in seconds:
        print(f"{step:12} {seconds[step]:7.1f} s  peak {peak[step]:.2f} GB")
    print(f"(score - predict) / featurize: {median(ratios):.2f} "
          f"(from {min(ratios):.2f} to {max(ratios):.2f})")  # fmt: skip
    return {"seconds": seconds, "peak_gb": peak, "ratios": ratios, "scored": scored}


if __name__ == "__main__":
    main()
