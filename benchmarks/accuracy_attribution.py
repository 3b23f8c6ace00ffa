"""Attribution: impressions by channel in July 2018, and who converts after them.

It computes two results: how often an interaction of each channel is a conversion, and whether
the path so far predicts who converts in the next seven days. The model is trained on two dates
in the first half of the month and tested on two in the second, after the training windows have
closed. A customer may convert several times, so earlier conversions exclude nobody.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from two_models import TrainingRows, fit_both

from microconv.evaluation.intervals import estimate
from microconv.evaluation.metrics import (
    RANKING_METRICS,
    Predictions,
    draw_resamples,
    ranking_metrics,
)
from microconv.features.matrix import build_features
from microconv.histories.arrays import Histories, Int64, microseconds
from microconv.histories.load import load_histories
from microconv.histories.snapshots import label_snapshots
from microconv.histories.visible import visible_events
from microconv.journey import JourneyMap
from microconv.model.logistic import sigmoid
from microconv.settings import FeatureSettings, JourneySettings, RegressionSettings, TreeSettings
from microconv.storage.schema import INSTANT

HORIZON = timedelta(days=7)
TRAIN = (datetime(2018, 7, 9, tzinfo=UTC), datetime(2018, 7, 12, tzinfo=UTC))
TEST = (datetime(2018, 7, 19, tzinfo=UTC), datetime(2018, 7, 22, tzinfo=UTC))
COMPLETE_UNTIL = datetime(2018, 8, 1, tzinfo=UTC)
SEED = 7
BOOSTED = TreeSettings(num_iterations=200, num_leaves=5, feature_fraction=0.1, lambda_l2=10)
LINEAR = RegressionSettings(inverse_penalty=0.001)
SETTINGS = FeatureSettings(
    families=("counts", "recency", "tempo", "path", "ladder", "calendar"), windows_days=(1, 3, 7)
)


def conversions_by_channel(folder: Path) -> pd.DataFrame:
    """Count interactions and conversions of each channel, with Wilson intervals.

    Returns
    -------
    DataFrame of shape (n_channels, 5)
        `interactions`, `conversions`, `rate`, `low`, `high`; attrs `p_value` of the
        chi-squared test that all rates are the same.
    """
    from scipy.stats import binomtest, chi2_contingency

    rows = pd.read_parquet(folder / "attribution.parquet")
    table = rows.groupby("channel")["conversion"].agg(["size", "sum"])
    table.columns = ["interactions", "conversions"]
    table["rate"] = table["conversions"] / table["interactions"]
    ends = [
        binomtest(yes, n).proportion_ci(method="wilson")
        for n, yes in table[["interactions", "conversions"]].itertuples(index=False)
    ]
    table["low"], table["high"] = [end.low for end in ends], [end.high for end in ends]
    others = table["interactions"] - table["conversions"]
    table.attrs["p_value"] = float(chi2_contingency([table["conversions"], others]).pvalue)
    return table


def predict_conversions(folder: Path, *, resamples: int) -> dict[str, Any]:
    """Return AUC, average precision, log loss and Brier out of time, with intervals by customer."""
    histories, journey = load_customers(folder)
    (train, labels), (test, happened) = (
        _label_snapshots(histories, journey, dates) for dates in (TRAIN, TEST)
    )
    columns = [
        build_features(visible_events(histories, *rows), journey, SETTINGS, {}, fitted=False)
        for rows in (train, test)
    ]
    training_rows = TrainingRows(columns[0], labels, np.ones(len(labels)))
    probability = sigmoid(fit_both(training_rows, columns[1], BOOSTED, LINEAR).mixed(0.5))
    counts = draw_resamples(len(histories), resamples, seed=SEED)
    predictions = Predictions(probability, happened, np.zeros(len(happened)), *test)
    samples = ranking_metrics(predictions, counts)
    found = {
        metric: estimate(samples[:, k], 0.95, why="only one outcome")
        for k, metric in enumerate(RANKING_METRICS)
    }
    rows = {"train_rows": len(labels), "test_rows": len(happened), "rate": float(happened.mean())}
    return {**rows, **found}


def load_customers(folder: Path) -> tuple[Histories, JourneyMap]:
    """Load impressions by channel as micro steps and conversions as the major step."""
    rows = pd.read_parquet(folder / "attribution.parquet")
    rows = rows.sort_values(["customer_id", "time", "channel"], kind="stable")
    impression = rows["conversion"] == 0
    name = rows["channel"].where(impression, "conversion")
    time = pa.array(rows["time"].dt.tz_convert(None).to_numpy()).cast(INSTANT)
    events = pa.table(
        {
            "prospect_id": pa.array(rows["customer_id"].astype(str)).dictionary_encode(),
            "event_name": pa.array(name).dictionary_encode(),
            "time": time,
            "visible_at": time,
            "visible_until": pa.nulls(len(rows), INSTANT),
            "value": pa.array(rows["conversion_value"].where(~impression), pa.float64()),
            "human_probability": np.ones(len(rows), np.float32),
        }
    )
    steps: dict[str, Any] = {
        channel: {"kind": "micro", "stage": "awareness", "commitment": 1}
        for channel in sorted(rows["channel"].unique())
    }
    steps["conversion"] = {"kind": "major"}
    journey = JourneyMap.from_settings(JourneySettings.model_validate({"steps": steps}))
    return load_histories(events, journey), journey


def _label_snapshots(
    histories: Histories, journey: JourneyMap, dates: tuple[datetime, ...]
) -> tuple[tuple[Int64, Int64], np.ndarray]:
    """Ask about every customer seen before the date, and label the rows."""
    prospect = np.repeat(np.arange(len(histories)), len(dates))
    as_of = np.tile([microseconds(date) for date in dates], len(histories))
    known = histories.time[histories.offsets[prospect]] < as_of
    prospect, as_of = prospect[known], as_of[known]
    labelled = label_snapshots(histories, journey, prospect, as_of, HORIZON, COMPLETE_UNTIL)
    return (prospect, as_of), labelled["converted"].to_numpy()
