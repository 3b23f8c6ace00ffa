"""Is there enough to learn from? Ready, thin, or not enough: with the reason.

A list from thirty conversions looks like any other list. So the report and the list
say what stands behind them. The minimum is one conversion for every handful of
patterns a model could find by chance; the thresholds are the field's usual ones
(a thousand prospects, 120 conversions), to be changed in ``evaluate.ready``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from microconv.settings import ReadySettings

State = Literal["ready", "thin", "not enough"]


def readiness(counts: Mapping[str, float], settings: ReadySettings) -> dict[str, Any]:
    """Say whether a log holds enough to call by a model of it.

    Parameters
    ----------
    counts : mapping of str to float
        `conversions`, `prospects` and `days` (from the first to the last training date)
        of the labelled questions.
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
            "order to try, its probabilities are no promise. Bring a longer export.",
        }
    return {
        "state": "thin",
        "says": f"There is little to learn from: {', '.join(short)}. Trust the order more than "
        "the probabilities, and read the intervals.",
    }
