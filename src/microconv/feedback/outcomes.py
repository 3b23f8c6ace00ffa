"""The outcomes of past lists: one row per list and prospect whose outcome window has closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from microconv.errors import ListError, MissingInputError
from microconv.histories.arrays import microseconds
from microconv.histories.load import load_histories
from microconv.histories.snapshots import label_snapshots
from microconv.journey import JourneyMap
from microconv.ranking.output.past_lists import MANIFEST, PastList, read_list
from microconv.storage.log import EventLog
from microconv.storage.schema import INSTANT

RANKED = "rank"
"""`selection_reason` of prospects listed for their rank: all of them on lists without reasons."""

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
"""The columns of listed prospects while their outcomes are looked up."""


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of listed prospects.

    Attributes
    ----------
    rows : DataFrame
        `list_id`, `as_of`, `prospect_id`, `rank`, `probability`, `grade`, `selection_reason`,
        `selection_probability`, and of the window ``[as_of, as_of + horizon)``: `converted`,
        `value`.
    open_until : dict of str to datetime
        List → end of its window, which has not closed yet; its rows are not counted.
    without_outcome : dict of str to int
        Reason why rows of closed lists have no outcome → how many.
    trained_later : tuple of str
        Lists whose model was trained on later data: they are not counted.
    """

    rows: pd.DataFrame = field(repr=False)
    open_until: dict[str, datetime]
    without_outcome: dict[str, int]
    trained_later: tuple[str, ...] = ()


def read_past_lists(folder: Path) -> tuple[list[PastList], dict[str, str]]:
    """Read every list below a folder, expired ones too.

    Parameters
    ----------
    folder : Path
        Holds lists, each in a folder of its own at any depth.

    Returns
    -------
    lists : list of PastList
        The earliest first; a list that occurs twice counts once.
    unreadable : dict of str to str
        Folder → why its list cannot be used.

    Raises
    ------
    MissingInputError
        If there is no list at all.
    """
    lists: dict[str, PastList] = {}
    unreadable: dict[str, str] = {}
    for manifest in sorted(folder.rglob(MANIFEST)):
        try:
            found = read_list(manifest.parent, at=None)
            lists.setdefault(found.manifest["list_id"], found)
        except (ListError, MissingInputError) as error:
            unreadable[str(manifest.parent.relative_to(folder))] = str(error)
    if not lists and not unreadable:
        raise MissingInputError(
            f"There is no list below {folder} (no {MANIFEST}). Keep each list that "
            "`microconv score` writes in a folder of its own, and give the folder that holds them."
        )
    ordered = sorted(lists.values(), key=lambda past: (past.as_of, past.manifest["list_id"]))
    return ordered, unreadable


def find_outcomes(log: EventLog, lists: Sequence[PastList], journey: JourneyMap) -> Outcomes:
    """Look up whether every listed prospect converted in the outcome window of its list.

    Lists whose window has not closed are left out: a conversion may still come.

    Parameters
    ----------
    log : EventLog
        As it is today.
    lists : sequence of PastList
    journey : JourneyMap
        Defines what a conversion is.

    Returns
    -------
    Outcomes
    """
    until = log.observed_until(journey)
    trained_later = tuple(p.manifest["list_id"] for p in lists if _was_trained_later(p))
    lists = [past for past in lists if not _was_trained_later(past)]
    ends = {past.manifest["list_id"]: past.as_of + _horizon(past) for past in lists}
    open_until = {name: end for name, end in ends.items() if end > until}
    closed = [past for past in lists if past.manifest["list_id"] not in open_until]
    if not closed:
        return Outcomes(_no_rows(), open_until, {}, trained_later)
    listed = pd.concat([_listed_rows(past) for past in closed], ignore_index=True)
    found = [_labelled(log, bucket, listed, journey, until) for bucket in range(log.buckets)]
    rows = pd.concat([part for part in found if len(part)] or [_no_rows()], ignore_index=True)
    merged = ~rows["observed"].astype(bool)
    without_outcome = {
        "no_longer_in_the_log": len(listed) - len(rows),
        "merged_since": int(merged.sum()),
    }
    rows = rows[~merged].drop(columns=["observed", "horizon"])
    rows["converted"] = rows["converted"].astype(bool)
    rows = rows.sort_values(["as_of", "list_id", "rank"], ignore_index=True)
    return Outcomes(rows, open_until, without_outcome, trained_later)


def _listed_rows(past: PastList) -> pd.DataFrame:
    rows = past.frame
    return rows[["prospect_id", "rank", "probability"]].assign(
        grade=rows.get("grade"),
        list_id=past.manifest["list_id"],
        as_of=pd.Timestamp(past.as_of),
        horizon=_horizon(past),
        selection_reason=rows.get("selection_reason", RANKED),
        selection_probability=rows.get("selection_probability", np.nan),
    )


def _was_trained_later(past: PastList) -> bool:
    """Check whether a list's model was trained on data from after the list's date."""
    trained_until = past.manifest.get("model", {}).get("learnt_until")
    return trained_until is not None and past.as_of < datetime.fromisoformat(trained_until)


def _horizon(past: PastList) -> timedelta:
    return timedelta(days=past.manifest["horizon_days"])


def _labelled(
    log: EventLog, bucket: int, listed: pd.DataFrame, journey: JourneyMap, until: datetime
) -> pd.DataFrame:
    """Label the rows whose prospect is in this bucket."""
    histories = load_histories(log.read_events(bucket), journey)
    ids = pa.array(listed["prospect_id"], histories.prospect_ids.type)
    codes = pc.index_in(ids, value_set=histories.prospect_ids)
    rows = listed[codes.is_valid().to_numpy(False)]
    rows = rows.assign(code=codes.drop_null().to_numpy(False).astype(np.int64))
    parts = []
    for horizon, group in rows.groupby("horizon"):
        group = group.sort_values(["code", "as_of"])
        as_of = np.array([microseconds(at) for at in group["as_of"]], dtype=np.int64)
        labels = label_snapshots(
            histories, journey, group["code"].to_numpy(), as_of, horizon.to_pytimedelta(), until
        ).to_pandas()
        outcome = labels[["observed", "converted", "value"]].set_index(group.index)
        parts.append(group.drop(columns="code").join(outcome))
    empty: pd.DataFrame = rows.iloc[:0]
    return pd.concat(parts) if parts else empty


def _no_rows() -> pd.DataFrame:
    empty: pd.DataFrame = ROWS.empty_table().to_pandas()
    return empty
