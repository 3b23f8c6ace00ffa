"""How time and memory grow with the log: ingest, featurize and score at several sizes.

``python benchmarks/growth.py`` makes 1, 5 and 20 M events (``--millions 1 5 20 100`` for a
larger one: some 60 GB of disk), 20 a prospect, in as many buckets as follow from
`--memory-gb`, and runs each step once in a process of its own; its peak stands beside what
it was given. A list of 5,000 is made by a model that is trained at
the smallest size. The exponent is the slope of log seconds over log events, by least
squares: 1 is proportional. On a busy machine the processor's seconds say more than the
clock's.

``python benchmarks/growth.py --each 1 --buckets 4 --millions 0.2 0.8`` gives every prospect
one event on average, and keeps the number of buckets, so that each grows fourfold: what is
quadratic in the prospects of a bucket would show. The model is then trained on a log of
the smallest size with 20 events a prospect, as one event each is not enough to fit.

``--mail`` makes every event one of mail, so that ingest tells machines from people in all.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
from speed import prepare, run_step

MEASURED = ("ingest", "featurize", "score")

PER_PROSPECT = 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 5, 20])
    parser.add_argument("--each", type=float, default=PER_PROSPECT, help="events a prospect")
    parser.add_argument("--buckets", type=int, help="at every size; else as memory says")
    parser.add_argument("--mail", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-gb", type=float, default=4)
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
    exponents = report(costs, arguments.memory_gb)
    if arguments.json:
        figures = {"costs": costs, "exponents": exponents}
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def measure(
    folder: Path, events: int, model: Path, arguments: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Run every step at one size; the model is trained where there is none yet."""
    size = argparse.Namespace(
        events=events,
        prospects=round(events / arguments.each),
        buckets=arguments.buckets,
        threads=arguments.threads,
        memory_gb=arguments.memory_gb,
        mail=arguments.mail,
    )
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder, size)
    print(f"{events:,} events, {size.prospects:,} prospects", flush=True)
    if not (folder / "raw").exists():
        run_step("export", folder)
    costs = {step: run_step(step, folder) for step in ("ingest", "snapshot", "featurize")}
    if not model.exists():
        run_step("train", folder)
        shutil.move(folder / "model", model)
    shutil.copytree(model, folder / "model", dirs_exist_ok=True)
    return {**costs, "score": run_step("score", folder)}


def report(
    costs: dict[int, dict[str, dict[str, float]]], memory_gb: float
) -> dict[str, dict[str, float]]:
    """Print seconds (of the processor), peaks beside what was given by size, and the exponents."""
    exponents = {}
    sizes = np.log(list(costs))
    for step in (*MEASURED, "all three"):
        parts = MEASURED if step == "all three" else (step,)
        took = {
            clock: [sum(cost[part][clock] for part in parts) for cost in costs.values()]
            for clock in ("seconds", "processor")
        }
        peaks = [max(cost[part]["peak_gb"] for part in parts) for cost in costs.values()]
        exponents[step] = {
            clock: float(np.polyfit(sizes, np.log(spent), 1)[0]) if len(costs) > 1 else 1.0
            for clock, spent in took.items()
        }
        rows = zip(took["seconds"], took["processor"], peaks, strict=True)
        cells = [f"{s:.1f} s ({p:.1f} s) {g:.2f} of {memory_gb:g} GB" for s, p, g in rows]
        print(f"{step:10}", "; ".join(cells))
        clock, processor = exponents[step].values()
        print(f"{'':10} exponent {clock:.2f} (processor {processor:.2f})")
    return exponents


if __name__ == "__main__":
    main()
