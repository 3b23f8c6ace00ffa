"""featuretools and tsfresh count what `peers_dfs.py` counts, in an environment of theirs.

``PYTHON benchmarks/peers_elsewhere.py PEER FOLDER ROUNDS`` reads ``events.parquet``,
``snapshots.parquet`` and ``size.json`` of the folder, makes the columns so many times, writes
them as ``PEER.parquet`` and prints the seconds of each time, and how many columns were
made, as one JSON line. Imports are not counted.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

Result = tuple[pd.DataFrame, int]


def with_featuretools(folder: Path, n_steps: int, window: int) -> Result:
    """Let `dfs` look at the events before each cutoff: since ever, then in the window."""
    import featuretools as ft

    events = pd.read_parquet(folder / "events.parquet")
    snapshots = pd.read_parquet(folder / "snapshots.parquet")
    events = events.assign(event=np.arange(len(events)), what=events["what"].astype("category"))
    entities = ft.EntitySet("log")
    entities.add_dataframe(
        dataframe_name="events",
        dataframe=events,
        index="event",
        time_index="at",
        logical_types={"what": "Categorical"},
    )
    entities.normalize_dataframe("events", "prospects", "who", make_time_index=False)
    entities.add_interesting_values(
        dataframe_name="events", values={"what": [*events["what"].cat.categories]}
    )
    cutoffs = pd.DataFrame({"who": snapshots["who"], "time": snapshots["as_of"]})
    days = (ft.primitives.TimeSinceLast(unit="days"), ft.primitives.TimeSinceFirst(unit="days"))
    common = {
        "entityset": entities,
        "target_dataframe_name": "prospects",
        "cutoff_time": cutoffs,
        "trans_primitives": [],
        "cutoff_time_in_index": True,
        "include_cutoff_time": False,
        "max_depth": 1,
        "n_jobs": 1,
    }
    ever, _ = ft.dfs(agg_primitives=["count", *days], where_primitives=["count", *days], **common)
    recent, _ = ft.dfs(
        agg_primitives=["count"],
        where_primitives=["count"],
        training_window=ft.Timedelta(window, "days"),
        **common,
    )
    rows = pd.MultiIndex.from_frame(cutoffs)
    ever, recent = ever.reindex(rows), recent.reindex(rows)
    found = {}
    for step in range(n_steps):
        where = f"WHERE what = {step}"
        found[f"ever.{step}"] = ever.get(f"COUNT(events {where})", 0)
        found[f"recent.{step}"] = recent.get(f"COUNT(events {where})", 0)
        found[f"last.{step}"] = ever.get(f"TIME_SINCE_LAST(events.at {where}, unit=days)")
        found[f"first.{step}"] = ever.get(f"TIME_SINCE_FIRST(events.at {where}, unit=days)")
    shared = pd.DataFrame({name: np.asarray(column) for name, column in found.items()})
    return shared, ever.shape[1] + recent.shape[1]


def with_tsfresh(folder: Path, n_steps: int, window: int) -> Result:
    """Cut out the events before each cutoff, and extract from their ages, step by step."""
    from tsfresh import extract_features
    from tsfresh.feature_extraction import MinimalFCParameters

    events = pd.read_parquet(folder / "events.parquet")
    snapshots = pd.read_parquet(folder / "snapshots.parquet")
    joined = snapshots.assign(row=np.arange(len(snapshots))).merge(events, on="who")
    joined["age"] = (joined["as_of"] - joined["at"]).dt.total_seconds() / 86_400
    before = joined.loc[joined["age"] > 0, ["row", "at", "what", "age"]]
    ever, recent = (
        extract_features(
            series,
            column_id="row",
            column_sort="at",
            column_kind="what",
            column_value="age",
            default_fc_parameters=MinimalFCParameters(),
            n_jobs=0,
            disable_progressbar=True,
        ).reindex(range(len(snapshots)))
        for series in (before, before[before["age"] <= window])
    )
    found = {}
    for step in range(n_steps):
        found[f"ever.{step}"] = ever.get(f"{step}__length", 0)
        found[f"recent.{step}"] = recent.get(f"{step}__length", 0)
        found[f"last.{step}"] = ever.get(f"{step}__minimum")
        found[f"first.{step}"] = ever.get(f"{step}__maximum")
    return pd.DataFrame(found, index=ever.index), ever.shape[1] + recent.shape[1]


PEERS: dict[str, Callable[[Path, int, int], Result]] = {
    "featuretools": with_featuretools,
    "tsfresh": with_tsfresh,
}


def main() -> None:
    """Make the columns, and print what it cost."""
    peer, folder, rounds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    warnings.simplefilter("ignore")
    size = json.loads((folder / "size.json").read_text(encoding="utf-8"))
    __import__(peer)
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        found, n_columns = PEERS[peer](folder, size["steps"], size["window"])
        found.to_parquet(folder / f"{peer}.parquet")
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"seconds": seconds, "columns": n_columns}))


if __name__ == "__main__":
    main()
