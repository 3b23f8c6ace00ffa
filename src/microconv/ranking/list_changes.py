"""What is new since the last list: who climbed, who fell, who came, and what happened between."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.histories.arrays import VisibleEvents, microseconds
from microconv.journey import MICRO, JourneyMap
from microconv.ranking.explanations.formatting import clean
from microconv.ranking.next_step import flat
from microconv.ranking.output.past_lists import PastList
from microconv.storage.schema import HUMAN_THRESHOLD


def done_since(
    visible: VisibleEvents, journey: JourneyMap, since: datetime
) -> npt.NDArray[np.object_]:
    """Name the small step of most commitment that each row did since an instant, the latest.

    Returns
    -------
    ndarray of object, shape (n_rows,)
        Name of the step; None where nothing was done.
    """
    row, event = flat(visible)
    step = visible.step[event]
    recent = visible.time[event] >= microseconds(since)
    mine = (
        recent
        & (journey.kinds[step] == MICRO)
        & (visible.human_probability[event] >= HUMAN_THRESHOLD)
    )
    row, event, step = row[mine], event[mine], step[mine]
    order = np.lexsort((visible.time[event], journey.commitments[step], row))
    row, step = row[order], step[order]
    done = np.full(len(visible), None, dtype=object)
    done[row] = np.array(journey.step_names, dtype=object)[step]  # the last of a row stays
    return done


def changed(rows: pd.DataFrame, last: PastList, *, as_of: datetime) -> pd.DataFrame:
    """Say of each row where it stood on the last list, and what happened since.

    Parameters
    ----------
    rows : DataFrame
        In the order of the new list, with `prospect_id`, `done_since` and `last_activity`.
    last : PastList
    as_of : datetime
        Of the new list.

    Returns
    -------
    DataFrame
        With `previous_rank` (missing for newcomers) and `change_since_last_list`, like
        "+12: pricing visit" or "-4: nothing for 20 days".
    """
    before = last.frame.set_index("prospect_id")["rank"]
    previous_rank = rows["prospect_id"].map(before).astype("Int64")
    seen = pd.to_datetime(rows["last_activity"].to_numpy(), unit="us", utc=True)
    days = (pd.Timestamp(as_of) - seen) / timedelta(days=1)  # nan before the first step
    change = [
        _says(place, was, done, idle)
        for place, was, done, idle in zip(
            range(1, len(rows) + 1), previous_rank, rows["done_since"], days, strict=True
        )
    ]
    return rows.assign(
        previous_rank=previous_rank,
        change_since_last_list=pd.Series(change, rows.index, dtype="str"),
    )


def _says(place: int, was: object, done: object, idle: float) -> str:
    moved = "new" if pd.isna(was) else f"{int(str(was)) - place:+d}"  # type: ignore[call-overload]
    if isinstance(done, str):
        return f"{moved}: {clean(done).replace('_', ' ')}"
    if pd.isna(idle):
        return f"{moved}: nothing done yet"
    return f"{moved}: nothing for {round(idle)} days"
