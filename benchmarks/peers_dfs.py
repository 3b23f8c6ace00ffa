r"""The same columns by microconv and by featuretools or tsfresh, one cutoff per snapshot.

The two need a pandas below 3 and setuptools below 81, so they have an environment of their
own, made beforehand::

    tools/uv venv ELSEWHERE
    tools/uv pip install --python ELSEWHERE/bin/python featuretools tsfresh \
        pyarrow 'pandas<3' 'setuptools<81'
    python benchmarks/peers_dfs.py --python ELSEWHERE/bin/python

makes 4,000 events of 200 prospects (``--events``, ``--prospects``) and 50 snapshots at
instants of which no two are equal (``--snapshots``). Both sides go from the same unsorted
Parquet file to a Parquet file of columns: how often each step happened, since ever and in
30 days, and how many days ago first and last. Both do it ``--rounds`` times in one process
and one thread, and the last time counts; imports do not. Every cell is compared with ours.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from big_export import NAMES, params_for
from peers import make

from microconv.features.matrix import build_features, column_names, write_columns
from microconv.histories.load import load_histories
from microconv.histories.visible import visible_events
from microconv.journey import JourneyMap
from microconv.settings import check_settings

HERE = Path(__file__).parent
WINDOW = 30
GOALS = {"featuretools": 100, "tsfresh": None}
MICROSECOND_IN_DAYS = 1 / 86_400e6


def main() -> None:
    """Measure, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", type=Path, required=True, help="interpreter with the peers")
    parser.add_argument("--events", type=int, default=4_000)
    parser.add_argument("--prospects", type=int, default=200)
    parser.add_argument("--snapshots", type=int, default=50)
    parser.add_argument("--peers", nargs="+", choices=GOALS, default=[*GOALS])
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        events, snapshots = _write(folder, arguments)
        print(f"{events:,} events, {snapshots:,} snapshots, no two at one instant", flush=True)
        ours = with_microconv(folder, arguments.rounds)
        _print_cost("microconv", ours, snapshots)
        for peer in arguments.peers:
            theirs = elsewhere(arguments.python, peer, folder, arguments.rounds)
            _print_cost(peer, theirs, snapshots)
            check_same(folder, peer)
            _compare(peer, ours, theirs)


def _write(folder: Path, arguments: argparse.Namespace) -> tuple[int, int]:
    """Write events in random order, and snapshots about random prospects."""
    cutoffs = -(-arguments.snapshots // arguments.prospects)
    events, snapshots = make(arguments.events, arguments.prospects, cutoffs)
    snapshots = snapshots.sample(arguments.snapshots, random_state=7).sort_index()
    events.sample(frac=1, random_state=7).to_parquet(folder / "events.parquet", index=False)
    snapshots.to_parquet(folder / "snapshots.parquet", index=False)
    size = {"steps": len(NAMES), "window": WINDOW}
    (folder / "size.json").write_text(json.dumps(size), encoding="utf-8")
    return len(events), len(snapshots)


def with_microconv(folder: Path, rounds: int) -> dict[str, Any]:
    """Sort the events, load histories, and write the families `counts` and `recency`."""
    settings = check_settings(params_for(Path("raw"), buckets=1))
    features = settings.features.model_copy(
        update={"families": ("counts", "recency"), "windows_days": (WINDOW,)}
    )
    journey = JourneyMap.from_settings(settings.journey)
    names = column_names(journey, features, {}, fitted=False)
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        events = pq.read_table(folder / "events.parquet").sort_by(
            [("who", "ascending"), ("at", "ascending")]
        )
        snapshots = pq.read_table(folder / "snapshots.parquet")
        histories = load_histories(_as_log(events), journey)
        prospect = pc.index_in(snapshots["who"], pc.unique(events["who"])).to_numpy()
        as_of = snapshots["as_of"].cast(pa.int64()).to_numpy()
        visible = visible_events(histories, prospect.astype(np.int64), as_of)
        values = build_features(visible, journey, features, {}, fitted=False)
        write_columns(folder / "microconv.parquet", [values], names)
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds, "columns": len(names)}


def _as_log(events: pa.Table) -> pa.Table:
    """Give events the columns of a log."""
    who = events["who"].cast(pa.string()).dictionary_encode().combine_chunks()
    what = pa.DictionaryArray.from_arrays(events["what"].cast(pa.int32()).combine_chunks(), NAMES)
    at = events["at"].cast(pa.timestamp("us", tz="UTC"))
    return pa.table(
        {
            "prospect_id": who,
            "event_name": what,
            "time": at,
            "visible_at": at,
            "visible_until": pa.nulls(len(events), at.type),
            "value": pa.nulls(len(events), pa.float64()),
            "human_probability": np.ones(len(events), np.float32),
        }
    )


def elsewhere(python: Path, peer: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Make the columns by a peer in its own environment."""
    command = [str(python), str(HERE / "peers_elsewhere.py"), peer, str(folder), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{peer} failed:\n{done.stderr}")
    cost: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return cost


def check_same(folder: Path, peer: str) -> None:
    """Compare every shared cell with ours; days may differ as float32 and float64 do."""
    ours, theirs = (pd.read_parquet(folder / f"{of}.parquet") for of in ("microconv", peer))
    places = {
        "ever": "counts.{}.ever",
        "recent": f"counts.{{}}.{WINDOW}d",
        "last": "recency.{}.last",
        "first": "recency.{}.first",
    }
    for name in theirs:
        kind, step = str(name).split(".")
        mine = ours[places[kind].format(NAMES[int(step)])].to_numpy(np.float64)
        other = theirs[name].to_numpy(np.float64)
        if kind in ("ever", "recent"):
            other = np.nan_to_num(other)
        close = np.isclose(mine, other, rtol=1e-6, atol=MICROSECOND_IN_DAYS, equal_nan=True)
        if not close.all():
            raise SystemExit(f"{name} differs from {peer}'s in {(~close).sum()} of {len(close)}")
    filled = theirs.filter(regex="last|first").notna().to_numpy().mean()
    print(f"  the same numbers in {theirs.shape[1]} columns; {filled:.0%} of the days exist")


def _print_cost(name: str, cost: dict[str, Any], rows: int) -> None:
    first, last = cost["seconds"][0], cost["seconds"][-1]
    cell = last / (rows * cost["columns"]) * 1e6
    made = f"{cost['columns']} columns in {last:.4f} s (the first time {first:.4f})"
    print(f"{name}: {made}, {cell:.3f} us a cell", flush=True)


def _compare(peer: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    ratio = theirs["seconds"][-1] / ours["seconds"][-1]
    per_cell = ratio * ours["columns"] / theirs["columns"]
    goal = f"; goal {GOALS[peer]}" if GOALS[peer] else ""
    print(f"  {peer} / microconv: {ratio:,.0f}; per snapshot and column {per_cell:,.0f}{goal}")


if __name__ == "__main__":
    main()
