"""What a row costs when a prospect has a snapshot at one instant, and at many.

``python benchmarks/cutoffs.py`` makes 2 M events of 100,000 prospects (or
``--events`` and ``--prospects``), takes snapshots of everybody at 1, 6 and 26 weekly instants, and
builds every column of every row, in turn, ``--rounds`` times. It prints the
microseconds of a row.

Weeks earlier a history is shorter, and so is the work on it: with ``--every-days 0.25``
all instants lie in the last week, and every row has as much to read.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

import yaml
from big_export import params_for
from speed import run_step

INSTANTS = (1, 6, 26)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--prospects", type=int, default=100_000)
    parser.add_argument("--buckets", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every-days", type=float, default=7, help="between two instants")
    arguments = parser.parse_args()
    costs: dict[int, list[float]] = {n: [] for n in INSTANTS}
    rows: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        size = {"events": arguments.events, "prospects": arguments.prospects}
        (folder / "size.json").write_text(json.dumps(size), encoding="utf-8")
        _settings(folder, arguments, instants=1)
        for step in ("export", "ingest"):
            run_step(step, folder)
        for _ in range(arguments.rounds):
            for instants in INSTANTS:
                _settings(folder, arguments, instants=instants)
                run_step("snapshot", folder)
                cost = run_step("featurize", folder)
                costs[instants].append(cost["seconds"] / cost["rows"] * 1e6)
                rows[instants] = int(cost["rows"])
    for instants in INSTANTS:
        values = costs[instants]
        ratio = median(v / first for v, first in zip(values, costs[1], strict=True))
        spread = f"from {min(values):.1f} to {max(values):.1f}"
        row_cost = f"{rows[instants]:>9,} rows, {median(values):5.1f} us a row ({spread})"
        print(f"{instants:2} instants: {row_cost}, {ratio:.2f} of one instant's")


def _settings(folder: Path, arguments: argparse.Namespace, *, instants: int) -> None:
    params = params_for(folder / "raw", buckets=arguments.buckets, threads=arguments.threads)
    snapshots = params["snapshots"]
    assert isinstance(snapshots, dict)
    last = datetime.fromisoformat(snapshots["first"])
    snapshots["every_days"] = arguments.every_days
    back = timedelta(days=arguments.every_days * (instants - 1))
    snapshots["first"] = (last - back).isoformat()
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main()
