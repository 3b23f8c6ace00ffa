"""What `microconv score` does: events and a model from anywhere → the list and its manifest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from microconv.errors import MissingInputError, TimeError
from microconv.events.log import EventLog, Log
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.inputs import RawExports, open_events
from microconv.ranking.lists import ListFiles, Origin, write_list
from microconv.ranking.rank import rank_prospects
from microconv.settings import ScoreSettings, Settings, read_settings
from microconv.stages.shell import progress
from microconv.tracking.registry import SCHEME, Registered, fetched
from microconv.tracking.store import Store

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
    as_of : str or None
        None takes the instant at which the log's outcomes end.
    limit : int or None
    """

    events: Path
    model: str
    as_of: str | None = None
    limit: int | None = None


def score_events(request: Request, *, params: Path | None, out: Path) -> str:
    """Rank the prospects and write `prospects.csv`, `.parquet` and the manifest into a folder.

    Parameters
    ----------
    request : Request
    params : Path or None
        Says how raw exports are read, how the list is graded, how long it is valid.
    out : Path

    Returns
    -------
    str
        What was done, and whatever a reader of the list must know.
    """
    settings = None if params is None else read_settings(params)
    asked = None if settings is None else settings.score
    with progress("score"), _model(request.model) as at:
        model = ProspectModel.load(at.folder)
        status: Literal["preview", "champion"] = "champion" if at.promoted else "preview"
        with _log(request.events, settings) as log:
            as_of = _end_of(log, model, asked) if request.as_of is None else request.as_of
            ranking = rank_prospects(
                log, model=model, as_of=as_of, limit=request.limit, settings=asked
            )
        manifest = write_list(
            ranking,
            Origin(request.events, at.folder, status, at.version or None),
            ListFiles(
                out / "prospects.parquet", out / "prospects.csv", out / "prospects_manifest.json"
            ),
            valid_for=timedelta(days=VALID_DAYS if asked is None else asked.valid_days),
        )
    why = ", where the outcomes of the log end" if request.as_of is None else ""
    return (
        f"{len(ranking.frame):,} of {ranking.scored:,} prospects as of {manifest['as_of']}{why}; "
        f"valid until {manifest['valid_until']}; {status}; in {out}"
    ) + "".join(f"\n  {note}" for note in ranking.notes)


@contextmanager
def _model(address: str) -> Iterator[Registered]:
    if address.startswith(SCHEME):
        with fetched(address, Store.find()) as model:
            yield model
    else:
        yield Registered(Path(address), version="", promoted=False)


@contextmanager
def _log(place: Path, settings: Settings | None) -> Iterator[Log]:
    raw = place.is_dir() and not (place / "log.json").exists()
    if raw and settings is None:
        raise MissingInputError(
            f"There is no event log at {place} (no log.json). If it holds raw exports, say with "
            "--params how they are read; else name the folder that `ingest` wrote."
        )
    events: Any = RawExports(place, settings.ingest) if settings is not None and raw else place
    with open_events(events) as log:
        yield log


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
