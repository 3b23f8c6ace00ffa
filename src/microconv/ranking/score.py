"""The scoring function: events in, a ranked list with reasons out, at an instant somebody named.

One pass over the log. A bucket is read, its cohort asked and scored, and only
the rows that can still be among the listed are kept; reasons are worked out
for the listed alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd

from microconv.engines.choice import opened
from microconv.errors import EngineError, SettingsError
from microconv.events.log import EventLog, Log
from microconv.model.prospect_model import OUT_OF_TIME, ProspectModel
from microconv.ranking import trust
from microconv.ranking.inputs import open_events
from microconv.ranking.ranked import Ranking, finish
from microconv.ranking.shortlist import Question, merge, score_bucket
from microconv.ranking.text_table import read_texts
from microconv.ranking.wire import SCORES
from microconv.settings import EngineSettings, ScoreSettings

REASONS = 3
"""How many reasons a row gets where no settings say."""

ONE_MACHINE = EngineSettings()
"""Every core of this machine."""

LEFT_OUT = {
    "converted": "converted",
    "exited": "exited",
    "inactive": "inactive",
    "unknown": "not_yet_known",
    "merged": "merged_away",
    "no_step": "no_step",
}
"""Status of a prospect who is not asked about → the reason the list gives."""


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
        events in memory in any order, or exports that are yet to be ingested. A row
        that is there twice counts once.
    model : path or ProspectModel
    as_of : datetime or str
        The instant to ask at, with its time zone: only what was visible
        strictly before it is used. There is no default.
    limit : int, optional
        How many prospects to list; else the settings', else everyone asked.
    prospects : DataFrame or Table, optional
        With events in memory: what is known of the prospects, one row per
        `prospect_id` and `known_at`.
    settings : ScoreSettings, optional
        Grades, number of reasons and limit; without them there is no grade.

    Returns
    -------
    DataFrame
        The table `ranked`, best first. Ties go to whoever was active most
        recently, then to whoever has more events, then to the smaller id.
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


def rank_prospects(
    log: Log,
    *,
    model: ProspectModel,
    as_of: datetime | str,
    limit: int | None = None,
    settings: ScoreSettings | None = None,
    engine: EngineSettings = ONE_MACHINE,
) -> Ranking:
    """Rank the prospects of a log, and account for everyone left out.

    The parameters are those of :func:`score`; `engine` changes no bit.

    Raises
    ------
    EngineError
        If Spark is asked for and cannot be had, or `log` is not one on disk.
    """
    _require_on_disk(log, engine)
    instant = trust.require_instant(as_of)
    limit = _limit(limit, settings)
    trust.require_columns(model)
    notes = trust.require_observed_as_of(log, instant, model.journey)
    alone = engine.name == "local" and log.buckets == 1  # else the buckets are the threads
    question = Question(
        replace(model, out_of_time=OUT_OF_TIME.empty_table()),  # no bucket needs it
        instant,
        limit,
        reasons=REASONS if settings is None else settings.reasons,
        threads=engine.threads if alone else 1,
        texts=read_texts(None if settings is None else settings.texts),
    )
    with opened(engine) as cluster:
        ask = partial(score_bucket, log, question=question)
        everyone = merge(cluster.map_buckets(ask, log.buckets, wire=SCORES), limit)
    earliest, latest = everyone.seen
    notes += trust.require_known_events(everyone.event_names, model.journey)
    trust.require_begun(earliest, instant)
    valid_for = None if settings is None else timedelta(days=settings.valid_days)
    notes += trust.doubts(model, instant, latest=latest, valid_for=valid_for)
    enough = model.facts.readiness["state"] != "not enough"
    grades = dict(settings.grades) if settings is not None and enough else None
    best = everyone.shortlist if limit is None else everyone.shortlist.explained(question)
    left_out = {reason: everyone.statuses[status] for status, reason in LEFT_OUT.items()}
    scored = len(everyone.probability)
    left_out["below_the_limit"] = scored - len(best.rows)
    return Ranking(
        frame=finish(
            _with_horizons(best.rows, model, settings), everyone.probability, grades=grades
        ),
        as_of=instant,
        horizon=model.snapshot_settings.horizon,
        scored=scored,
        left_out=left_out,
        limit=limit,
        grades=grades,
        notes=notes + _nobody(scored, left_out),
        readiness=model.facts.readiness,
    )


def _require_on_disk(log: Log, engine: EngineSettings) -> None:
    if engine.name != "local" and not isinstance(log, EventLog):
        raise EngineError(
            f"The engine `{engine.name}` reads the buckets of a log from storage that every "
            "machine sees, and these events are one table in memory. Ingest them first, or score "
            "them with the engine `local`."
        )


def _with_horizons(
    rows: pd.DataFrame, model: ProspectModel, settings: ScoreSettings | None
) -> pd.DataFrame:
    """Add the probability of each further horizon that the settings ask for."""
    days = () if settings is None else settings.horizons_days
    probability = rows["probability"].to_numpy()
    return rows.assign(**{f"probability_{d:g}d": model.within(probability, d) for d in days})


def _limit(limit: int | None, settings: ScoreSettings | None) -> int | None:
    if limit is None:
        return None if settings is None else settings.limit
    if not isinstance(limit, Integral) or isinstance(limit, bool) or limit < 1:
        raise SettingsError(
            f"`limit` is {limit!r}; a list has at least one row, and a whole number of them. Leave "
            "it out to list everyone."
        )
    return int(limit)


def _nobody(scored: int, left_out: Mapping[str, int]) -> tuple[str, ...]:
    if scored:
        return ()
    why = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in left_out.items() if count]
    return (f"Nobody is in the cohort, so the list is empty: {', '.join(why) or 'no events'}.",)
