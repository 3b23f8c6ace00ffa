"""Realised and predicted conversions: by grade, by decile, by list, and of the exploration slots.

A prospect on five weekly lists can convert only once. Intervals therefore count its rows
as one: they are Wilson's, for as many rows as there are prospects.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from microconv.feedback.outcomes import RANKED
from microconv.measurement.stats.intervals import wilson_interval

DECILES = 10

EXPLORATION = "exploration"
"""`selection_reason` of prospects drawn at random from those below the cut."""


def realised_vs_predicted(rows: pd.DataFrame, *, confidence: float) -> dict[str, Any]:
    """Compare the predicted conversion rate of some rows with the observed one.

    Parameters
    ----------
    rows : DataFrame
        Of :class:`~microconv.feedback.outcomes.Outcomes`.
    confidence : float

    Returns
    -------
    dict
        `rows`, `prospects`, `conversions`, `expected` (sum of the probabilities),
        `predicted_rate` and `observed_rate`, `low` and `high` of the observed one, its `ratio`
        to the predicted one with `ratio_low` and `ratio_high`, and `within_interval`: whether
        the predicted rate lies within the interval.
    """
    n, prospects = len(rows), rows["prospect_id"].nunique()
    conversions = int(rows["converted"].sum())
    predicted = float(rows["probability"].mean())
    observed = conversions / n
    low, high = _interval(observed, prospects, confidence)
    return {
        "rows": n,
        "prospects": prospects,
        "conversions": conversions,
        "expected": float(rows["probability"].sum()),
        "predicted_rate": predicted,
        "observed_rate": observed,
        "low": low,
        "high": high,
        "ratio": observed / predicted,
        "ratio_low": low / predicted,
        "ratio_high": high / predicted,
        "within_interval": low <= predicted <= high,
    }


def _interval(rate: float, size: float, confidence: float) -> tuple[float, float]:
    low, high = wilson_interval(rate * size, size, confidence=confidence)
    return float(low), float(high)


def by_grade(rows: pd.DataFrame, *, confidence: float) -> list[dict[str, Any]]:
    """Compare realised and predicted conversions by grade; empty without grades.

    Parameters
    ----------
    rows : DataFrame
    confidence : float
    """
    graded = rows.dropna(subset=["grade"])
    return [
        {"grade": str(grade), **realised_vs_predicted(group, confidence=confidence)}
        for grade, group in graded.groupby("grade")
    ]


def by_decile(rows: pd.DataFrame, *, confidence: float) -> list[dict[str, Any]]:
    """Compare realised and predicted conversions by decile of the probability, highest first.

    Parameters
    ----------
    rows : DataFrame
    confidence : float
    """
    order = rows["probability"].rank(method="first", ascending=False).to_numpy() - 1
    decile = (order * DECILES // len(rows)).astype(int) + 1
    return [
        {
            "decile": int(str(number)),
            "from": float(group["probability"].min()),
            "to": float(group["probability"].max()),
            **realised_vs_predicted(group, confidence=confidence),
        }
        for number, group in rows.groupby(decile)
    ]


def by_list(rows: pd.DataFrame, *, capacity: int | None, confidence: float) -> list[dict[str, Any]]:
    """Compare realised and predicted conversions list by list, and of the top of each list.

    Parameters
    ----------
    rows : DataFrame
        Sorted by time.
    capacity : int or None
        How many prospects of a list can be called; all that were ranked when None.
    confidence : float

    Returns
    -------
    list of dict
        Adds `list_id`, `as_of`, and of the top of the list `capacity`, `precision`,
        `predicted_precision` and `value`.
    """
    out = []
    for name, group in rows.groupby("list_id", sort=False):
        ranked = group[group["selection_reason"] == RANKED]
        top = ranked if capacity is None else ranked[ranked["rank"] <= capacity]
        entry = {"list_id": name, "as_of": f"{group['as_of'].iloc[0]:%Y-%m-%dT%H:%M:%SZ}"}
        if len(top):
            entry |= {
                "capacity": len(top),
                "precision": float(top["converted"].mean()),
                "predicted_precision": float(top["probability"].mean()),
                "value": float(top["value"].sum()),
            }
        out.append({**entry, **realised_vs_predicted(group, confidence=confidence)})
    return out


def exploration_results(rows: pd.DataFrame, *, confidence: float) -> dict[str, Any] | None:
    """Estimate the conversion rate below the cut from the exploration slots.

    Each drawn row represents 1 / `selection_probability` prospects who were not listed.
    Without such slots the outcomes below the cut are unknown once a list has been acted on,
    and the next model is trained on called prospects only.

    Parameters
    ----------
    rows : DataFrame
    confidence : float

    Returns
    -------
    dict or None
        Weighted `predicted_rate` and `observed_rate` below the cut, with `low` and `high` of
        the latter; `ranked` (the rate of ranked prospects) and its `ratio` to the rate below
        the cut. None without exploration slots.
    """
    drawn = rows[(rows["selection_reason"] == EXPLORATION) & (rows["selection_probability"] > 0)]
    ranked = rows[rows["selection_reason"] == RANKED]
    if not len(drawn):
        return None
    weight = 1 / drawn["selection_probability"].to_numpy(float)
    observed = float(np.average(drawn["converted"], weights=weight))
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    effective *= drawn["prospect_id"].nunique() / len(drawn)
    low, high = _interval(observed, effective, confidence)
    out: dict[str, Any] = {
        "rows": len(drawn),
        "conversions": int(drawn["converted"].sum()),
        "represents": float(weight.sum()),
        "predicted_rate": float(np.average(drawn["probability"], weights=weight)),
        "observed_rate": observed,
        "low": low,
        "high": high,
    }
    if len(ranked):
        out |= _ranked_ratio(ranked, observed * effective, effective, confidence=confidence)
    return out


def _ranked_ratio(
    ranked: pd.DataFrame, conversions: float, rows: float, *, confidence: float
) -> dict[str, Any]:
    """Compare the rate of ranked prospects with that below the cut."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    rate, size = float(ranked["converted"].mean()), ranked["prospect_id"].nunique()
    low, high = confint_proportions_2indep(
        rate * size, size, conversions, rows,
        compare="ratio", method="log-adjusted", alpha=1 - confidence,
    )  # fmt: skip
    ratio = rate * rows / conversions if conversions else None
    return {"ranked": rate, "ratio": {"value": ratio, "low": float(low), "high": float(high)}}
