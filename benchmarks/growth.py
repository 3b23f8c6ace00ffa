"""How time and memory grow with the log: ingest, featurize and score at several sizes.

``python benchmarks/growth.py`` makes 1, 5 and 20 M events (``--millions 1 5 20 100`` for a
larger one: some 60 GB of disk), 20 a prospect and 312,500 a bucket or fewer, and runs each
step once in a process of its own. A list of 5,000 is made by a model that is trained at
the smallest size. The exponent is the slope of log seconds over log events, by least
squares: 1 is proportional.

``python benchmarks/growth.py --each 1 --buckets 4 --millions 0.2 0.8`` gives every prospect
one event on average, and keeps the number of buckets, so that each grows fourfold: what is
quadratic in the prospects of a bucket would show. The model is then trained on a log of
the smallest size with 20 events a prospect, as one event each teaches nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from speed import prepare, run_step

MEASURED = ("ingest", "featurize", "score")

PER_PROSPECT, PER_BUCKET = 20, 312_500


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 5, 20])
    parser.add_argument("--each", type=float, default=PER_PROSPECT, help="events a prospect")
    parser.add_argument("--buckets", type=int, help="at every size; else they grow with it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keep the exports here and use what is there")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    costs: dict[int, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        place = arguments.folder or Path(scratch)
        model = Path(scratch) / "trained"
        if arguments.each != PER_PROSPECT:
            apart = argparse.Namespace(**{**vars(arguments), "each": PER_PROSPECT})
            measure(Path(scratch) / "apart", round(min(arguments.millions) * 1e6), model, apart)
        for millions in sorted(arguments.millions):
            events = round(millions * 1e6)
            costs[events] = measure(place / str(events), events, model, arguments)
            if arguments.folder is None:
                shutil.rmtree(place / str(events))
    exponents = report(costs)
    if arguments.json:
        figures = {"costs": costs, "exponents": exponents}
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def measure(
    folder: Path, events: int, model: Path, arguments: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Run every step at one size; the model is trained where there is none yet."""
    buckets = arguments.buckets or 2 ** math.ceil(math.log2(max(1, events / PER_BUCKET)))
    size = argparse.Namespace(
        events=events,
        prospects=round(events / arguments.each),
        buckets=buckets,
        threads=arguments.threads,
    )
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder, size)
    print(f"{events:,} events, {size.prospects:,} prospects, {buckets} buckets", flush=True)
    if not (folder / "raw").exists():
        run_step("export", folder)
    costs = {step: run_step(step, folder) for step in ("ingest", "snapshot", "featurize")}
    if not model.exists():
        run_step("train", folder)
        shutil.move(folder / "model", model)
    shutil.copytree(model, folder / "model", dirs_exist_ok=True)
    return {**costs, "score": run_step("score", folder)}


def report(costs: dict[int, dict[str, dict[str, float]]]) -> dict[str, float]:
    """Print seconds and peaks by size, and the exponents."""
    exponents = {}
    sizes = np.log(list(costs))
    for step in (*MEASURED, "all three"):
        parts = MEASURED if step == "all three" else (step,)
        seconds = [sum(cost[part]["seconds"] for part in parts) for cost in costs.values()]
        peaks = [max(cost[part]["peak_gb"] for part in parts) for cost in costs.values()]
        exponents[step] = float(np.polyfit(sizes, np.log(seconds), 1)[0]) if len(costs) > 1 else 1.0
        said = ", ".join(f"{s:.1f} s {p:.2f} GB" for s, p in zip(seconds, peaks, strict=True))
        print(f"{step:10} {said}; exponent {exponents[step]:.2f}")
        busy = [sum(cost[part]["processor"] for part in parts) for cost in costs.values()]
        times = ", ".join(f"{after / before:.2f}" for before, after in pairwise(busy))
        print(f"{'':10} of the processor {', '.join(f'{s:.1f} s' for s in busy)}; times {times}")
    return exponents


if __name__ == "__main__":
    main()
