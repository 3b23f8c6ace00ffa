"""The same counts by microconv, DuckDB and pandas, with many cutoffs.

``python benchmarks/peers.py`` makes 40,000 events of 1,000 prospects (``--events``,
``--prospects``) and snapshots at ``--cutoffs`` instants of each prospect's own, so that no two
cutoffs are equal, and counts what had happened before, step by step. All start from the
events in memory, sorted; every count is compared with ours.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from big_export import NAMES, SHARES, params_for

from microconv.features.matrix import build_features, column_names
from microconv.histories.load import load_histories
from microconv.histories.visible import visible_events
from microconv.journey import JourneyMap
from microconv.settings import check_settings


def main() -> None:
    """Measure, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--prospects", type=int, default=1_000)
    parser.add_argument("--cutoffs", type=int, default=2)
    arguments = parser.parse_args()
    events, snapshots = make(arguments.events, arguments.prospects, arguments.cutoffs)
    print(f"{len(events):,} events, {len(snapshots):,} snapshots, no two at one instant")
    found = {name: timed(count, events, snapshots) for name, count in OURS.items()}
    ours, seconds = found["microconv"]
    for name, (counts, spent) in found.items():
        same = "the same numbers" if np.array_equal(counts, ours) else "OTHER NUMBERS"
        print(f"{name:12} {spent:9.4f} s, {spent / seconds:9.1f} times microconv's, {same}")


def make(events: int, prospects: int, cutoffs: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make events in the order of a log, and snapshots at instants of their own."""
    rng = np.random.default_rng(11)
    begin, span = pd.Timestamp("2024-01-01").value // 1000, 180 * 86_400_000_000
    at = rng.choice(span, events + prospects * cutoffs, replace=False)  # no two are equal
    log = pd.DataFrame(
        {
            "who": rng.integers(0, prospects, events),
            "at": begin + at[:events],
            "what": rng.choice(len(NAMES), events, p=SHARES / SHARES.sum()),
        }
    )
    log = log.sort_values(["who", "at"], ignore_index=True)
    who = np.intersect1d(np.arange(prospects), log["who"])
    snapshots = pd.DataFrame({"who": np.repeat(who, cutoffs)})
    snapshots["as_of"] = begin + at[events : events + len(snapshots)]
    log["at"], snapshots["as_of"] = (
        s.astype("datetime64[us]") for s in (log["at"], snapshots["as_of"])
    )
    return log, snapshots


def timed(
    count: Callable[[pd.DataFrame, pd.DataFrame], np.ndarray],
    events: pd.DataFrame,
    snapshots: pd.DataFrame,
) -> tuple[np.ndarray, float]:
    """Count twice, and time the second."""
    count(events, snapshots)
    began = time.perf_counter()
    counts = count(events, snapshots)
    return counts, time.perf_counter() - began


def with_microconv(events: pd.DataFrame, snapshots: pd.DataFrame) -> np.ndarray:
    """Fill the family `counts`, every window of it, and keep the widest."""
    settings = check_settings(params_for(Path("raw"), buckets=1))
    features = settings.features.model_copy(update={"families": ("counts",)})
    journey = JourneyMap.from_settings(settings.journey)
    time_of = pa.array(events["at"].dt.tz_localize("UTC"))
    ids = pa.array(np.arange(events["who"].max() + 1).astype(str))
    table = pa.table(
        {
            "prospect_id": pa.DictionaryArray.from_arrays(events["who"].astype("int32"), ids),
            "event_name": pa.DictionaryArray.from_arrays(events["what"].astype("int32"), NAMES),
            **dict.fromkeys(("time", "visible_at"), time_of),
            "visible_until": pa.nulls(len(events), pa.timestamp("us", tz="UTC")),
            "value": pa.nulls(len(events), pa.float64()),
            "human_probability": np.ones(len(events), np.float32),
        }
    )
    histories = load_histories(table, journey)
    place = np.searchsorted(np.unique(events["who"]), snapshots["who"])
    as_of = snapshots["as_of"].to_numpy().astype("datetime64[us]").astype(np.int64)
    values = build_features(
        visible_events(histories, place, as_of), journey, features, {}, fitted=False
    )
    names = column_names(journey, features, {}, fitted=False)
    return values[[names.index(f"counts.{step}.ever") for step in NAMES]].T


def with_duckdb(events: pd.DataFrame, snapshots: pd.DataFrame) -> np.ndarray:
    """Join every snapshot with the events before it, and count by step."""
    connection = duckdb.connect()
    connection.register("events", events)
    connection.register("snapshots", snapshots.assign(row=np.arange(len(snapshots))))
    sums = ", ".join(f"count_if(what = {k}) as c{k}" for k in range(len(NAMES)))
    found = connection.sql(
        f"select {sums} from snapshots left join events "
        'on snapshots.who = events.who and events."at" < as_of group by row order by row'
    ).fetchnumpy()
    return np.stack([np.asarray(found[f"c{k}"]) for k in range(len(NAMES))], axis=1)


def with_pandas(events: pd.DataFrame, snapshots: pd.DataFrame) -> np.ndarray:
    """Merge, filter and count, as a practised user of pandas would."""
    joined = snapshots.assign(row=np.arange(len(snapshots))).merge(events, on="who")
    joined = joined[joined["at"] < joined["as_of"]]
    counts = joined.pivot_table(index="row", columns="what", aggfunc="size", fill_value=0)
    return counts.reindex(
        index=range(len(snapshots)), columns=range(len(NAMES)), fill_value=0
    ).values


OURS = {"microconv": with_microconv, "DuckDB": with_duckdb, "pandas": with_pandas}


if __name__ == "__main__":
    main()
