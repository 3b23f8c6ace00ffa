"""What a model was trained on, in a few numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pandas as pd

from microconv.model.amount import winsorised_mean
from microconv.settings import ReadinessSettings

State = Literal["ready", "thin", "not enough"]

INSTANTS = ("first", "last", "learnt_until")


@dataclass(frozen=True)
class TrainingFacts:
    """What a model was trained on.

    Attributes
    ----------
    first, last : datetime
        The earliest and latest `as_of` of a closed window, UTC.
    learnt_until : datetime
        The first instant whose outcomes it cannot have learnt from. Later than the end
        of the last closed window: the hazard also learns from windows still open.
    n_rows, n_prospects : int
    n_conversions : int
        Conversions, each counted once however many rows it answers.
    base_rate : float
        Share of the rows that are followed by a conversion.
    mean_value : float or None
        What a conversion is worth: the mean over conversions with a value, those
        above their 99th percentile counted as worth just that (one whale should
        not set everybody's expected value). None if no conversion has a value.
    choice : str
        How shares and calibration came about.
    readiness : dict of str to str
        Whether that is enough: `state`, and `says`.
    """

    first: datetime
    last: datetime
    learnt_until: datetime
    n_rows: int
    n_prospects: int
    n_conversions: int
    base_rate: float
    mean_value: float | None
    choice: str
    readiness: dict[str, str]

    @classmethod
    def of(cls, snapshots: pd.DataFrame, choice: str, ready: ReadinessSettings) -> TrainingFacts:
        """Count the rows of a training set; those without a label only set `learnt_until`."""
        learnt_until = snapshots["followed_until"].max().to_pydatetime()
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

    def to_json(self) -> dict[str, Any]:
        """Write the facts out, instants in ISO form."""
        return {**asdict(self), **{name: getattr(self, name).isoformat() for name in INSTANTS}}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> TrainingFacts:
        """Read what :meth:`to_json` wrote."""
        instants = {name: datetime.fromisoformat(content[name]) for name in INSTANTS}
        return cls(**{**content, **instants})


def readiness(counts: Mapping[str, float], settings: ReadinessSettings) -> dict[str, Any]:
    """Say whether a log holds enough to call by a model of it.

    Parameters
    ----------
    counts : mapping of str to float
        `conversions`, `prospects` and `days`, as :func:`training_counts` counts them.
    settings : ReadinessSettings

    Returns
    -------
    dict
        `state`, and `says`: one or two sentences with every number that falls short.

    Examples
    --------
    >>> readiness({"conversions": 60, "prospects": 5000, "days": 200}, ReadinessSettings())["state"]
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


def count_training_data(labelled: pd.DataFrame) -> dict[str, float]:
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
