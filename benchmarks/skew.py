"""Agreement of every way to score with the list: ``python benchmarks/skew.py --root ROOT``.

ROOT is a finished run of the pipeline (``microconv run --root ROOT`` or the repository). The top
of its list is scored again from the same events, attributes and `as_of`: from the log, from
DataFrames, and by the model that MLflow registered, in process. Percentiles refer to everyone
who is scored together, so they are only compared where that is the whole cohort.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

import microconv
from microconv.settings import ScoreSettings, read_settings
from microconv.storage.log import EventLog
from microconv.storage.schema import EVENTS
from microconv.tracking.store import Store

COMPARED = ("probability", "grade", "expected_value", "reason_1", "reason_2", "reason_3")


def tables(log: EventLog, ids: pa.Array | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the events of some prospects, or of all, and what is known of them."""

    def read(one: Callable[[int], pa.Table | None]) -> pd.DataFrame:
        rows = pa.concat_tables([t for b in range(log.buckets) if (t := one(b)) is not None])
        if ids is not None:
            rows = rows.filter(pc.is_in(rows.column("prospect_id").cast(pa.string()), ids))
        frame: pd.DataFrame = rows.to_pandas()
        return frame

    return read(lambda bucket: log.read_events(bucket, EVENTS.names)), read(log.read_prospects)


def equal_rows(listed: pd.DataFrame, scored: pd.DataFrame, columns: tuple[str, ...]) -> int:
    """Count the listed rows that came out identical in every column."""
    other = scored.set_index("prospect_id").reindex(listed["prospect_id"])
    same = pd.Series(data=True, index=range(len(listed)))
    for name in columns:
        pairs = zip(listed[name].tolist(), other[name].tolist(), strict=True)
        same &= pd.Series([a == b or (pd.isna(a) and pd.isna(b)) for a, b in pairs])
    return int(same.sum())


def main() -> None:
    """Print a row for every way to score."""
    parser = argparse.ArgumentParser(description="Compare every way to score with the list.")
    parser.add_argument("--root", type=Path, required=True, help="a finished run")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--top", type=int, default=60)
    given = parser.parse_args()
    root: Path = given.root
    settings: ScoreSettings = read_settings(given.params).score
    listed = pd.read_parquet(root / "reports/prospects.parquet").head(given.top)
    as_of = json.loads((root / "reports/prospects_manifest.json").read_text())["as_of"]
    log, model = EventLog.open(root / "data/log"), root / "models/prospect_model"
    everyone = settings.model_copy(update={"limit": 10**9})
    events, prospects = tables(log, pa.array(listed["prospect_id"], pa.string()))
    joined = events.merge(
        prospects.sort_values("known_at").groupby("prospect_id").last().drop(columns="known_at"),
        on="prospect_id",
    )
    with Store.find(root).open():
        import mlflow

        name = read_settings(given.params).track.registered_model
        served = mlflow.pyfunc.load_model(f"models:/{name}@challenger")
    ways: dict[str, Callable[[], Any]] = {
        "log on disk": lambda: microconv.score(
            log.path, model=model, as_of=as_of, settings=everyone
        ),
        "two DataFrames": lambda: microconv.score(
            events, prospects=prospects, model=model, as_of=as_of, settings=everyone
        ),
        "one DataFrame": lambda: microconv.score(
            joined, model=model, as_of=as_of, settings=everyone
        ),
        "MLflow, two DataFrames": lambda: served.predict(
            {"events": events, "prospects": prospects}, params={"as_of": as_of}
        ),
        "MLflow, one DataFrame": lambda: served.predict(joined, params={"as_of": as_of}),
        "without attributes (missing_attributes=allow)": lambda: microconv.score(
            events, model=model, as_of=as_of, settings=everyone, missing_attributes="allow"
        ),
    }
    for way, score in ways.items():
        columns = (*COMPARED, "percentile") if way == "log on disk" else COMPARED
        print(f"{way:48}{equal_rows(listed, score(), columns):>6} of {len(listed)} rows equal")


if __name__ == "__main__":
    main()
