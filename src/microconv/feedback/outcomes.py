"""Past lists joined with what happened: one row per list and prospect whose window has closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from microconv.histories.arrays import microseconds
from microconv.histories.load import load_histories
from microconv.histories.snapshots import label_snapshots
from microconv.journey import JourneyMap
from microconv.ranking.output.past_lists import PastList
from microconv.storage.log import EventLog
from microconv.storage.schema import INSTANT

RANKED = "rank"
"""`selection_reason` of whoever is on a list for being among the best; lists that say nothing
hold nobody else."""

ROWS = pa.schema(
    {
        "prospect_id": pa.string(),
        "rank": pa.int64(),
        "probability": pa.float64(),
        "grade": pa.string(),
        "list_id": pa.string(),
        "as_of": INSTANT,
        "horizon": pa.duration("us"),
        "selection_reason": pa.string(),
        "selection_probability": pa.float64(),
        "observed": pa.bool_(),
        "converted": pa.bool_(),
        "value": pa.float64(),
    }
)
"""The columns of rows while outcomes are looked up."""


@dataclass(frozen=True)
class Outcomes:
    """What became of the listed.

    Attributes
    ----------
    rows : DataFrame
        `list_id`, `as_of`, `prospect_id`, `rank`, `probability`, `grade`, `selection_reason`,
        `selection_probability`, and of the window ``[as_of, as_of + horizon)``: `converted`,
        `value`.
    open_until : dict of str to datetime
        List → when its window will have closed; its rows are not counted yet.
    lost : dict of str to int
        Why rows of closed lists have no outcome → how many.
    trained_later : tuple of str
        Lists whose model had learnt from what came after them: they prove nothing.
    """

    rows: pd.DataFrame = field(repr=False)
    open_until: dict[str, datetime]
    without_outcome: dict[str, int]
    trained_later: tuple[str, ...] = ()


def find_outcomes(log: EventLog, lists: Sequence[PastList], journey: JourneyMap) -> Outcomes:
    """Look up what every listed prospect did in the window that the list was about.

    The parameters are the log as it is today and the journey that says what a
    conversion is. Rows of a list whose window has not closed are left for later: a
    conversion may still come.
    """
    until = log.observed_until(journey)
    late = tuple(past.manifest["list_id"] for past in lists if _in_hindsight(past))
    lists = [past for past in lists if not _in_hindsight(past)]
    ends = {past.manifest["list_id"]: past.as_of + _horizon(past) for past in lists}
    closed = [past for past in lists if past.as_of + _horizon(past) <= until]
    still_open = {name: end for name, end in ends.items() if end > until}
    if not closed:
        return Outcomes(_no_rows(), still_open, {}, late)
    asked = pd.concat([_asked(past) for past in closed], ignore_index=True)
    found = [_found(log, bucket, asked, journey, until) for bucket in range(log.buckets)]
    rows = pd.concat([part for part in found if len(part)] or [_no_rows()], ignore_index=True)
    merged = ~rows["observed"].astype(bool)
    lost = {
        "no_longer_in_the_log": len(asked) - len(rows),
        "merged_since": int(merged.sum()),
    }
    rows = rows[~merged].drop(columns=["observed", "horizon"])
    rows["converted"] = rows["converted"].astype(bool)
    return Outcomes(
        rows.sort_values(["as_of", "list_id", "rank"], ignore_index=True), still_open, lost, late
    )


def _asked(past: PastList) -> pd.DataFrame:
    rows = past.frame
    because = rows.get("selection_reason", RANKED)
    drawn = rows.get("selection_probability", np.nan)
    return rows[["prospect_id", "rank", "probability"]].assign(
        grade=rows.get("grade"),
        list_id=past.manifest["list_id"],
        as_of=pd.Timestamp(past.as_of),
        horizon=_horizon(past),
        selection_reason=because,
        selection_probability=drawn,
    )


def _in_hindsight(past: PastList) -> bool:
    """Tell whether a list's model had seen what the list foretells."""
    learnt_until = past.manifest.get("model", {}).get("learnt_until")
    return learnt_until is not None and past.as_of < datetime.fromisoformat(learnt_until)


def _horizon(past: PastList) -> timedelta:
    return timedelta(days=past.manifest["horizon_days"])


def _found(
    log: EventLog, bucket: int, asked: pd.DataFrame, journey: JourneyMap, until: datetime
) -> pd.DataFrame:
    """Label the rows whose prospect lies in this bucket."""
    histories = load_histories(log.read_events(bucket), journey)
    ids = pa.array(asked["prospect_id"], histories.prospect_ids.type)
    where = pc.index_in(ids, value_set=histories.prospect_ids)
    mine = asked[where.is_valid().to_numpy(False)]
    mine = mine.assign(code=where.drop_null().to_numpy(False).astype(np.int64))
    parts = []
    for horizon, group in mine.groupby("horizon"):
        group = group.sort_values(["code", "as_of"])
        as_of = np.array([microseconds(at) for at in group["as_of"]], dtype=np.int64)
        told = label_snapshots(
            histories, journey, group["code"].to_numpy(), as_of, horizon.to_pytimedelta(), until
        ).to_pandas()
        outcome = told[["observed", "converted", "value"]].set_index(group.index)
        parts.append(group.drop(columns="code").join(outcome))
    empty: pd.DataFrame = mine.iloc[:0]
    return pd.concat(parts) if parts else empty


def _no_rows() -> pd.DataFrame:
    empty: pd.DataFrame = ROWS.empty_table().to_pandas()
    return empty
