"""What `microconv score` does: events and a model from anywhere → the list and its manifest."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from microconv.databases.address import Address
from microconv.databases.deliver import deliver
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
from microconv.ranking.output.lists import ListFiles, Origin, write_list
from microconv.ranking.output.past_lists import read_list
from microconv.ranking.rank import ONE_MACHINE, Beside, rank_prospects
from microconv.settings import EngineSettings, ScoreSettings, Settings, read_settings
from microconv.stages.phases import phase
from microconv.stages.shell import progress
from microconv.storage.files import folder_lock
from microconv.storage.log import EventLog, Log
from microconv.tracking.registry import SCHEME, Registered, model_at

VALID_DAYS = 7.0
"""For how many days a list may be used where no params.yaml says it: a week."""


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes
    ----------
    events : Path
        A log, a Parquet file of canonical events, or a folder of raw exports.
    model : str
        A folder, or the address of a registered model.
    now : datetime
        When it is asked: the age of the log is counted from here.
    as_of : str or None
        None takes the instant at which the log's outcomes end.
    limit : int or None
    complete_until : str or None
        Until when raw exports are complete, instead of what their sources say.
    deliver : bool
        Whether a list goes where the settings say; if they say nothing it stays in its folder.
    last_list : Path or None
        Folder of the list before: the rows say what has changed since.
    journey : Path or None
        The measurement, `journey.json`: evidence behind the next steps.
    engine : EngineSettings or None
        Name and master in place of those of params.yaml.
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


def score_events(request: Request, *, params: Path | None, out: Path) -> str:
    """Rank the prospects and write `prospects.csv`, `.parquet` and the manifest into a folder.

    Running it again makes the same list again. A run that was killed leaves the list
    that was there before; the next one takes up the exports that were ingested already.

    Parameters
    ----------
    request : Request
    params : Path or None
        Says how raw exports are read, how the list is graded, how long it is valid, and
        into which database it goes.
    out : Path

    Returns
    -------
    str
        What was done, and whatever a reader of the list must know.

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
    asked = None if settings is None else settings.score
    engine = ONE_MACHINE if settings is None else settings.engine
    if request.engine is not None:
        engine = request.engine.model_copy(update={"threads": engine.threads})
    files = ListFiles.in_folder(out)
    with ExitStack() as stack:
        stack.enter_context(progress("score"))
        stack.enter_context(folder_lock(out, "making a list in"))
        last = None if request.last_list is None else read_list(request.last_list, at=None)
        delivery = _delivery(settings) if request.deliver else None
        with phase("score", "model") as says:
            at = stack.enter_context(model_at(request.model))
            if delivery is not None:
                _require_champion(at, request.model)
            model = ProspectModel.load(at.folder)
            says["version"] = at.version
        events = _events(request, settings, keep_in=out)
        with phase("score", "events"):
            log = stack.enter_context(open_events(events))
            as_of = _end_of(log, model, asked) if request.as_of is None else request.as_of
            _require_fresh(_end_known(log, as_of, model), asked, request)
        with phase("score", "rank") as says:
            ranking = rank_prospects(
                log,
                model=model,
                as_of=as_of,
                limit=request.limit,
                settings=asked,
                beside=Beside(last, request.journey, details=True),
                engine=engine,
            )
            says |= {"scored": ranking.scored, "listed": len(ranking.frame)}
        with phase("score", "write") as says:
            manifest = write_list(
                ranking,
                Origin(
                    request.events,
                    at.folder,
                    "champion" if at.promoted else "preview",
                    at.version or None,
                ),
                files,
                valid_for=timedelta(days=VALID_DAYS if asked is None else asked.valid_days),
            )
            says["list_id"] = manifest["list_id"]
        delivered = ""
        if delivery is not None:
            with phase("score", "deliver") as says:
                rows = deliver(pq.read_table(files.prospects), manifest, **delivery)
                says["rows"] = rows
                delivered = f"; {rows:,} rows in table {delivery['table']}"
        if isinstance(events, RawExports):
            events.forget()
    why = ", where the outcomes of the log end" if request.as_of is None else ""
    return (
        f"{len(ranking.frame):,} of {ranking.scored:,} prospects as of {manifest['as_of']}{why}; "
        f"valid until {manifest['valid_until']}; {manifest['status']}; in {out}{delivered}"
    ) + "".join(f"\n  {note}" for note in ranking.notes)


def _delivery(settings: Settings | None) -> dict[str, Any] | None:
    """Find out where the list goes besides its folder, before any work is done."""
    if settings is None or settings.deliver.url_from is None:
        return None
    address = Address.read(settings.deliver.url_from)
    return {"address": address, "table": settings.deliver.table}


def _require_champion(at: Registered, address: str) -> None:
    if not at.promoted:
        raise PromotionError(
            f"A list of {address} would be a preview, and only the champion's lists are delivered. "
            f"Score with `{SCHEME}NAME@champion`, or keep the list here with --no-deliver."
        )


def _events(request: Request, settings: Settings | None, *, keep_in: Path) -> Any:
    """Tell exports that are yet to be ingested from a log or a file of events."""
    place, until = request.events, request.complete_until
    raw = place.is_dir() and not (place / "log.json").exists()
    if not raw and until is not None:
        raise SettingsError(
            f"--complete-until is for raw exports, and {place} holds none. A log says itself until "
            "when it is complete."
        )
    if not raw:
        return place
    if settings is None:
        raise MissingInputError(
            f"There is no event log at {place} (no log.json). If it holds raw exports, say with "
            "--params how they are read; else name the folder that `ingest` wrote."
        )
    ingest = settings.ingest
    if until is not None:
        ingest = ingest.completed(require_instant(until, called="--complete-until"))
    return RawExports(place, ingest, keep_in)


def _end_known(log: Log, as_of: datetime | str, model: ProspectModel) -> datetime:
    """Find until when the events are known to reach: a table of events does not say it."""
    asked_at = require_instant(as_of)
    if not isinstance(log, EventLog):
        return asked_at
    return max(asked_at, log.observed_until(model.journey))


def _require_fresh(until: datetime, asked: ScoreSettings | None, request: Request) -> None:
    """Refuse a log that ended too long ago: people would act on what is no longer so."""
    if asked is None or asked.max_age_hours is None:
        return
    age = (request.now - until) / timedelta(hours=1)
    if age > asked.max_age_hours:
        raise StaleLogError(
            f"The log ends at {until:%Y-%m-%d %H:%M}, {age:,.0f} hours before now, and "
            f"`score.max_age_hours` is {asked.max_age_hours:g}: no list is made of what may no "
            "longer be so. Bring a newer export."
        )


def _end_of(log: Log, model: ProspectModel, asked: ScoreSettings | None) -> datetime:
    """Take `score.as_of`, else the log's own end; a table of events has none."""
    if asked is not None and asked.as_of is not None:
        return asked.as_of
    if not isinstance(log, EventLog):
        raise TimeError(
            "These events do not say until when they are complete, so there is no instant to ask "
            "at. Name one with --as-of, like --as-of 2024-06-03T00:00:00Z."
        )
    return log.observed_until(model.journey)
