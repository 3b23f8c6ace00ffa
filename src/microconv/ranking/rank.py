"""From a log to a ranking: everyone asked, the best listed, the others accounted for.

A plain list takes one pass over the log. A bucket is read, its cohort asked and scored,
and only the rows that can still be among the listed are kept; reasons are worked out for
the listed alone. Where places have to be shared out (capacities, one contact per account,
exploration) anybody may still be listed: of everyone the little is kept that decides it,
and a second pass looks up those who are. The rows are the same, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from numbers import Integral
from typing import Any

import pandas as pd

from microconv.engines.local import map_buckets
from microconv.errors import SettingsError
from microconv.events.log import Log
from microconv.model.prospect_model import ProspectModel
from microconv.ranking import trust
from microconv.ranking.allocate import BELOW, RANK, allocate
from microconv.ranking.bucket import Question, describe_bucket, score_bucket
from microconv.ranking.ranked import Ranking, finish, rules_of
from microconv.ranking.shortlist import merge
from microconv.settings import ScoreSettings

REASONS = 3
"""How many reasons a row gets where no settings say."""

LEFT_OUT = {
    "converted": "converted",
    "exited": "exited",
    "inactive": "inactive",
    "unknown": "not_yet_known",
    "merged": "merged_away",
    "no_step": "no_step",
}
"""Status of a prospect who is not asked about → the reason the list gives."""

COOLING = "cooling_off"
"""The reason of those who were asked about, and spoken to a moment ago."""


def rank_prospects(
    log: Log,
    *,
    model: ProspectModel,
    as_of: datetime | str,
    limit: int | None = None,
    settings: ScoreSettings | None = None,
    threads: int | None = None,
) -> Ranking:
    """Rank the prospects of a log, and account for everyone left out.

    The parameters are those of :func:`~microconv.ranking.score.score`; `threads` changes
    no bit.
    """
    instant = trust.require_instant(as_of)
    limit = _limit(limit, settings)
    trust.require_columns(model)
    notes = trust.require_observed_as_of(log, instant, model.journey)
    question = _question(model, instant, limit, settings)
    question = replace(question, threads=threads if log.buckets == 1 else 1)  # else buckets are
    parts = map_buckets(partial(score_bucket, log, question=question), log.buckets, threads=threads)
    everyone = merge(parts, question.limit, by=question.by)
    earliest, latest = everyone.seen
    notes += trust.require_known_events(everyone.event_names, model.journey)
    trust.require_begun(earliest, instant)
    valid_for = None if settings is None else timedelta(days=settings.valid_days)
    notes += trust.doubts(model, instant, latest=latest, valid_for=valid_for)
    left_out = {reason: everyone.statuses[status] for status, reason in LEFT_OUT.items()}
    if question.cool_off is not None:
        left_out[COOLING] = everyone.statuses[COOLING]
    if question.slim and settings is not None:
        places = allocate(everyone.shortlist.rows, settings, limit=limit, as_of=instant)
        rows = _described(log, everyone.shortlist.rows.iloc[places.listed], question, threads)
        rows = rows.assign(
            listed_because=pd.Series(places.because, dtype="str"),
            draw_probability=places.draw_probability,
        )
        if settings.one_per_account:
            rows = rows.assign(same_account=pd.Series(places.same_account, dtype="str"))
        left_out |= places.left_out
        notes += places.notes
    else:
        best = everyone.shortlist
        rows = (best if limit is None else best.explained(model, most=question.reasons)).rows
        left_out[BELOW] = len(everyone.probability) - everyone.statuses[COOLING] - len(rows)
        because = pd.Series(RANK, index=rows.index, dtype="str")
        rows = rows.assign(listed_because=because, draw_probability=1.0)
    enough = model.facts.readiness["state"] != "not enough"
    grades = dict(settings.grades) if settings is not None and enough else None
    rows = _with_horizons(rows, model, settings)
    return Ranking(
        frame=finish(rows, everyone.probability, grades=grades, shared=question.shared),
        as_of=instant,
        horizon=model.snapshot_settings.horizon,
        scored=len(everyone.probability),
        left_out=left_out,
        exits=everyone.exits,
        limit=limit,
        grades=grades,
        rules=rules_of(settings),
        notes=notes + _nobody(len(everyone.probability), left_out),
        readiness=model.facts.readiness,
    )


def _question(
    model: ProspectModel, as_of: datetime, limit: int | None, settings: ScoreSettings | None
) -> Question:
    """Say what is asked of every bucket, and refuse what the model cannot answer."""
    if settings is None:
        return Question(model, as_of, limit, reasons=REASONS)
    if settings.rank_by == "expected_value" and model.amount is None:
        raise SettingsError(
            "`score.rank_by` is expected_value, but no conversion that the model learnt from had "
            "a value. Rank by probability, or map the `value` of the deals and train again."
        )
    slots = 0 if settings.exploration is None else settings.exploration.slots
    if limit is not None and slots >= limit:
        raise SettingsError(
            f"The list has {limit} rows and `score.exploration.slots` takes {slots} of them, which "
            "leaves none for the best. Ask for more rows or fewer slots."
        )
    if settings.cool_off is not None:
        for step in settings.cool_off.steps:
            model.journey.code_of(step)  # refuses a step that the journey lacks
    account = ("account_id",) if settings.one_per_account else ()
    shared = (*account, *(name for name in settings.capacities if name not in account))
    slim = bool(shared) or slots > 0
    return Question(
        model,
        as_of,
        None if slim else limit,
        reasons=settings.reasons,
        by=settings.rank_by,
        slim=slim,
        shared=shared,
        cool_off=settings.cool_off,
    )


def _described(
    log: Log, chosen: pd.DataFrame, question: Question, threads: int | None
) -> pd.DataFrame:
    """Look the listed up again, in the buckets that have one of them."""
    groups = chosen.groupby("bucket")["prospect_id"]
    wanted: list[tuple[Any, list[str]]] = [(k, list(ids)) for k, ids in groups]
    wanted = wanted or [(0, [])]  # nobody to look up: the columns are those of any bucket
    parts = map_buckets(
        lambda k: describe_bucket(log, wanted[k][0], question, wanted[k][1]),
        len(wanted),
        threads=threads,
    )
    rows = pd.concat([part.rows for part in parts], ignore_index=True)
    order = pd.Index(rows["prospect_id"]).get_indexer(pd.Index(chosen["prospect_id"]))
    looked_up: pd.DataFrame = rows.iloc[order].reset_index(drop=True)
    return looked_up


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
