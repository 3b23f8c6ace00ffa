"""`microconv score`: events and a model from anywhere → the prospect list and its manifest."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from microconv.databases.deliver import deliver
from microconv.databases.urls import DatabaseUrl
from microconv.errors import (
    MissingInputError,
    PromotionError,
    SettingsError,
    StaleLogError,
    TimeError,
)
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.event_inputs import RawExports, open_events
from microconv.ranking.list_checks import require_instant
from microconv.ranking.output.lists import ListFiles, Provenance, write_list
from microconv.ranking.output.past_lists import read_list
from microconv.ranking.rank import ONE_MACHINE, ListOptions, rank_prospects
from microconv.settings import EngineSettings, ScoreSettings, Settings, read_settings
from microconv.stages.runner import phase, progress
from microconv.storage.files import folder_lock
from microconv.storage.log import EventLog, Log
from microconv.tracking.fetch_model import SCHEME, Registered, model_at

VALID_DAYS = 7.0
"""Days for which a list is valid if no params.yaml is given."""


@dataclass(frozen=True)
class ScoreRequest:
    """What `microconv score` was called with.

    Attributes
    ----------
    events : Path
        A log, a Parquet file of canonical events, or a folder of raw exports.
    model : str
        A folder, or the address of a registered model.
    now : datetime
        The current time: the age of the log is measured from here.
    as_of : str or None
        None for the end of the log's outcomes.
    limit : int or None
    complete_until : str or None
        Until when raw exports are complete, instead of what their sources declare.
    deliver : bool
        Whether to write the list into the database that the settings name, if they name one.
    last_list : Path or None
        Folder of the previous list, to show what changed since.
    journey : Path or None
        `journey.json` of the measurement: the evidence for next steps.
    engine : EngineSettings or None
        Its name and master replace those of params.yaml.
    prospects : Path or None
        A Parquet file of what is known of the prospects, beside a Parquet file of events.
    missing_attributes : {"refuse", "allow"}
        Whether to score without attributes that the model was trained on.
    """

    events: Path
    model: str
    now: datetime
    as_of: str | None = None
    limit: int | None = None
    complete_until: str | None = None
    deliver: bool = True
    last_list: Path | None = None
    journey: Path | None = None
    engine: EngineSettings | None = None
    prospects: Path | None = None
    missing_attributes: Literal["refuse", "allow"] = "refuse"


def score_events(request: ScoreRequest, *, params: Path | None, out: Path) -> str:
    """Rank the prospects, write the list and its manifest into a folder, return a summary.

    Running it again writes the same list again. A run that is killed leaves the previous
    list; the next run reuses the exports that were already ingested.

    Parameters
    ----------
    request : ScoreRequest
    params : Path or None
        A params.yaml: how raw exports are read, how the list is graded, how long it is
        valid, and which database it goes into.
    out : Path
        Folder for the list.

    Raises
    ------
    BusyError
        If another run writes into `out`.
    StaleLogError
        If the log ended longer ago than `score.max_age_hours`.
    PromotionError
        If the list is to be delivered and the model is not the champion.
    """
    settings = None if params is None else read_settings(params)
    engine = ONE_MACHINE if settings is None else settings.engine
    if request.engine is not None:
        engine = request.engine.model_copy(update={"threads": engine.threads})
    files = ListFiles.in_folder(out)
    with ExitStack() as stack:
        stack.enter_context(progress("score"))
        stack.enter_context(folder_lock(out, "making a list in"))
        last = None if request.last_list is None else read_list(request.last_list, at=None)
        delivery = _delivery(settings) if request.deliver else None
        with phase("score", "model") as facts:
            at = stack.enter_context(model_at(request.model))
            if delivery is not None:
                _require_champion(at, request.model)
            model = ProspectModel.load(at.folder)
            facts["version"] = at.version
        rules = at.score_settings if settings is None else settings.score
        events = _events(request, settings, keep_log_in=out)
        with phase("score", "events"):
            log = stack.enter_context(
                open_events(events, prospects=request.prospects, attributes=model.attributes)
            )
            as_of = _end_of(log, model, rules) if request.as_of is None else request.as_of
            _require_fresh(_end_known(log, as_of, model), rules, request)
        with phase("score", "rank") as facts:
            ranking = rank_prospects(
                log,
                model=model,
                as_of=as_of,
                limit=request.limit,
                settings=rules,
                options=ListOptions(
                    last,
                    request.journey,
                    details=True,
                    missing_attributes=request.missing_attributes,
                ),
                engine=engine,
            )
            facts |= {"scored": ranking.scored, "listed": len(ranking.frame)}
        with phase("score", "write") as facts:
            manifest = write_list(
                ranking,
                Provenance(
                    request.events,
                    at.folder,
                    "champion" if at.promoted else "preview",
                    at.version or None,
                ),
                files,
                valid_for=timedelta(days=VALID_DAYS if rules is None else rules.valid_days),
            )
            facts["list_id"] = manifest["list_id"]
        delivered = ""
        if delivery is not None:
            with phase("score", "deliver") as facts:
                rows = deliver(pq.read_table(files.prospects), manifest, **delivery)
                facts["rows"] = rows
                delivered = f"; {rows:,} rows in table {delivery['table']}"
        if isinstance(events, RawExports):
            events.delete_kept_logs()
    why = ", where the outcomes of the log end" if request.as_of is None else ""
    return (
        f"{len(ranking.frame):,} of {ranking.scored:,} prospects as of {manifest['as_of']}{why}; "
        f"valid until {manifest['valid_until']}; {manifest['status']}; in {out}{delivered}"
    ) + "".join(f"\n  {note}" for note in ranking.notes)


def _delivery(settings: Settings | None) -> dict[str, Any] | None:
    """Return the database to deliver to, read before any work is done."""
    if settings is None or settings.deliver.url_from is None:
        return None
    url = DatabaseUrl.from_environment(settings.deliver.url_from)
    return {"url": url, "table": settings.deliver.table}


def _require_champion(at: Registered, address: str) -> None:
    if not at.promoted:
        raise PromotionError(
            f"A list of {address} would be a preview, and only lists of the champion are "
            f"delivered. Score with `{SCHEME}NAME@champion`, or use --no-deliver."
        )


def _events(request: ScoreRequest, settings: Settings | None, *, keep_log_in: Path) -> Any:
    """Return the log or file of events, or the raw exports that are still to be ingested."""
    place, until = request.events, request.complete_until
    raw = place.is_dir() and not (place / "log.json").exists()
    if not raw and until is not None:
        raise SettingsError(
            f"--complete-until is for raw exports, and {place} is not a folder of exports. A log "
            "itself records until when it is complete."
        )
    if not raw:
        return place
    if settings is None:
        raise MissingInputError(
            f"There is no event log at {place} (no log.json). If it holds raw exports, "
            "describe them with --params; otherwise name the folder that `ingest` wrote."
        )
    ingest = settings.ingest
    if until is not None:
        ingest = ingest.completed(require_instant(until, called="--complete-until"))
    return RawExports(place, ingest, keep_log_in)


def _end_known(log: Log, as_of: datetime | str, model: ProspectModel) -> datetime:
    """Return until when the events are known to be complete: a table of events has no end."""
    as_of_instant = require_instant(as_of)
    if not isinstance(log, EventLog):
        return as_of_instant
    return max(as_of_instant, log.observed_until(model.journey))


def _require_fresh(until: datetime, rules: ScoreSettings | None, request: ScoreRequest) -> None:
    """Refuse a log that ended too long ago to act on."""
    if rules is None or rules.max_age_hours is None:
        return
    age = (request.now - until) / timedelta(hours=1)
    if age > rules.max_age_hours:
        raise StaleLogError(
            f"The log ends at {until:%Y-%m-%d %H:%M}, {age:,.0f} hours before now, and "
            f"`score.max_age_hours` is {rules.max_age_hours:g}: it is too old for a list to "
            "act on. Add a newer export."
        )


def _end_of(log: Log, model: ProspectModel, rules: ScoreSettings | None) -> datetime:
    """Return `score.as_of`, else the end of the log; a table of events has none."""
    if rules is not None and rules.as_of is not None:
        return rules.as_of
    if not isinstance(log, EventLog):
        raise TimeError(
            "These events do not record until when they are complete. Name the instant to score at "
            "with --as-of, like --as-of 2024-06-03T00:00:00Z."
        )
    return log.observed_until(model.journey)
