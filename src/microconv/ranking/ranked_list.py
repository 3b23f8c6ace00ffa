"""The ranked list: its table, grades, changes since the previous list, and who is not on it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from microconv.ranking.explanations.formatting import one_line
from microconv.ranking.list_columns import ordered_columns
from microconv.ranking.output.past_lists import PastList
from microconv.settings import ScoreSettings

SELECTION_RULES = ("rank_by", "capacities", "one_per_account", "cool_off", "exploration")
"""Settings that decide who is listed."""

UNSEEN = ("not_yet_known", "merged_away", "no_step")
"""Reasons for not being listed of prospects who had not been seen under their id."""


@dataclass(frozen=True)
class Ranking:
    """A ranked list, and the counts of everyone who is not on it.

    Attributes
    ----------
    frame : DataFrame
        One row per listed prospect, best first, with the columns of
        :data:`~microconv.ranking.list_columns.LIST_COLUMNS`.
    as_of : datetime
        Only what was visible strictly before this instant was used.
    horizon : timedelta
        A probability is that of a conversion in ``[as_of, as_of + horizon)``.
    scored : int
        Number of prospects scored; percentiles are among them.
    left_out : dict of str to int
        Reason → prospects who are not listed. Those `below_the_limit` were scored.
    exits : dict of str to int
        Exit step → prospects; sums to those who `exited`.
    limit : int or None
    selection_rules : dict
        The settings :data:`SELECTION_RULES` that differ from their defaults.
    grades : dict of str to float or None
        Thresholds of the column `grade`; None where nobody is graded, as with too little
        training data.
    notes : tuple of str
        Warnings about the list; usually none.
    readiness : dict of str to str or None
        Whether the model had enough training data: `state` and `summary`.
    previous_list : str or None
        Id of the list that changes refer to.
    measurement_md5 : str or None
        md5 of the measurement behind next steps.
    learnt_until : datetime or None
        First instant whose outcomes the model cannot have been trained on.
    details : Table or None
        Row for row with `frame`: :data:`~microconv.ranking.list_columns.DETAIL_COLUMNS`.
    """

    frame: pd.DataFrame = field(repr=False)
    as_of: datetime
    horizon: timedelta
    scored: int
    left_out: dict[str, int]
    exits: dict[str, int] = field(default_factory=dict)
    limit: int | None = None
    selection_rules: dict[str, Any] = field(default_factory=dict)
    grades: dict[str, float] | None = None
    notes: tuple[str, ...] = ()
    readiness: dict[str, str] | None = None
    previous_list: str | None = None
    measurement_md5: str | None = None
    learnt_until: datetime | None = None
    details: pa.Table | None = field(default=None, repr=False)

    @property
    def prospects(self) -> int:
        """Number of prospects in the log."""
        return len(self.frame) + sum(self.left_out.values())

    @property
    def known(self) -> int:
        """Number of prospects who had been seen before `as_of`."""
        return self.prospects - sum(self.left_out[reason] for reason in UNSEEN)


def selection_rules(settings: ScoreSettings | None) -> dict[str, Any]:
    """Return the settings that decide who is listed, where they differ from their defaults."""
    given = {} if settings is None else settings.model_dump(mode="json", exclude_defaults=True)
    return {name: given[name] for name in SELECTION_RULES if name in given}


def build_list(
    rows: pd.DataFrame,
    scored: npt.NDArray[np.float64],
    *,
    grades: Mapping[str, float] | None,
    capacity_columns: Sequence[str] = (),
) -> pd.DataFrame:
    """Build the table of the list from the selected rows.

    Parameters
    ----------
    rows : DataFrame
        Candidates, best first, with their reasons and `amount`.
    scored : ndarray of float64, shape (n_scored,)
        Probability of every scored prospect.
    grades : mapping of str to float or None
        Without thresholds there is no grade.
    capacity_columns : sequence of str
        Columns by which capacity is limited.

    Returns
    -------
    DataFrame
        With the columns of :data:`~microconv.ranking.list_columns.LIST_COLUMNS`.
    """
    probability = rows["probability"].to_numpy()
    # numpy writes "not a time" as the smallest integer, which is NOT_YET
    activity = pd.Series(rows["last_activity"].to_numpy().view("datetime64[us]"), rows.index)
    graded = [None] * len(rows) if grades is None else grade(probability, grades)
    table = rows.assign(
        rank=np.arange(1, len(rows) + 1),
        percentile=percentile(probability, scored),
        grade=pd.Series(graded, index=rows.index, dtype="str"),
        expected_value=probability * rows["amount"].to_numpy(),
        last_activity=activity.dt.tz_localize("UTC"),
    )
    return table[ordered_columns(table, capacity_columns)]


def percentile(
    probability: npt.NDArray[np.float64], scored: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Compute the share of scored prospects who are less probable, ties counted half, in percent.

    Parameters
    ----------
    probability : ndarray of float64, shape (n_rows,)
    scored : ndarray of float64, shape (n_scored,)
        Probabilities of everyone who was scored.

    Examples
    --------
    >>> percentile(np.array([0.9, 0.2]), np.array([0.1, 0.2, 0.2, 0.9])).tolist()
    [87.5, 50.0]
    """
    ordered = np.sort(scored)
    below = np.searchsorted(ordered, probability, side="left")
    up_to = np.searchsorted(ordered, probability, side="right")
    return 50.0 * (below + up_to) / max(len(ordered), 1)


