"""The peer: counts, recency and transitions as one lazy Polars query, streamed to Parquet.

Written as a practised Polars user would: one pass of `group_by`, sums of
boolean masks, the previous micro step by `shift().over()` on sorted data.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from microconv.settings import Settings


def build_with_polars(events: Path, settings: Settings, out: Path) -> int:
    """Write the shared columns of every prospect as Parquet; return how many columns."""
    as_of = settings.snapshots.first
    instant = pl.lit(as_of).cast(pl.Datetime("us", "UTC"))
    steps = list(settings.journey.steps)
    micro = [name for name, step in settings.journey.steps.items() if step.kind == "micro"]
    pairs = [] if isinstance(settings.features.pairs, str) else settings.features.pairs
    log = (
        pl.scan_parquet(events / "*.parquet")
        .select("prospect_id", "time", "visible_at", pl.col("event_name").cast(pl.String))
        .filter(pl.col("visible_at") < instant)
        .with_columns(age=(instant - pl.col("time")).dt.total_microseconds())
    )
    query = log.group_by("prospect_id").agg(_aggregates(steps, settings))
    moves = (
        log.filter(pl.col("event_name").is_in(micro))
        .with_columns(before=pl.col("event_name").shift(1).over("prospect_id"))
        .group_by("prospect_id")
        .agg(
            ((pl.col("before") == a) & (pl.col("event_name") == b))
            .sum()
            .cast(pl.Float32)
            .alias(f"path.{a}>{b}.next")
            for a, b in pairs
        )
    )
    joined = query.join(moves, on="prospect_id", how="left")
    joined.sink_parquet(out, compression="lz4", statistics=False, engine="streaming")
    return len(joined.collect_schema()) - 1


def _aggregates(steps: list[str], settings: Settings) -> list[pl.Expr]:
    day = 86_400_000_000
    found = []
    for step in steps:
        is_step = pl.col("event_name") == step
        for days in settings.features.windows_days:
            inside = is_step & (pl.col("age") <= int(days * day))
            found.append(inside.sum().cast(pl.Float32).alias(f"counts.{step}.{days:g}d"))
        found.append(is_step.sum().cast(pl.Float32).alias(f"counts.{step}.ever"))
        age = pl.col("age").filter(is_step) / day
        found.append(age.min().cast(pl.Float32).alias(f"recency.{step}.last"))
        found.append(age.max().cast(pl.Float32).alias(f"recency.{step}.first"))
    return found
