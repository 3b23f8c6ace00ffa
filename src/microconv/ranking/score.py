"""The scoring function: events in, a ranked list with reasons out."""

from __future__ import annotations

import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from microconv.model.prospect_model import ProspectModel
from microconv.ranking.event_inputs import open_events
from microconv.ranking.rank import rank_prospects
from microconv.settings import ScoreSettings


def score(
    events: Any,
    *,
    model: str | Path | ProspectModel,
    as_of: datetime | str,
    limit: int | None = None,
    prospects: Any = None,
    settings: ScoreSettings | None = None,
) -> pd.DataFrame:
    """Rank the prospects of an event log by their probability of converting.

    Parameters
    ----------
    events : path, DataFrame, Table, Ibis table, Log or RawExports
        The folder of an event log, a Parquet file of canonical events, such
        events in memory in any order, or exports to be ingested. Duplicate rows count once.
    model : path or ProspectModel
    as_of : datetime or str
        The instant of the list, with its time zone: only what was visible
        strictly before it is used. There is no default.
    limit : int, optional
        Number of prospects to list; else the settings', else everyone scored.
    prospects : DataFrame or Table, optional
        With events in memory: attributes of the prospects, one row per
        `prospect_id` and `known_at`.
    settings : ScoreSettings, optional
        Grades, number of reasons and limit; without them there is no grade.

    Returns
    -------
    DataFrame
        The table `ranked`, best first. Ties go to the most recently active,
        then to the one with more events, then to the smaller id.
        ``attrs`` holds `as_of`, `scored`, `left_out` (reason → prospects) and
        `notes`.

    Raises
    ------
    TimeError
        If `as_of` is naive, before the log begins, or after its outcomes end.
    OtherJourneyError
        If the model knows none of the event names.

    Warns
    -----
    UserWarning
        For each of :attr:`Ranking.notes`.
    """
    if not isinstance(model, ProspectModel):
        model = ProspectModel.load(model)
    with open_events(events, prospects=prospects) as log:
        ranking = rank_prospects(log, model=model, as_of=as_of, limit=limit, settings=settings)
    for note in ranking.notes:
        warnings.warn(note, stacklevel=2)
    frame = ranking.frame
    frame.attrs = {
        "as_of": ranking.as_of.isoformat(),
        "scored": ranking.scored,
        "left_out": ranking.left_out,
        "notes": list(ranking.notes),
    }
    return frame
