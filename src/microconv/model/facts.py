"""What a model was trained on, in a few numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from microconv.model.amount import winsorised_mean


@dataclass(frozen=True)
class TrainingFacts:
    """What a model was trained on.

    Attributes
    ----------
    first, last : datetime
        The earliest and latest `as_of`, UTC.
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
    """

    first: datetime
    last: datetime
    n_rows: int
    n_prospects: int
    n_conversions: int
    base_rate: float
    mean_value: float | None
    choice: str

    @classmethod
    def of(cls, snapshots: pd.DataFrame, choice: str) -> TrainingFacts:
        """Count the rows of a training set."""
        converted = snapshots["converted"].to_numpy(dtype=bool)
        won = snapshots[converted].sort_values(["prospect_id", "as_of"])
        once = won.drop_duplicates(["prospect_id", "known_at"])
        values = once["value"].to_numpy(dtype=np.float64)
        values = values[np.isfinite(values)]
        return cls(
            first=snapshots["as_of"].min().to_pydatetime(),
            last=snapshots["as_of"].max().to_pydatetime(),
            n_rows=len(snapshots),
            n_prospects=snapshots["prospect_id"].nunique(),
            n_conversions=len(once),
            base_rate=float(converted.mean()),
            mean_value=winsorised_mean(values) if len(values) else None,
            choice=choice,
        )

    def to_json(self) -> dict[str, Any]:
        """Write the facts out, instants in ISO form."""
        return {**asdict(self), "first": self.first.isoformat(), "last": self.last.isoformat()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> TrainingFacts:
        """Read what :meth:`to_json` wrote."""
        instants = {name: datetime.fromisoformat(content[name]) for name in ("first", "last")}
        return cls(**{**content, **instants})
