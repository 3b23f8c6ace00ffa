"""Were conversions worth what was expected? The amount model beside the mean, out of time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from microconv.model.amount import deviance

KEYS = ["prospect_id", "as_of"]


def amount_metrics(predictions: pd.DataFrame) -> dict[str, Any]:
    """Hold the expected amounts of tested conversions against what was paid.

    The comparison is with one amount for everybody, the mean of the expected ones, so
    that only the differences between prospects are judged. Lower deviance is better.

    Parameters
    ----------
    predictions : DataFrame
        Of one model: `prospect_id`, `as_of`, `converted`, `value`, `amount`.

    Returns
    -------
    dict
        `conversions`, `deviance`, `deviance_of_mean`, `expected_over_paid`; or a `reason`.
    """
    value, amount = (predictions[name].to_numpy(np.float64) for name in ("value", "amount"))
    known = predictions["converted"].to_numpy(bool) & (value > 0) & (amount > 0)
    if not known.any():
        return {"reason": "no tested conversion has a value that the training rows speak of"}
    paid, expected = value[known], amount[known]
    return {
        "conversions": int(known.sum()),
        "deviance": float(deviance(paid, expected).mean()),
        "deviance_of_mean": float(deviance(paid, np.full(len(paid), expected.mean())).mean()),
        "expected_over_paid": float(expected.sum() / paid.sum()),
    }