def grade(
    probability: npt.NDArray[np.float64], thresholds: Mapping[str, float]
) -> npt.NDArray[np.object_]:
    """Return the best grade whose threshold each probability reaches.

    Thresholds are absolute: quartiles of the day's list would shift from day to day,
    and a weak week would have as many As as a strong one.

    Parameters
    ----------
    probability : ndarray of float64, shape (n_rows,)
    thresholds : mapping of str to float
        Grade → smallest probability, falling to 0, as
        :class:`~microconv.settings.ScoreSettings` checks.

    Returns
    -------
    ndarray of str, shape (n_rows,)

    Examples
    --------
    >>> grade(np.array([0.31, 0.2, 0.199, 0.0]), {"A": 0.2, "B": 0.1, "C": 0.0})
    array(['A', 'A', 'B', 'C'], dtype=object)
    """
    names = np.array(list(thresholds), dtype=object)
    smallest = np.array(list(thresholds.values()))
    best = np.argmax(probability[:, None] >= smallest, axis=1)
    return np.asarray(names[best], dtype=object)


def grades_version(thresholds: Mapping[str, float]) -> str:
    """Return a short hash of grade thresholds: lists with the same version grade alike.

    Examples
    --------
    >>> grades_version({"A": 0.1, "B": 0.0}) == grades_version({"A": 0.1, "B": 0.0})
    True
    """
    content = json.dumps([[name, float(least)] for name, least in thresholds.items()])
    return hashlib.sha256(content.encode()).hexdigest()[:8]


def add_changes(rows: pd.DataFrame, previous: PastList, *, as_of: datetime) -> pd.DataFrame:
    """Add each row's rank on the previous list, and what happened since.

    Parameters
    ----------
    rows : DataFrame
        In the order of the new list, with `prospect_id`, `latest_action` and `last_activity`.
    previous : PastList
    as_of : datetime
        Of the new list.

    Returns
    -------
    DataFrame
        With `previous_rank` (missing for newcomers) and `change_since_last_list`, like
        "+12: pricing visit" or "-4: no activity for 20 days".
    """
    ranks = previous.frame.set_index("prospect_id")["rank"]
    previous_rank = rows["prospect_id"].map(ranks).astype("Int64")
    seen = pd.to_datetime(rows["last_activity"].to_numpy(), unit="us", utc=True)
    days = (pd.Timestamp(as_of) - seen) / timedelta(days=1)  # nan before the first step
    change = [
        _change(rank, before, action, idle)
        for rank, before, action, idle in zip(
            range(1, len(rows) + 1), previous_rank, rows["latest_action"], days, strict=True
        )
    ]
    changes = pd.Series(change, rows.index, dtype="str")
    return rows.assign(previous_rank=previous_rank, change_since_last_list=changes)


def _change(rank: int, before: object, action: object, idle: float) -> str:
    moved = "new" if pd.isna(before) else f"{int(str(before)) - rank:+d}"  # type: ignore[call-overload]
    if isinstance(action, str):
        return f"{moved}: {one_line(action).replace('_', ' ')}"
    if pd.isna(idle):
        return f"{moved}: no activity yet"
    return f"{moved}: no activity for {round(idle)} days"
