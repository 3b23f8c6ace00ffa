"""The columns of a prospect list: their order, how they are shown, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

import pandas as pd
import pyarrow as pa

from microconv.storage.schema import INSTANT

Kind = Literal["text", "number", "probability", "share", "percent", "money", "time"]


class ListColumn(NamedTuple):
    """How a column is shown, and what it means."""

    kind: Kind
    meaning: str


CONTACT_COLUMNS = ("account_id", "owner", "name", "email")
"""Columns of the prospects table that go to the list where there is one."""

CAPACITY = "(columns of score.capacities)"

LIST_COLUMNS = {
    "rank": ListColumn("number", "Position on the list, from 1."),
    "prospect_id": ListColumn("text", "Id of the prospect."),
    "account_id": ListColumn("text", "Account of the prospect."),
    "owner": ListColumn("text", "Who looks after the prospect."),
    "name": ListColumn("text", "Name of the prospect."),
    "email": ListColumn("text", "Email address of the prospect."),
    CAPACITY: ListColumn("text", "Team, territory, …: whose capacity the prospect takes up."),
    "other_contacts": ListColumn(
        "text", "With `score.one_per_account`: further candidates of the account, best first."
    ),
    "probability": ListColumn("probability", "Probability of a conversion within the horizon."),
    "probability_*d": ListColumn("probability", "The same within each of `score.horizons_days`."),
    "percentile": ListColumn(
        "percent", "Share of all scored prospects with a lower probability, ties counted half."
    ),
    "grade": ListColumn("text", "Grade of the probability, by the thresholds of `score.grades`."),
    "amount": ListColumn("money", "Expected value of the conversion, if there is one."),
    "expected_value": ListColumn("money", "`probability` × `amount`."),
    "selection_reason": ListColumn(
        "text", "`rank`, or `exploration` for a prospect drawn at random from below the cut."
    ),
    "selection_probability": ListColumn(
        "share", "Probability of being drawn for exploration; 1 for those listed by rank."
    ),
    "reason_*": ListColumn(
        "text", "What raises (↑) or lowers (↓) the probability most, strongest first."
    ),
    "stage": ListColumn("text", "Furthest stage of the journey reached so far."),
    "next_step": ListColumn("text", "Step of the journey to suggest next."),
    "next_step_reason": ListColumn("text", "Why this step."),
    "last_activity": ListColumn("time", "Time of the latest micro-conversion."),
    "previous_rank": ListColumn("number", "Rank on the previous list; empty for newcomers."),
    "change_since_last_list": ListColumn("text", "Change of rank, and what happened since."),
}
"""Name, or pattern of names, → column, in the order of the list."""

INTERNAL_COLUMNS = ("bucket", "events", "latest_action", "all_reasons")
"""Columns that the ranking needs on its way and that are not part of the list."""

_REASON = pa.struct([("text", pa.string()), ("log_odds", pa.float64())])
_STEP = pa.struct(
    [
        ("time", INSTANT),
        ("step", pa.string()),
        ("message", pa.string()),
        ("campaign", pa.string()),
        ("human_probability", pa.float64()),
    ]
)
DETAIL_COLUMNS = pa.schema(
    [
        ("reasons", pa.list_(_REASON)),
        ("other_reasons_log_odds", pa.float64()),
        ("recent_steps", pa.list_(_STEP)),
        ("earlier_steps", pa.int64()),
        ("exposures", pa.int64()),
    ]
)
"""Columns of the details, in the Parquet and JSON lines files only.

`reasons` are all reasons that change the log-odds by
:data:`~microconv.ranking.explanations.reasons.FAINT` or more, strongest first;
`other_reasons_log_odds` is the sum of the others. `recent_steps` are the latest
:data:`~microconv.ranking.explanations.details.MAX_STEPS` steps of the prospect, latest first
(`message` is the subject where the log has it); `earlier_steps` and `exposures` (what was sent,
delivered or opened) are counts."""


def ordered_columns(table: pd.DataFrame, capacity_columns: Sequence[str] = ()) -> list[str]:
    """Return the names of the columns of the list, in its order.

    Parameters
    ----------
    table : DataFrame
    capacity_columns : sequence of str
        Columns by which capacity is limited.

    Raises
    ------
    ValueError
        If a column is neither in :data:`LIST_COLUMNS` nor internal: it would be lost.
    """
    extra = [name for name in capacity_columns if name not in LIST_COLUMNS]
    names = [name for name in table.columns if name not in extra]
    ordered = [
        name
        for pattern in LIST_COLUMNS
        for name in (extra if pattern == CAPACITY else names)
        if pattern in (name, CAPACITY) or fnmatchcase(name, pattern)
    ]
    unknown = set(names) - set(ordered) - set(INTERNAL_COLUMNS)
    if unknown:
        raise ValueError(
            f"The list has no place for {sorted(unknown)}. Add a line to LIST_COLUMNS in "
            "ranking/list_columns.py, or to INTERNAL_COLUMNS if it is not for the list."
        )
    return ordered


def kind_of(name: str) -> Kind:
    """Return the kind of a column; one that is not of the list is text.

    Examples
    --------
    >>> kind_of("probability_7d"), kind_of("team")
    ('probability', 'text')
    """
    matches = (column.kind for key, column in LIST_COLUMNS.items() if fnmatchcase(name, key))
    return next(matches, "text")
