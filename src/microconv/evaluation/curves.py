"""The tables behind the charts: cumulative gains, reliability, AUC by fold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from microconv.evaluation.calibration import bin_by_probability
from microconv.evaluation.metrics import Predictions
from microconv.model.training_rows import Floats

SHARES = np.concatenate([np.arange(11) / 200, np.arange(3, 21) / 40, np.arange(11, 21) / 20])
"""Points of the cumulative gains curve, as shares of the rows: densest where lists end."""


def gain_curve(predictions: Predictions, shares: Floats = SHARES) -> Floats:
    """Compute the cumulative gains: the share of conversions among the top of all rows.

    Rows with the same probability are taken in average order.

    Parameters
    ----------
    predictions : Predictions
    shares : ndarray of float64, shape (n_points,)
        Of the rows, from 0 to 1.

    Returns
    -------
    ndarray of float64, shape (n_points,)
        nan without a conversion.
    """
    if not predictions.converted.any():
        return np.full(len(shares), np.nan)
    levels, level = np.unique(-predictions.probability, return_inverse=True)
    rows = np.bincount(level, minlength=len(levels))
    yes = np.bincount(level, weights=predictions.converted, minlength=len(levels))
    contacted = np.concatenate([[0], np.cumsum(rows)]) / rows.sum()
    captured = np.concatenate([[0], np.cumsum(yes)]) / yes.sum()
    curve: Floats = np.interp(shares, contacted, captured)
    return curve


def gain_table(models: Mapping[str, Predictions]) -> pd.DataFrame:
    """Build the table of the gains curves: `model`, `share_of_rows`, `share_of_conversions`."""
    parts = [
        pd.DataFrame(
            {
                "model": name,
                "share_of_rows": SHARES,
                "share_of_conversions": gain_curve(predictions),
            }
        )
        for name, predictions in models.items()
    ]
    return pd.concat(parts, ignore_index=True).dropna()


def reliability_table(models: Mapping[str, Predictions], bins: int) -> pd.DataFrame:
    """Build the table of the reliability bins: `model`, `bin`, `rows`, `predicted`, `observed`.

    Parameters
    ----------
    models : mapping of str to Predictions
    bins : int
        Maximum number of bins.
    """
    parts = []
    for name, predictions in models.items():
        b = bin_by_probability(predictions, bins)
        numbers = {"rows": b.rows, "predicted": b.predicted, "observed": b.observed}
        parts.append(pd.DataFrame({"model": name, "bin": np.arange(len(b.rows)), **numbers}))
    return pd.concat(parts, ignore_index=True)


def fold_table(models: Mapping[str, Any]) -> pd.DataFrame:
    """Build the table of the report's metrics by fold: `fold`, `model`, `auc`, `low`, …."""
    rows = [
        {
            "fold": fold,
            "model": model,
            "auc": values["auc"]["value"],
            "low": values["auc"].get("low"),
            "high": values["auc"].get("high"),
            "average_precision": values["average_precision"]["value"],
            "log_loss": values["log_loss"]["value"],
        }
        for model, measured in models.items()
        for fold, values in measured["folds"].items()
    ]
    return pd.DataFrame(rows).sort_values(["fold", "model"], ignore_index=True)
