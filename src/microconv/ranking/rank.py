"""Ranking the prospects of a log: score everyone, select, explain, and count the others.

A plain list takes one pass over the log. A bucket is read, its cohort scored, and only the
rows that can still be listed are kept; reasons are computed for the listed rows alone. With
selection rules (capacities, one contact per account, exploration) anybody may still be
listed: the first pass keeps the few columns that selection needs of everyone, and a second
pass computes the full rows of the selected. The rows are identical.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Literal

import pandas as pd

from microconv.engines.engine import Engine, open_engine
from microconv.errors import EngineError, SettingsError, did_you_mean
from microconv.features.matrix import block_cells
from microconv.model.prospect_model import OUT_OF_TIME, ProspectModel
from microconv.ranking import list_checks
from microconv.ranking.bucket import ScoringTask, describe_bucket, score_bucket
from microconv.ranking.explanations.details import MAX_ROWS, build_details
from microconv.ranking.explanations.reason_texts import read_texts
from microconv.ranking.next_step import StepEvidence, read_step_evidence
from microconv.ranking.output.past_lists import PastList
from microconv.ranking.ranked_list import Ranking, add_changes, build_list, selection_rules
from microconv.ranking.selection.allocation import BELOW, RANK, allocate
from microconv.ranking.selection.top_k import SCORES, BucketScores, merge_buckets
from microconv.settings import EngineSettings, ScoreSettings
from microconv.storage.files import md5_of
from microconv.storage.log import EventLog, Log

DEFAULT_REASONS = 3
"""Reasons per row where no settings say."""

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
"""Status of a prospect who is not scored → the reason in `left_out`."""


@dataclass(frozen=True)
class ListOptions:
    """What a ranking uses besides log, model and settings.

    Attributes
    ----------
    previous_list : PastList or None
        Rows say what has changed since.
    measurement : Path or None
        The measurement, `journey.json`, for the evidence behind next steps.
    details : bool
        Whether to add all reasons and the latest steps of each row, for a list with a limit
        of up to :data:`~microconv.ranking.explanations.details.MAX_ROWS`.
    missing_attributes : {"refuse", "allow"}
        Whether to score without attributes that the model was trained on.
    """

    previous_list: PastList | None = field(default=None, repr=False)
    measurement: Path | None = None
    details: bool = False
    missing_attributes: Literal["refuse", "allow"] = "refuse"


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
    """Rank the prospects of a log, and count everyone left out by reason.

    Parameters
    ----------
    log : Log
    model, as_of, limit, settings
        As for :func:`~microconv.ranking.score.score`.
    engine : EngineSettings
        Does not change results.
    options : ListOptions

    Raises
    ------
    EngineError
        If the engine is Spark, and it is not available or `log` is not on disk.
    MissingAttributesError
        If attributes that the model was trained on are missing and that is not allowed.
    """
    _require_on_disk(log, engine)
    instant = list_checks.require_instant(as_of)
    limit = _limit(limit, settings)
    list_checks.require_columns(model)
    allow = options.missing_attributes == "allow"
    notes = list_checks.require_attributes(log, model, allow_missing=allow)
    notes += list_checks.require_observed(log, instant, model.journey)
    evidence = read_step_evidence(options.measurement, as_of=instant)
    task = _task(model, instant, limit, settings, options, evidence)
    alone = engine.name == "local" and log.buckets == 1  # else the buckets are the threads
    task = replace(task, threads=engine.threads if alone else 1, cells=block_cells(engine))
    with open_engine(engine) as cluster:
        parts = cluster.map_buckets(
            partial(score_bucket, log, task=task), log.buckets, codec=SCORES
        )
        scores = merge_buckets(parts, None if task.keep_everyone else limit, by=task.by)
        rows, not_selected, more = _select(log, cluster, scores, task, settings)
        details = build_details(log, cluster, rows, task) if task.all_reasons else None
    earliest, latest = scores.seen
    notes += list_checks.require_known_events(scores.event_names, model.journey)
    list_checks.require_after_first_event(earliest, instant)
    valid_for = None if settings is None else timedelta(days=settings.valid_days)
    notes += list_checks.list_warnings(model, instant, latest=latest, valid_for=valid_for)
    previous = options.previous_list
    if previous is not None:
        rows = add_changes(rows, previous, as_of=instant)
    reasons = [evidence.reason_for(step) for step in rows["next_step"]]
    rows = rows.assign(next_step_reason=pd.Series(reasons, rows.index, dtype="str"))
    graded = settings is not None and model.facts.readiness["state"] != "not enough"
    grades = dict(settings.grades) if settings is not None and graded else None
    left_out = {reason: scores.statuses[status] for status, reason in LEFT_OUT.items()}
    scored = len(scores.probability)
    return Ranking(
        frame=build_list(
            _with_horizons(rows, model, settings),
            scores.probability,
            grades=grades,
            capacity_columns=task.capacity_columns,
        ),
        as_of=instant,
        horizon=model.snapshot_settings.horizon,
        scored=scored,
        left_out={**left_out, **not_selected},
        exits=scores.exits,
        limit=limit,
        grades=grades,
        notes=notes + more + evidence.notes + _empty_cohort(scored, left_out),
        readiness=model.facts.readiness,
        selection_rules=selection_rules(settings),
        measurement_md5=None if options.measurement is None else md5_of(options.measurement),
        previous_list=None if previous is None else previous.manifest["list_id"],
        learnt_until=model.facts.learnt_until,
        details=details,
    )


def _task(
    model: ProspectModel,
    as_of: datetime,
    limit: int | None,
    settings: ScoreSettings | None,
    options: ListOptions,
    evidence: StepEvidence,
) -> ScoringTask:
    plain = ScoringTask(
        replace(model, out_of_time=OUT_OF_TIME.empty_table()),  # no bucket needs it
        as_of,
        limit,
        reasons=DEFAULT_REASONS,
        since=None if options.previous_list is None else options.previous_list.as_of,
        evidence=tuple(sorted(evidence.lower_bound.items())),
        all_reasons=options.details and limit is not None and limit <= MAX_ROWS,
    )
    if settings is None:
        return plain
    if settings.rank_by == "expected_value" and model.amount is None:
        raise SettingsError(
            "`score.rank_by` is expected_value, and no conversion in the training data had a "
            "value. Rank by probability, or map `value` in the source of the conversions."
        )
    slots = 0 if settings.exploration is None else settings.exploration.slots
    if limit is not None and slots >= limit:
        raise SettingsError(
            f"The list has {limit} rows and `score.exploration.slots` takes {slots} of them, which "
            "leaves none for the best. Set a higher limit or fewer slots."
        )
    steps = () if settings.cool_off is None else settings.cool_off.steps
    names = [step.name for step in model.journey.steps]
    for step in steps:
        if step not in names:
            raise SettingsError(
                f"`score.cool_off` names the step `{step}`, which is not in the model's journey."
                f"{did_you_mean(step, names)}"
            )
    return replace(
        plain,
        reasons=settings.reasons,
        texts=read_texts(settings.reason_texts),
        by=settings.rank_by,
        keep_everyone=settings.needs_allocation,
        capacity_columns=settings.capacity_columns,
        cool_off=settings.cool_off,
    )


def _select(
    log: Log,
    cluster: Engine,
    scores: BucketScores,
    task: ScoringTask,
    settings: ScoreSettings | None,
) -> tuple[pd.DataFrame, dict[str, int], tuple[str, ...]]:
    """Return the selected rows, why other candidates were not selected, and notes."""
    cooling_off = scores.statuses["cooling_off"]
    left_out = {"cooling_off": cooling_off} if task.cool_off else {}
    candidates = scores.candidates
    if not task.keep_everyone or settings is None:
        if task.limit is not None:
            candidates = task.explain(candidates)
        rows = candidates.rows.assign(selection_reason=RANK, selection_probability=1.0)
        below = len(scores.probability) - cooling_off - len(rows)
        return rows, {**left_out, BELOW: below}, ()
    selection = allocate(candidates.rows, settings, limit=task.limit, as_of=task.as_of)
    chosen = candidates.rows.iloc[selection.listed].reset_index(drop=True)
    selected: dict[int, list[str]] = {}
    for bucket, prospect in zip(chosen["bucket"].tolist(), chosen["prospect_id"], strict=True):
        selected.setdefault(bucket, []).append(prospect)
    plain = replace(task, keep_everyone=False, limit=None, by="probability", cool_off=None)
    describe = partial(describe_bucket, log, task=plain, selected=selected)
    full = merge_buckets(cluster.map_buckets(describe, log.buckets, codec=SCORES), None)
    rows = full.candidates.rows.set_index("prospect_id").loc[chosen["prospect_id"]].reset_index()
    rows = rows.assign(
        selection_reason=selection.selection_reason,
        selection_probability=selection.selection_probability,
    )
    if settings.one_per_account:
        others = pd.Series(selection.other_contacts, rows.index, dtype="str")
        rows = rows.assign(other_contacts=others)
    return rows, {**left_out, **selection.left_out}, selection.notes


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
    """Add the probability of each further horizon in the settings."""
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
            f"`limit` is {limit!r}; it must be a whole number of at least 1. Leave it out to list "
            "everyone."
        )
    return int(limit)


def _empty_cohort(scored: int, left_out: Mapping[str, int]) -> tuple[str, ...]:
    if scored:
        return ()
    why = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in left_out.items() if count]
    return (f"Nobody is in the cohort, so the list is empty: {', '.join(why) or 'no events'}.",)
