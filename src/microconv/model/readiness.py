"""Is there enough to learn from? Ready, thin, or not enough: with the reason.

A list from thirty conversions looks like any other list. So the model, the report and
the list say what stands behind them. The minimum is one conversion for every handful of
patterns a model could find by chance; the thresholds are the field's usual ones
(a thousand prospects, 120 conversions), to be changed in ``model.ready``. Below the
minimum of conversions the model itself is another: :mod:`microconv.model.fallback`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd

from microconv.settings import ReadySettings

State = Literal["ready", "thin", "not enough"]


def readiness(counts: Mapping[str, float], settings: ReadySettings) -> dict[str, Any]:
    """Say whether a log holds enough to call by a model of it.

    Parameters
    ----------
    counts : mapping of str to float
        `conversions`, `prospects` and `days`, as :func:`learnt_from` counts them.
    settings : ReadySettings

    Returns
    -------
    dict
        `state`, and `says`: one or two sentences with every number that falls short.

    Examples
    --------
    >>> readiness({"conversions": 60, "prospects": 5000, "days": 200}, ReadySettings())["state"]
    'thin'
    """
    short = [
        f"{counts[name]:,.0f} {words} (ready from {least:,.0f})"
        for name, words, least in (
            ("conversions", "conversions", settings.conversions),
            ("prospects", "prospects", settings.prospects),
            ("days", "days of training dates", settings.days),
        )
        if counts[name] < least
    ]
    if not short:
        return {"state": "ready", "says": "There is enough to learn from."}
    if counts["conversions"] < settings.conversions * settings.thin_share:
        return {
            "state": "not enough",
            "says": f"There is not enough to learn from: {', '.join(short)}. The list is only an "
            "order to try, its probabilities are no promise, and nobody gets a grade. Bring a "
            "longer export.",
        }
    return {
        "state": "thin",
        "says": f"There is little to learn from: {', '.join(short)}. Trust the order more than "
        "the probabilities, and read the intervals.",
    }


def learnt_from(labelled: pd.DataFrame) -> dict[str, float]:
    """Count what rows with a closed window hold; a conversion counts once.

    Parameters
    ----------
    labelled : DataFrame
        With `prospect_id`, `as_of`, `converted` and `known_at`.

    Returns
    -------
    dict
        `conversions`, `prospects` and `days` (from the first to the last date asked at).
    """
    return {
        "conversions": count_conversions(labelled[labelled["converted"].to_numpy(dtype=bool)]),
        "prospects": labelled["prospect_id"].nunique(),
        "days": (labelled["as_of"].max() - labelled["as_of"].min()) / pd.Timedelta(days=1),
    }


def count_conversions(won: pd.DataFrame) -> int:
    """Count conversions among the rows that they answer, each once however many these are."""
    return len(won.drop_duplicates(["prospect_id", "known_at"]))
