"""The tables behind the charts: gain, reliability, figures by fold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from microconv.evaluation.calibration import bin_by_probability
from microconv.evaluation.metrics import Predictions
from microconv.model.training_rows import Floats

SHARES = np.concatenate([np.arange(11) / 200, np.arange(3, 21) / 40, np.arange(11, 21) / 20])
"""Shares of the rows called at which the gain curve is read: finest where lists end."""


def gain_curve(predictions: Predictions, shares: Floats = SHARES) -> Floats:
    """Say what share of the conversions is met by calling the top of all rows.

    Rows with one probability are met at an even pace. nan without a conversion.

    Parameters
    ----------
    predictions : Predictions
    shares : ndarray of float64, shape (n_points,)
        Of the rows, from 0 to 1.

    Returns
    -------
    ndarray of float64, shape (n_points,)
    """
    if not predictions.converted.any():
        return np.full(len(shares), np.nan)
    levels, level = np.unique(-predictions.probability, return_inverse=True)
    rows = np.bincount(level, minlength=len(levels))
    yes = np.bincount(level, weights=predictions.converted, minlength=len(levels))
    called = np.concatenate([[0], np.cumsum(rows)]) / rows.sum()
    met = np.concatenate([[0], np.cumsum(yes)]) / yes.sum()
    curve: Floats = np.interp(shares, called, met)
    return curve


def gain_table(models: Mapping[str, Predictions]) -> pd.DataFrame:
    """Tabulate the gain curves: `model`, `called`, `met`."""
    parts = [
        pd.DataFrame({"model": name, "called": SHARES, "met": gain_curve(predictions)})
        for name, predictions in models.items()
    ]
    return pd.concat(parts, ignore_index=True).dropna()


def reliability_table(models: Mapping[str, Predictions], bins: int) -> pd.DataFrame:
    """Tabulate the bins: `model`, `bin`, `rows`, `predicted`, `observed`."""
    parts = []
    for name, predictions in models.items():
        b = bin_by_probability(predictions, bins)
        numbers = {"rows": b.rows, "predicted": b.predicted, "observed": b.observed}
        parts.append(pd.DataFrame({"model": name, "bin": np.arange(len(b.rows)), **numbers}))
    return pd.concat(parts, ignore_index=True)


def fold_table(models: Mapping[str, Any]) -> pd.DataFrame:
    """Tabulate the report's figures by fold: `fold`, `model`, `auc`, `low`, `high`, …."""
    rows = [
        {
            "fold": fold,
            "model": model,
            "auc": figures["auc"]["value"],
            "low": figures["auc"].get("low"),
            "high": figures["auc"].get("high"),
            "average_precision": figures["average_precision"]["value"],
            "log_loss": figures["log_loss"]["value"],
        }
        for model, measured in models.items()
        for fold, figures in measured["folds"].items()
    ]
    return pd.DataFrame(rows).sort_values(["fold", "model"], ignore_index=True)
