"""The same columns as the Polars peer's, made with pandas.

Written as a practised pandas user would: categories for names, one `groupby` of prospect
and step per window, `unstack` to columns, the previous micro step by a grouped `shift`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from microconv.settings import Settings

MICROSECONDS = 86_400_000_000


def build_with_pandas(events: Path, settings: Settings, out: Path) -> int:
    """Write the shared columns of every prospect as Parquet; return how many columns."""
    names = ["prospect_id", "time", "visible_at", "event_name"]
    log = pq.read_table(events, columns=names).to_pandas(strings_to_categorical=True)
    as_of = pd.Timestamp(settings.snapshots.first)
    log = log[log["visible_at"] < as_of]
    log["age"] = (as_of - log["time"]).dt.as_unit("us").astype("int64")
    parts = [*_counts(log, settings), *_recency(log, settings), _moves(log, settings)]
    columns = pd.concat(parts, axis=1).reset_index(names="prospect_id")
    columns.to_parquet(out, compression="lz4", index=False)
    return len(columns.columns) - 1


def _counts(log: pd.DataFrame, settings: Settings) -> list[pd.DataFrame]:
    found = []
    for days in (*settings.features.windows_days, None):
        inside = log if days is None else log[log["age"] <= days * MICROSECONDS]
        sizes = inside.groupby(["prospect_id", "event_name"], observed=True).size()
        window = "ever" if days is None else f"{days:g}d"
        table = _per_step(sizes, settings, f"counts.{{}}.{window}")
        found.append(table)
    ever = found[-1]
    return [table.reindex(ever.index).fillna(0).astype("float32") for table in found]


def _recency(log: pd.DataFrame, settings: Settings) -> list[pd.DataFrame]:
    ages = log.groupby(["prospect_id", "event_name"], observed=True)["age"].agg(["min", "max"])
    return [
        (_per_step(ages[which], settings, f"recency.{{}}.{name}") / MICROSECONDS).astype("float32")
        for which, name in (("min", "last"), ("max", "first"))
    ]


def _per_step(values: pd.Series, settings: Settings, name: str) -> pd.DataFrame:
    wide = values.unstack("event_name")  # noqa: PD010 -- nothing to aggregate, and faster
    table = wide.reindex(columns=list(settings.journey.steps))
    return table.set_axis([name.format(step) for step in table.columns], axis=1)


def _moves(log: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    micro = [name for name, step in settings.journey.steps.items() if step.kind == "micro"]
    pairs = [] if isinstance(settings.features.pairs, str) else settings.features.pairs
    path = log.loc[log["event_name"].isin(micro), ["prospect_id", "event_name"]]
    code = path["event_name"].cat.codes.astype("int32")
    before = code.groupby(path["prospect_id"], observed=True).shift(1, fill_value=-1)
    place = {name: n for n, name in enumerate(path["event_name"].cat.categories)}
    moves = {place[a] * len(place) + place[b]: f"path.{a}>{b}.next"
             for a, b in pairs}  # fmt: skip
    move = (before * len(place) + code).where(before >= 0, -1)
    kept = move.isin(moves)
    sizes = path[kept].groupby(["prospect_id", move[kept]], observed=True).size()
    wide = sizes.unstack()  # noqa: PD010
    table = wide.reindex(columns=list(moves)).set_axis(list(moves.values()), axis=1)
    return table.reindex(log["prospect_id"].cat.categories).fillna(0).astype("float32")
