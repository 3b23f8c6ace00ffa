"""What a model was trained on, and whether that is enough: ready, thin or not enough.

A list from thirty conversions looks like any other list. So the model, the report and the list
state what is behind them. The thresholds of `model.ready` are the usual ones (a thousand
prospects, 120 conversions). With fewer conversions the model itself is a different one:
:mod:`microconv.model.fallback`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import AfterValidator, AwareDatetime
from pydantic.dataclasses import dataclass

from microconv.model.amount import winsorised_mean
from microconv.model.artefact import STRICT
from microconv.settings import ReadinessSettings

Instant = Annotated[AwareDatetime, AfterValidator(lambda instant: instant.astimezone(UTC))]


@dataclass(frozen=True, config=STRICT)
class TrainingFacts:
    """What a model was trained on.

    Attributes
    ----------
    first, last : datetime
        The earliest and latest `as_of` of a closed window, UTC.
    learnt_until : datetime
        No outcome at or after this instant was used. Later than the end of the last closed
        window: the hazard also uses windows still open.
    n_rows, n_prospects : int
    n_conversions : int
        Conversions, each counted once however many rows it labels.
    base_rate : float
        Share of the rows that are followed by a conversion.
    mean_value : float or None
        The winsorised mean value of a conversion (one very large sale should not set everybody's
        expected value). None if no conversion has a value.
    choice : str
        How weights and calibration were chosen.
    readiness : dict of str to str
        Whether that is enough: `state` and `summary`.
    """

    first: Instant
    last: Instant
    learnt_until: Instant
    n_rows: int
    n_prospects: int
    n_conversions: int
    base_rate: float
    mean_value: float | None
    choice: str
    readiness: dict[str, str]

    @classmethod
    def from_snapshots(
        cls, snapshots: pd.DataFrame, choice: str, ready: ReadinessSettings
    ) -> TrainingFacts:
        """Count the rows of a training set; unlabelled rows only extend `learnt_until`.

        Parameters
        ----------
        snapshots : DataFrame
        choice : str
        ready : ReadinessSettings
        """
        learnt_until: datetime = snapshots["followed_until"].max().to_pydatetime()
        snapshots = snapshots[snapshots["observed"].to_numpy(dtype=bool)]
        converted = snapshots["converted"].to_numpy(dtype=bool)
        won = snapshots[converted].sort_values(["prospect_id", "as_of"])
        once = won.drop_duplicates(["prospect_id", "known_at"])
        values = once["value"].to_numpy(dtype=np.float64)
        values = values[np.isfinite(values)]
        return cls(
            first=snapshots["as_of"].min().to_pydatetime(),
            last=snapshots["as_of"].max().to_pydatetime(),
            learnt_until=learnt_until,
            n_rows=len(snapshots),
            n_prospects=snapshots["prospect_id"].nunique(),
            n_conversions=len(once),
            base_rate=float(converted.mean()),
            mean_value=winsorised_mean(values) if len(values) else None,
            choice=choice,
            readiness=readiness(count_training_data(snapshots), ready),
        )


def readiness(counts: Mapping[str, float], settings: ReadinessSettings) -> dict[str, str]:
    """Return whether there is enough data for a model that calls can be based on.

    Parameters
    ----------
    counts : mapping of str to float
        `conversions`, `prospects` and `days`, as :func:`count_training_data` counts them.
    settings : ReadinessSettings

    Returns
    -------
    dict
        `state` ("ready", "thin" or "not enough") and `summary`: one or two sentences with every
        number that falls short.

    Examples
    --------
    >>> counts = {"conversions": 60, "prospects": 5000, "days": 200}
    >>> readiness(counts, ReadinessSettings())["state"]
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
        return {"state": "ready", "summary": "There is enough to learn from."}
    if counts["conversions"] < settings.conversions * settings.thin_share:
        return {
            "state": "not enough",
            "summary": f"There is not enough to learn from: {', '.join(short)}. Treat the list as "
            "an order to try out: its probabilities are not reliable, and no grades are given. "
            "Bring a longer export.",
        }
    return {
        "state": "thin",
        "summary": f"There is little to learn from: {', '.join(short)}. Trust the order more than "
        "the probabilities, and look at the intervals.",
    }


def count_training_data(labelled: pd.DataFrame) -> dict[str, float]:
    """Count what rows with a closed window contain; a conversion counts once.

    Parameters
    ----------
    labelled : DataFrame
        With `prospect_id`, `as_of`, `converted` and `known_at`.

    Returns
    -------
    dict
        `conversions`, `prospects` and `days` (from the first to the last `as_of`).
    """
    return {
        "conversions": count_conversions(labelled[labelled["converted"].to_numpy(dtype=bool)]),
        "prospects": labelled["prospect_id"].nunique(),
        "days": (labelled["as_of"].max() - labelled["as_of"].min()) / pd.Timedelta(days=1),
    }


def count_conversions(won: pd.DataFrame) -> int:
    """Return the number of conversions that label these rows, each counted once."""
    return len(won.drop_duplicates(["prospect_id", "known_at"]))
