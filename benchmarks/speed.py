"""Speed and memory of ingest and featurize, beside the floor, Polars and pandas.

``python benchmarks/speed.py`` makes 20 M events of 1 M prospects (or ``--events``
and ``--prospects``), runs every step in a process of its own, the compared ones
in turn, ``--rounds`` times, and prints medians and ratios, and writes them as JSON.

The floor is the minimum work: reading the same log with Arrow and
writing the same matrix as Parquet, with the same codec (lz4), encoding (plain),
row groups (one per bucket of the log) and threads as featurize.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml
from big_export import params_for

HERE = Path(__file__).parent
PEERS = ("polars", "pandas")
ROUNDS = ("featurize", "floor", "featurize_as_peer", *PEERS)


def main() -> None:
    """Measure and print."""
    arguments = command_line(__doc__)
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        prepare(folder, arguments)
        costs = measure(folder, arguments.rounds)
        for peer in PEERS:
            check_same(folder, peer)
    figures = report(costs, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def command_line(describes: str | None) -> argparse.Namespace:
    """Read how large the log is, how often to measure, and where things are kept."""
    parser = argparse.ArgumentParser(description=describes)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--prospects", type=int, default=1_000_000)
    parser.add_argument("--buckets", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the data here and use what is there")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args()


def prepare(folder: Path, arguments: argparse.Namespace) -> None:
    """Write the settings of this run."""
    mail = getattr(arguments, "mail", False)
    params = params_for(
        folder / "raw", buckets=arguments.buckets, threads=arguments.threads, mail=mail
    )
    params["engine"] |= {"memory_gb": getattr(arguments, "memory_gb", 4)}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    size = {"events": arguments.events, "prospects": arguments.prospects, "mail": mail}
    (folder / "size.json").write_text(json.dumps(size), encoding="utf-8")


def measure(folder: Path, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Run the steps, the compared ones in turn."""
    costs: dict[str, list[dict[str, float]]] = {}
    once = [step for step, made in (("export", "raw"), ("ingest", "log"), ("snapshot", "snapshots"))
            if not (folder / made).exists()]  # fmt: skip
    for step in once:
        costs[step] = [run_step(step, folder)]
    for _ in range(rounds):
        read_all(folder / "log" / "events", folder / "snapshots")
        for step in ROUNDS:
            costs.setdefault(step, []).append(run_step(step, folder))
    return costs


def read_all(*folders: Path) -> None:
    """Bring files back into memory that a minute of peers may have driven out of it."""
    for file in (file for folder in folders for file in sorted(folder.glob("*.parquet"))):
        file.read_bytes()


def run_step(step: str, folder: Path) -> dict[str, float]:
    """Run one step in a separate process, and return its cost."""
    os.sync()  # what the step before left to be written is not written during this one
    command = [sys.executable, str(HERE / "steps.py"), step, str(folder)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"The step {step} failed.")
    cost: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {step}: {cost['seconds']:.1f} s, peak {cost['peak_gb']:.2f} GB", flush=True)
    return cost


def check_same(folder: Path, name_of_peer: str) -> None:
    """Compare every column of a peer with ours, prospect by prospect."""
    import polars as pl  # of the group `bench`, which benchmarks of one side do without

    peer = pl.read_parquet(folder / f"{name_of_peer}.parquet").sort("prospect_id")
    names = [name for name in peer.columns if name != "prospect_id"]
    ids, parts = [], []
    for file in sorted((folder / "features_peer").glob("*.parquet")):
        parts.append(pq.read_table(file, columns=names))
        ids += pq.read_table(folder / "snapshots" / file.name)["prospect_id"].to_pylist()
    order = np.argsort(np.array(ids))
    known = peer.filter(pl.col("prospect_id").is_in(ids))
    worst = 0.0
    for name in names:
        ours = np.concatenate([part[name].to_numpy() for part in parts])[order]
        missing = float("nan") if name.startswith("recency") else 0.0
        theirs = known[name].fill_null(missing).to_numpy()
        both_nan = np.isnan(ours) & np.isnan(theirs)
        gap = np.abs(np.where(both_nan, 0, ours - theirs))
        if not (gap <= 1e-4 * np.maximum(1, np.abs(np.nan_to_num(theirs)))).all():
            raise SystemExit(
                f"{name} differs from that of {name_of_peer}, by up to {np.nanmax(gap)}"
            )
        worst = max(worst, float(gap.max()))
    print(f"{name_of_peer}: the same {len(names)} columns of {len(ids):,} prospects "
          f"(largest gap {worst:.1e})")  # fmt: skip


def report(
    costs: dict[str, list[dict[str, float]]], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Print medians and ratios."""
    seconds = {step: median(c["seconds"] for c in cost) for step, cost in costs.items()}
    peak = {step: max(c["peak_gb"] for c in cost) for step, cost in costs.items()}
    rows, columns = (costs["featurize"][0][name] for name in ("rows", "columns"))
    ratios = {
        "featurize / floor": [
            a["seconds"] / b["seconds"]
            for a, b in zip(costs["featurize"], costs["floor"], strict=True)
        ],
    }
    for peer in PEERS:
        ratios[f"{peer} / featurize, shared families"] = [
            a["seconds"] / b["seconds"]
            for a, b in zip(costs[peer], costs["featurize_as_peer"], strict=True)
        ]
    print(f"{arguments.events:,} events, {rows:,} prospects, {columns} columns, "
          f"{arguments.threads} threads, {arguments.buckets} buckets, lz4, plain")  # fmt: skip
    for step in seconds:
        print(f"{step:18} {seconds[step]:7.1f} s  {arguments.events / seconds[step] / 1e6:6.2f} M "
              f"events/s  peak {peak[step]:.2f} GB")  # fmt: skip
    for name, values in ratios.items():
        print(f"{name}: {median(values):.2f} (from {min(values):.2f} to {max(values):.2f})")
    return {"seconds": seconds, "peak_gb": peak, "ratios": ratios, "columns": columns, "rows": rows}


if __name__ == "__main__":
    main()
