"""Out-of-time predictions with a planted truth, as a backtest would have made them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from microconv.evaluation.backtest import PREDICTIONS, Backtest

NOTES = {
    "folds": {},
    "skipped": {},
    "left_out": {"opens": "no such step"},
    "training_counts": {"conversions": 130, "prospects": 400, "days": 60.0},
    "readiness": {"state": "ready", "summary": "There is enough to learn from."},
}

FIRST = datetime(2024, 3, 4, tzinfo=UTC)


def planted_snapshots(
    prospects: int = 400, *, seed: int = 0, signal: float = 1.5, folds: int = 2
) -> pd.DataFrame:
    """Return every prospect on two dates per fold; outcomes follow a hidden score of this signal.

    Columns `prospect_id`, `as_of`, `fold`, `score`, `chance`, `converted`, `value`, `amount`.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(2 * folds):
        score = rng.normal(size=prospects)
        chance = 1 / (1 + np.exp(1 - signal * score))
        parts.append(
            pd.DataFrame(
                {
                    "prospect_id": [f"p{i:04d}" for i in range(prospects)],
                    "as_of": FIRST + timedelta(days=7 * k),
                    "fold": f"fold {k // 2}",
                    "score": score,
                    "chance": chance,
                    "converted": rng.random(prospects) < chance,
                }
            )
        )
    snapshots = pd.concat(parts, ignore_index=True)
    worth = rng.lognormal(6, 1, len(snapshots)).round(2)
    return snapshots.assign(value=np.where(snapshots["converted"], worth, np.nan), amount=600.0)


def backtest_of(snapshots: pd.DataFrame, probabilities: Mapping[str, np.ndarray]) -> Backtest:
    """Return the backtest of models that predict these probabilities for the snapshots."""
    frames = [
        snapshots.assign(
            model=model, probability=np.asarray(p, float), unseen=snapshots.index % 2 == 0
        )
        for model, p in probabilities.items()
    ]
    rows = pd.concat(frames)
    rows["as_of"] = rows["as_of"].dt.tz_convert(None).astype("datetime64[us]")
    naive = PREDICTIONS.set(1, pa.field("as_of", pa.timestamp("us"), nullable=False))
    table = pa.Table.from_pandas(rows[PREDICTIONS.names], schema=naive, preserve_index=False)
    table = table.cast(PREDICTIONS)
    return Backtest(table, NOTES)
