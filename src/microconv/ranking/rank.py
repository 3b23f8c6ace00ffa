"""From a log to a ranking: everyone asked, the best listed, the others accounted for.

A plain list takes one pass over the log. A bucket is read, its cohort asked and scored,
and only the rows that can still be among the listed are kept; reasons are worked out for
the listed alone. Where places have to be shared out (capacities, one contact per account,
exploration) anybody may still be listed: of everyone the little is kept that decides it,
and a second pass looks up those who are. The rows are the same, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from numbers import Integral
from pathlib import Path

import pandas as pd

from microconv.engines.engine import Engine, open_engine
from microconv.errors import EngineError, SettingsError, did_you_mean
from microconv.features.matrix import block_cells
from microconv.model.prospect_model import OUT_OF_TIME, ProspectModel
from microconv.ranking import list_checks
from microconv.ranking.bucket import ScoringTask, describe_bucket, score_bucket
from microconv.ranking.explanations.details import MOST_ROWS, tell_details
from microconv.ranking.explanations.text_table import read_texts
from microconv.ranking.list_changes import changed
from microconv.ranking.output.past_lists import PastList
from microconv.ranking.ranked import Ranking, finish, rules_of
from microconv.ranking.selection.allocate import BELOW, RANK, allocate
from microconv.ranking.selection.top_k import BucketScores, merge
from microconv.ranking.serialization import SCORES
from microconv.ranking.step_evidence import Evidence, read_evidence
from microconv.settings import EngineSettings, ScoreSettings
from microconv.storage.files import md5_of
from microconv.storage.log import EventLog, Log

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


@dataclass(frozen=True)
class ListOptions:
    """What a ranking may look at besides the log, and tell besides its rows.

    Attributes
    ----------
    previous_list : PastList or None
        To say what has changed since.
    measurement : Path or None
        The measurement, `journey.json`, for the evidence behind next steps.
    details : bool
        Whether to tell of each row every reason and the latest steps, for a list of a
        known length up to :data:`~microconv.ranking.explanations.details.MOST_ROWS`.
    """

    previous_list: PastList | None = field(default=None, repr=False)
    measurement: Path | None = None
    details: bool = False


def rank_prospects(
    log: Log,
    *,
    model: ProspectModel,
    as_of: datetime | str,
    limit: int | None = None,
    settings: ScoreSettings | None = None,
    engine: EngineSettings = ONE_MACHINE,
    options: ListOptions = ListOptions(),
) -> Ranking:
    """Rank the prospects of a log, and account for everyone left out.

    The parameters are those of :func:`~microconv.ranking.score.score`; `engine` changes no
    bit, and `options` adds columns.

    Raises
    ------
    EngineError
        If Spark is asked for and cannot be had, or `log` is not one on disk.
    """
    _require_on_disk(log, engine)
    instant = list_checks.require_instant(as_of)
    limit = _limit(limit, settings)
    list_checks.require_columns(model)
    notes = list_checks.require_observed(log, instant, model.journey)
    evidence = read_evidence(options.measurement, as_of=instant)
    question = _question(model, instant, limit, settings, options, evidence)
    alone = engine.name == "local" and log.buckets == 1  # else the buckets are the threads
    question = replace(
        question,
        threads=engine.threads if alone else 1,
        cells=block_cells(engine),
    )
    with open_engine(engine) as cluster:
        ask = partial(score_bucket, log, question=question)
        parts = cluster.map_buckets(ask, log.buckets, codec=SCORES)
        everyone = merge(parts, None if question.slim else limit, by=question.by)
        best, others, more = _listed(log, cluster, everyone, question, settings)
        details = tell_details(log, cluster, best, question) if question.weighed else None
    earliest, latest = everyone.seen
    notes += list_checks.require_known_events(everyone.event_names, model.journey)
    list_checks.require_after_first_event(earliest, instant)
    valid_for = None if settings is None else timedelta(days=settings.valid_days)
    notes += list_checks.doubts(model, instant, latest=latest, valid_for=valid_for)
    enough = model.facts.readiness["state"] != "not enough"
    grades = dict(settings.grades) if settings is not None and enough else None
    if options.previous_list is not None:
        best = changed(best, options.previous_list, as_of=instant)
    because = [evidence.because(step) for step in best["next_step"]]
    best = best.assign(next_step_reason=pd.Series(because, best.index, dtype="str"))
    left_out = {reason: everyone.statuses[status] for status, reason in LEFT_OUT.items()}
    scored = len(everyone.probability)
    return Ranking(
        frame=finish(
            _with_horizons(best, model, settings),
            everyone.probability,
            grades=grades,
            shared=question.shared,
        ),
        as_of=instant,
        horizon=model.snapshot_settings.horizon,
        scored=scored,
        left_out={**left_out, **others},
        exits=everyone.exits,
        limit=limit,
        grades=grades,
        notes=notes + more + evidence.notes + _nobody(scored, left_out),
        readiness=model.facts.readiness,
        selection_rules=rules_of(settings),
        measurement_md5=None if options.measurement is None else md5_of(options.measurement),
        previous_list=None
        if options.previous_list is None
        else options.previous_list.manifest["list_id"],
        learnt_until=model.facts.learnt_until,
        details=details,
    )


def _question(
    model: ProspectModel,
    as_of: datetime,
    limit: int | None,
    settings: ScoreSettings | None,
    options: ListOptions,
    evidence: Evidence,
) -> ScoringTask:
    since = None if options.previous_list is None else options.previous_list.as_of
    plain = ScoringTask(
        replace(model, out_of_time=OUT_OF_TIME.empty_table()),  # no bucket needs it
        as_of,
        limit,
        reasons=REASONS,
        since=since,
        evidence=tuple(sorted(evidence.lower_bound.items())),
        weighed=options.details and limit is not None and limit <= MOST_ROWS,
    )
    if settings is None:
        return plain
    if settings.rank_by == "expected_value" and model.amount is None:
        raise SettingsError(
            "`score.rank_by` is expected_value, and the model knows of no conversion with a value. "
            "Rank by probability, or map `value` in the source of the conversions."
        )
    slots = 0 if settings.exploration is None else settings.exploration.slots
    if limit is not None and slots >= limit:
        raise SettingsError(
            f"The list has {limit} rows and `score.exploration.slots` takes {slots} of them, which "
            "leaves none for the best. Ask for more rows or fewer slots."
        )
    _require_steps(settings, model)
    return replace(
        plain,
        reasons=settings.reasons,
        texts=read_texts(settings.reason_texts),
        by=settings.rank_by,
        slim=settings.shares_out,
        shared=settings.shared,
        cool_off=settings.cool_off,
    )


def _require_steps(settings: ScoreSettings, model: ProspectModel) -> None:
    steps = () if settings.cool_off is None else settings.cool_off.steps
    names = [step.name for step in model.journey.steps]
    for step in steps:
        if step not in names:
            raise SettingsError(
                f"`score.cool_off` waits after `{step}`, which is no step of the model's journey."
                f"{did_you_mean(step, names)}"
            )


def _listed(
    log: Log,
    cluster: Engine,
    everyone: BucketScores,
    question: ScoringTask,
    settings: ScoreSettings | None,
) -> tuple[pd.DataFrame, dict[str, int], tuple[str, ...]]:
    """Say who is listed, what became of the other candidates, and what to note."""
    cold = {"cooling_off": everyone.statuses["cooling_off"]} if question.cool_off else {}
    candidates = everyone.candidates
    asked = len(everyone.probability) - everyone.statuses["cooling_off"]
    if not question.slim or settings is None:
        if question.limit is not None:
            candidates = candidates.explained(
                question.model,
                most=question.reasons,
                texts=question.texts,
                weighed=question.weighed,
            )
        rows = candidates.rows.assign(selection_reason=RANK, selection_probability=1.0)
        return rows, {**cold, BELOW: asked - len(rows)}, ()
    told = allocate(candidates.rows, settings, limit=question.limit, as_of=question.as_of)
    chosen = candidates.rows.iloc[told.listed].reset_index(drop=True)
    wanted: dict[int, list[str]] = {}
    for bucket, prospect in zip(chosen["bucket"].tolist(), chosen["prospect_id"], strict=True):
        wanted.setdefault(bucket, []).append(prospect)
    plain = replace(question, slim=False, limit=None, by="probability", cool_off=None)
    describe = partial(describe_bucket, log, question=plain, listed=wanted)
    rows = merge(cluster.map_buckets(describe, log.buckets, codec=SCORES), None).candidates.rows
    rows = rows.set_index("prospect_id").loc[chosen["prospect_id"]].reset_index()
    rows = rows.assign(
        selection_reason=told.because, selection_probability=told.selection_probability
    )
    if settings.one_per_account:
        rows = rows.assign(other_contacts=pd.Series(told.other_contacts, rows.index, dtype="str"))
    return rows, {**cold, **told.left_out}, told.notes


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
    return rows.assign(
        **{f"probability_{d:g}d": model.probability_within(probability, d) for d in days}
    )


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
