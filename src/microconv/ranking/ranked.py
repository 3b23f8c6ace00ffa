"""The table `ranked`, and an account of everyone who is not on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from microconv.ranking.contacts import CONTACT
from microconv.ranking.grades import grade
from microconv.settings import ScoreSettings

COLUMNS = (
    "rank",
    "prospect_id",
    *CONTACT,
    "shared",
    "other_contacts",
    "probability",
    "probability_",
    "percentile",
    "grade",
    "amount",
    "expected_value",
    "selection_reason",
    "selection_probability",
    "reason_",
    "stage",
    "next_step",
    "next_step_reason",
    "last_activity",
    "previous_rank",
    "change_since_last_list",
)
"""The columns of `ranked` in their order; `reason_` stands for reason_1, reason_2, …,
`probability_` for those of further horizons (`probability_7d`), and the contact columns are
there when the log has a prospects table. `shared` stands for the columns by which places
are shared out (`team`), `other_contacts` is there with one contact per account, and
`previous_rank` and `change_since_last_list` where the list before was named."""

SELECTION_RULES = ("rank_by", "capacities", "one_per_account", "cool_off", "exploration")
"""Settings that decide who is listed."""

UNSEEN = ("not_yet_known", "merged_away", "no_step")
"""Reasons to be left out of those who had not been seen under the id that they have."""


@dataclass(frozen=True)
class Ranking:
    """A ranked list, and an account of everyone who is not on it.

    Attributes
    ----------
    frame : DataFrame
        The table `ranked`: one row per listed prospect, best first.
    as_of : datetime
        Only what was visible strictly before this instant was used.
    horizon : timedelta
        A probability is that of a conversion in ``[as_of, as_of + horizon)``.
    scored : int
        How many prospects were asked about; percentiles are among them.
    left_out : dict of str to int
        Why the others are not listed → how many. Those `below_the_limit` were scored.
    exits : dict of str to int
        Of those who exited: by what; sums to their number.
    limit : int or None
    selection_rules : dict
        The settings :data:`SELECTION_RULES` that differ from their defaults.
    grades : dict of str to float or None
        The thresholds behind the column `grade`; None where nobody is graded, as without
        enough to learn from.
    notes : tuple of str
        What a reader must know before believing the list; usually nothing.
    readiness : dict of str to str or None
        Whether the model had enough to learn from: `state`, and `says`.
    previous_list : str or None
        The id of the list that changes are counted from.
    measurement_md5 : str or None
        The md5 of the measurement behind next steps.
    learnt_until : datetime or None
        The first instant whose outcomes the model cannot have learnt from.
    details : Table or None
        Row for row with `frame`:
        :data:`~microconv.ranking.explanations.details_schema.DETAIL_COLUMNS`.
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
        """How many prospects the log has."""
        return len(self.frame) + sum(self.left_out.values())

    @property
    def known(self) -> int:
        """How many of them had been seen before `as_of`."""
        return self.prospects - sum(self.left_out[reason] for reason in UNSEEN)


def rules_of(settings: ScoreSettings | None) -> dict[str, Any]:
    """Write out the settings that decide who is listed, those that were set alone."""
    given = {} if settings is None else settings.model_dump(mode="json", exclude_defaults=True)
    return {name: given[name] for name in SELECTION_RULES if name in given}


def finish(
    rows: pd.DataFrame,
    everyone: npt.NDArray[np.float64],
    *,
    grades: dict[str, float] | None,
    shared: Sequence[str] = (),
) -> pd.DataFrame:
    """Make the table `ranked` of the listed rows.

    Parameters
    ----------
    rows : DataFrame
        A shortlist's rows, best first, with their `reason_1`, `reason_2`, …, and
        `amount`, what a conversion would be worth.
    everyone : ndarray of float64, shape (n_scored,)
        The probability of everyone asked.
    grades : dict of str to float or None
        Without thresholds there is no grade.
    shared : sequence of str
        Columns by which places were shared out.

    Returns
    -------
    DataFrame
        With :data:`COLUMNS`. `percentile` is the share of everyone scored who
        is less probable, ties counted half, in percent.
    """
    probability = rows["probability"].to_numpy()
    # numpy writes "not a time" as the smallest integer, which is NO_ACTIVITY
    activity = pd.Series(rows["last_activity"].to_numpy().view("datetime64[us]"), rows.index)
    graded = [None] * len(rows) if grades is None else grade(probability, grades)
    table = rows.assign(
        rank=np.arange(1, len(rows) + 1),
        percentile=percentile(probability, everyone),
        grade=pd.Series(graded, index=rows.index, dtype="str"),
        expected_value=probability * rows["amount"].to_numpy(),
        last_activity=activity.dt.tz_localize("UTC"),
    )
    more = [name for name in shared if name not in COLUMNS]
    return table[[name for column in COLUMNS for name in _named(column, table, more)]]


def _named(column: str, table: pd.DataFrame, shared: list[str]) -> list[str]:
    """List the columns of a table that a name of :data:`COLUMNS` stands for."""
    if column == "shared":
        return shared
    if column.endswith("_"):
        return [name for name in table.columns if name.startswith(column)]
    return [column] if column in table else []


def percentile(
    probability: npt.NDArray[np.float64], everyone: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Say what share of everyone is less probable, ties counted half, in percent.

    Examples
    --------
    >>> percentile(np.array([0.9, 0.2]), np.array([0.1, 0.2, 0.2, 0.9])).tolist()
    [87.5, 50.0]
    """
    ordered = np.sort(everyone)
    below = np.searchsorted(ordered, probability, side="left")
    up_to = np.searchsorted(ordered, probability, side="right")
    return 50.0 * (below + up_to) / max(len(ordered), 1)
