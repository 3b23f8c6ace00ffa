"""Two models on their common rows: the paired differences, with confidence intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from microconv.errors import EventLogError, NotEnoughDataError, listed
from microconv.evaluation.intervals import estimate
from microconv.evaluation.metrics import (
    RANKING_METRICS,
    Predictions,
    draw_resamples,
    ranking_metrics,
)

KEYS = ["prospect_id", "as_of"]


def compare(
    one: pd.DataFrame,
    other: pd.DataFrame,
    *,
    resamples: int,
    seed: int,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Compare two sets of predictions on their common rows, resampling prospects in pairs.

    Parameters
    ----------
    one, other : DataFrame
        Columns `prospect_id`, `as_of`, `probability`, `converted`; one row per
        prospect and `as_of`.
    resamples, seed : int
    confidence : float

    Returns
    -------
    dict
        `rows`, `prospects`, `conversions`; and for `auc`, `average_precision`,
        `log_loss` and `brier` each of `one`, `other` and `difference` (one minus
        other), as `value`, `low`, `high`, or with a `reason` where undefined.

    Raises
    ------
    NotEnoughDataError
        If they have no row in common.
    EventLogError
        If a row occurs twice, or the two have different labels.
    """
    for frame, name in ((one, "first"), (other, "second")):
        twice = int(frame.duplicated(KEYS).sum())
        if twice:
            raise EventLogError(
                f"{twice} rows of the {name} predictions have the prospect and `as_of` of another "
                "row. Keep one model and one fold per row."
            )
    both = one.merge(other, on=KEYS, suffixes=("_one", "_other")).sort_values(KEYS)
    if len(both) == 0:
        raise NotEnoughDataError(
            f"The two sets of predictions ({len(one)} and {len(other)} rows) have no prospect and "
            "`as_of` in common, so they cannot be compared."
        )
    differ = both[both["converted_one"] != both["converted_other"]]
    if len(differ):
        raise EventLogError(
            f"On {len(differ)} of {len(both)} common rows the two sets of predictions have "
            f"different labels, first for the prospects {listed(differ['prospect_id'], most=3)}. "
            "They come from different logs or horizons."
        )
    prospect = pd.factorize(both["prospect_id"])[0].astype(np.int64)
    counts = draw_resamples(int(prospect.max()) + 1, resamples, seed=seed)
    converted = both["converted_one"].to_numpy(bool)
    no_value = np.zeros(len(both))
    samples = [
        ranking_metrics(
            Predictions(both[p].to_numpy(np.float64), converted, no_value, prospect, prospect),
            counts,
        )
        for p in ("probability_one", "probability_other")
    ]
    why = "the common rows have only one outcome"
    parts = {"one": samples[0], "other": samples[1], "difference": samples[0] - samples[1]}
    metrics = {
        metric: {n: estimate(s[:, k], confidence, why=why) for n, s in parts.items()}
        for k, metric in enumerate(RANKING_METRICS)
    }
    return {
        "rows": len(both),
        "prospects": counts.shape[1],
        "conversions": int(converted.sum()),
        **metrics,
    }
