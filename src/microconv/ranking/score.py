"""The scoring function: events in, a ranked list with reasons out."""

from __future__ import annotations

import warnings
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from microconv.model.prospect_model import ProspectModel
from microconv.ranking.event_inputs import open_events
from microconv.ranking.rank import ListOptions, rank_prospects
from microconv.ranking.requests import unscored_prospects
from microconv.settings import ScoreSettings


def score(
    events: Any,
    *,
    model: str | Path | ProspectModel,
    as_of: datetime | str,
    limit: int | None = None,
    prospects: Any = None,
    settings: ScoreSettings | None = None,
    missing_attributes: Literal["refuse", "allow"] = "refuse",
    include_unscored: bool = False,
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
    missing_attributes : {"refuse", "allow"}
        Whether to score without attributes that the model was trained on; a note then says so.
    include_unscored : bool
        Whether prospects outside the cohort follow the list, with their `status`: converted,
        exited, inactive, merged, unknown (no event before `as_of`) or no_step (none of their
        events belongs to a step of the journey). Those in the list have the status "scored".

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
    MissingAttributesError
        If attributes that the model was trained on are missing and that is not allowed.

    Warns
    -----
    UserWarning
        For each of :attr:`Ranking.notes`.
    """
    if not isinstance(model, ProspectModel):
        model = ProspectModel.load(model)
    options = ListOptions(missing_attributes=missing_attributes)
    with open_events(events, prospects=prospects, attributes=model.attributes) as log:
        ranking = rank_prospects(
            log, model=model, as_of=as_of, limit=limit, settings=settings, options=options
        )
        unscored = unscored_prospects(log, model, ranking.as_of) if include_unscored else None
    for note in ranking.notes:
        warnings.warn(note, stacklevel=2)
    frame = ranking.frame
    if unscored is not None:
        whole = frame.select_dtypes("integer").columns  # a missing rank must not make ranks 1.0
        scored = frame.astype(dict.fromkeys(whole, "Int64")).assign(status="scored")
        frame = pd.concat([scored, unscored], ignore_index=True)
    frame.attrs = {
        "as_of": ranking.as_of.isoformat(),
        "scored": ranking.scored,
        "left_out": ranking.left_out,
        "notes": list(ranking.notes),
    }
    return frame
