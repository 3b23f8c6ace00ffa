"""Promised and come true: by grade, by tenth of the probability, by list, at capacity.

A prospect who stood on five weekly lists waits for one conversion. Intervals count
its rows as one: Wilson's, for as many rows as there are prospects.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from microconv.feedback.outcomes import RANKED
from microconv.measurement.stats.intervals import wilson_interval

DECILES = 10

EXPLORED = "exploration"
"""`selection_reason` of whoever was drawn at random from those below the cut."""


def realised_vs_predicted(rows: pd.DataFrame, *, confidence: float) -> dict[str, Any]:
    """Hold what was promised to some rows against what came.

    Returns
    -------
    dict
        `rows`, `prospects`, `conversions`, `expected` (their probabilities summed),
        `promised` and `came` (shares), `low` and `high` of `came`, `ratio` of come to
        expected with `ratio_low` and `ratio_high`, and `kept`: whether what was promised
        lies within the interval.
    """
    n, prospects = len(rows), rows["prospect_id"].nunique()
    conversions = int(rows["converted"].sum())
    promised = float(rows["probability"].mean())
    came = conversions / n
    low, high = (
        float(end) for end in wilson_interval(came * prospects, prospects, confidence=confidence)
    )
    return {
        "rows": n,
        "prospects": prospects,
        "conversions": conversions,
        "expected": float(rows["probability"].sum()),
        "predicted_rate": promised,
        "observed_rate": came,
        "low": low,
        "high": high,
        "ratio": came / promised,
        "ratio_low": low / promised,
        "ratio_high": high / promised,
        "within_interval": low <= promised <= high,
    }


def by_grade(rows: pd.DataFrame, *, confidence: float) -> list[dict[str, Any]]:
    """Hold promises against what came, grade by grade; nothing where nobody was graded."""
    graded = rows.dropna(subset=["grade"])
    return [
        {"grade": str(grade), **realised_vs_predicted(group, confidence=confidence)}
        for grade, group in graded.groupby("grade")
    ]


def by_decile(rows: pd.DataFrame, *, confidence: float) -> list[dict[str, Any]]:
    """Hold promises against what came, in parts of equal size by probability, highest first."""
    order = rows["probability"].rank(method="first", ascending=False).to_numpy() - 1
    tenth = (order * DECILES // len(rows)).astype(int) + 1
    return [
        {
            "decile": int(str(number)),
            "from": float(group["probability"].min()),
            "to": float(group["probability"].max()),
            **realised_vs_predicted(group, confidence=confidence),
        }
        for number, group in rows.groupby(tenth)
    ]


def by_list(rows: pd.DataFrame, *, capacity: int | None, confidence: float) -> list[dict[str, Any]]:
    """Hold promises against what came, list by list in time, and of the best that were called.

    Parameters
    ----------
    capacity : int or None
        How many of a list could be called; all who were ranked when None.
    """
    out = []
    for name, group in rows.groupby("list_id", sort=False):  # they are in time
        ranked = group[group["selection_reason"] == RANKED]
        called = ranked if capacity is None else ranked[ranked["rank"] <= capacity]
        told = {"list_id": name, "as_of": f"{group['as_of'].iloc[0]:%Y-%m-%dT%H:%M:%SZ}"}
        if len(called):
            told |= {
                "capacity": len(called),
                "precision": float(called["converted"].mean()),
                "predicted_precision": float(called["probability"].mean()),
                "value": float(called["value"].sum()),
            }
        out.append({**told, **realised_vs_predicted(group, confidence=confidence)})
    return out


def explored(rows: pd.DataFrame, *, confidence: float) -> dict[str, Any] | None:
    """Say what the slots that were drawn at random show of everyone below the cut.

    Each drawn row stands for 1 / `selection_probability` prospects who were not listed.
    Without such slots nobody knows what became of the others of a list that was
    acted on, and the next model learns from the called alone.

    Returns
    -------
    dict or None
        `came` and `promised` of those below the cut, weighted, with the interval of the
        first; `ratio`, how many times the ranked convert as often; None without slots.
    """
    drawn = rows[(rows["selection_reason"] == EXPLORED) & (rows["selection_probability"] > 0)]
    ranked = rows[rows["selection_reason"] == RANKED]
    if not len(drawn):
        return None
    weight = 1 / drawn["selection_probability"].to_numpy(float)
    came = float(np.average(drawn["converted"], weights=weight))
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    effective *= drawn["prospect_id"].nunique() / len(drawn)
    low, high = (
        float(end) for end in wilson_interval(came * effective, effective, confidence=confidence)
    )
    told: dict[str, Any] = {
        "rows": len(drawn),
        "conversions": int(drawn["converted"].sum()),
        "represents": float(weight.sum()),
        "predicted_rate": float(np.average(drawn["probability"], weights=weight)),
        "observed_rate": came,
        "low": low,
        "high": high,
    }
    if len(ranked):
        told |= _times_as_often(ranked, came * effective, effective, confidence=confidence)
    return told


def _times_as_often(
    ranked: pd.DataFrame, conversions: float, rows: float, *, confidence: float
) -> dict[str, Any]:
    """Compare the ranked with those below the cut, by the interval of the log ratio."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    share, size = float(ranked["converted"].mean()), ranked["prospect_id"].nunique()
    low, high = confint_proportions_2indep(
        share * size, size, conversions, rows,
        compare="ratio", method="log-adjusted", alpha=1 - confidence,
    )  # fmt: skip
    ratio = share * rows / conversions if conversions else None
    return {"ranked": share, "ratio": {"value": ratio, "low": float(low), "high": float(high)}}
