"""What each stage spends on importing: our own modules, and the libraries it brings.

``python benchmarks/imports.py`` imports every stage in a process of its own
(``python -X importtime``) and prints the seconds of our own modules, those of all
others, and which of the slow libraries a stage has loaded by then. Bytecode is kept, as
`make` has it kept, and a first import of each stage is not counted.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from microconv.stages.pipeline import STAGES

LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)")

SLOW = (
    "altair", "duckdb", "ibis", "lightgbm", "mlflow", "numba", "optuna", "pandas", "pyarrow",
    "pyspark", "scipy", "sklearn", "statsmodels",
)  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(f"{'stage':10} {'ours':>7} {'others':>7}  libraries loaded before anything is read")
    for stage in STAGES:
        dict(imports(stage.name))  # the first may still have to compile what it imports
        runs = [dict(imports(stage.name)) for _ in range(rounds)]
        ours = median(sum(t for name, t in run.items() if _ours(name)) for run in runs)
        others = median(sum(t for name, t in run.items() if not _ours(name)) for run in runs)
        loaded = [name for name in SLOW if name in runs[0]]
        print(f"{stage.name:10} {ours:6.3f}s {others:6.2f}s  {', '.join(loaded) or 'none'}")


def _ours(name: str) -> bool:
    return name.split(".")[0] == "microconv"


def imports(stage: str) -> Iterator[tuple[str, float]]:
    """Yield each module that a stage imports, and the seconds of its own body."""
    words = [sys.executable, "-X", "importtime", "-c", f"import microconv.stages.{stage}"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=environment)
    for own, _, name in LINE.findall(done.stderr):
        yield name, int(own) / 1e6


if __name__ == "__main__":
    main()
