"""Checks of a list: what is wrong raises an error, what is doubtful becomes a note."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from microconv.errors import MissingAttributesError, OtherJourneyError, TimeError, listed
from microconv.features.matrix import column_names
from microconv.histories.arrays import microseconds
from microconv.journey import JourneyMap
from microconv.model.prospect_model import ProspectModel
from microconv.storage.log import EventLog, Log


def require_instant(as_of: datetime | str, *, called: str = "`as_of`") -> datetime:
    """Return the `as_of` of a list as a UTC instant.

    Parameters
    ----------
    as_of : datetime or str
    called : str
        Its name in the error message.

    Raises
    ------
    TimeError
        If it is not an instant, has no time zone, or lies outside the years 1 to 9999.

    Examples
    --------
    >>> require_instant("2024-06-03T00:00:00Z")
    datetime.datetime(2024, 6, 3, 0, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        instant = datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
        if not isinstance(instant, datetime) or instant != instant:  # pandas' NaT is not itself
            raise ValueError
        microseconds(instant)  # raises for a naive one
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimeError(
            f"{called} is {as_of!r}, which is not an instant with a time zone. Write it like "
            "2024-06-03T00:00:00Z."
        ) from None


def require_columns(model: ProspectModel) -> None:
    """Require that this version of the features builds the columns of a model.

    Raises
    ------
    OtherJourneyError
    """
    journey, settings = model.journey, model.feature_settings
    built = [
        name
        for fitted in (False, True)
        for name in column_names(journey, settings, model.states, fitted=fitted)
    ]
    if tuple(built) != model.columns:
        missing = [name for name in model.columns if name not in set(built)]
        raise OtherJourneyError(
            f"The model was trained on {len(model.columns)} columns, and this version of microconv "
            f"builds {len(built)} from its journey and settings"
            + (f"; it does not build {listed(missing, most=4)}" if missing else "")
            + ". Train it again with this version."
        )


def require_attributes(log: Log, model: ProspectModel, *, allow_missing: bool) -> tuple[str, ...]:
    """Require the attributes that the model was trained on; return a note if some are missing.

    Parameters
    ----------
    log : Log
    model : ProspectModel
    allow_missing : bool
        Whether to score without them, as if they were unknown for every prospect.

    Raises
    ------
    MissingAttributesError
        If attributes are missing and that is not allowed.
    """
    tables = (log.read_prospects(bucket) for bucket in range(log.buckets))
    table = next((table for table in tables if table is not None), None)
    given = set() if table is None else set(table.column_names)
    missing = [name for name in model.attributes if name not in given]
    if not missing:
        return ()
    if not allow_missing:
        raise MissingAttributesError(
            f"The model was trained on {len(model.attributes)} attributes of prospects, and "
            f"{len(missing)} of them are not given: {listed(missing)}. Without them its "
            "probabilities differ from those of the list. Add them (a prospects table, or columns "
            'beside the events), or score without them: missing_attributes="allow".'
        )
    return (
        f"Scored without the attributes {listed(missing)}, which the model was trained on: its "
        "probabilities differ from those with them.",
    )


def require_observed(log: Log, as_of: datetime, journey: JourneyMap) -> tuple[str, ...]:
    """Require that outcomes are complete until `as_of`: else new customers would be on the list.

    ``as_of = observed_until`` is the normal case. Only a log on disk says until when it is
    complete.

    Parameters
    ----------
    log : Log
    as_of : datetime
    journey : JourneyMap

    Returns
    -------
    tuple of str
        A note, if a log on disk does not say it.

    Raises
    ------
    TimeError
    """
    if not isinstance(log, EventLog):
        return ()
    try:
        until = log.observed_until(journey)
    except TimeError:
        return (
            "The log does not say until when its outcomes are complete: prospects who "
            "converted recently may still be on the list.",
        )
    if as_of > until:
        raise TimeError(
            f"`as_of` is {as_of:%Y-%m-%d %H:%M}, but outcomes are complete only until "
            f"{until:%Y-%m-%d %H:%M}: prospects who converted in between would be on the list. "
            f"Set it to {until:%Y-%m-%dT%H:%M:%SZ} or earlier, or ingest a newer export."
        )
    return ()


def require_known_events(names: Mapping[str, int], journey: JourneyMap) -> tuple[str, ...]:
    """Require that the model knows at least one event name of the log.

    Parameters
    ----------
    names : mapping of str to int
        Event name → events.
    journey : JourneyMap
        The model's.

    Returns
    -------
    tuple of str
        A note, if some names have no step in the journey.

    Raises
    ------
    OtherJourneyError
    """
    unmapped = journey.unmapped(names)
    if not unmapped:
        return ()
    if len(unmapped) == len(names):
        expected = [event for step in journey.steps for event in step.events]
        raise OtherJourneyError(
            f"The model knows none of the {len(names)} event names of the log "
            f"({listed(unmapped, most=4)}); it expects names like {listed(expected, most=4)}. "
            "Score with a model that was trained on this journey, or fix the naming rules of "
            "the sources."
        )
    events = sum(names[name] for name in unmapped)
    return (
        f"{events:,} events of {len(unmapped)} names have no step in the model's journey and were "
        f"not used: {listed(unmapped)}.",
    )


def require_after_first_event(earliest: datetime | None, as_of: datetime) -> None:
    """Require that `as_of` is after the first event of the log.

    Parameters
    ----------
    earliest : datetime or None
    as_of : datetime

    Raises
    ------
    TimeError
    """
    if earliest is not None and as_of <= earliest:
        raise TimeError(
            f"`as_of` is {as_of:%Y-%m-%d %H:%M}, and the first event of the log became known at "
            f"{earliest:%Y-%m-%d %H:%M}: nothing was known about anybody. Set a later `as_of`."
        )


def list_warnings(
    model: ProspectModel, as_of: datetime, *, latest: datetime | None, valid_for: timedelta | None
) -> tuple[str, ...]:
    """Return warnings about the reliability of a list.

    Parameters
    ----------
    model : ProspectModel
    as_of : datetime
    latest : datetime or None
        When the last event became visible before `as_of`.
    valid_for : timedelta or None
        How long a list is used; a log that old is out of date by the same measure.
    """
    notes = []
    learnt_until = model.facts.learnt_until
    if as_of < learnt_until:
        notes.append(
            f"The model was trained on outcomes until {learnt_until:%Y-%m-%d %H:%M}, after "
            "`as_of`: its probabilities look better here than they are."
        )
    if latest is not None and valid_for is not None and as_of - latest > valid_for:
        notes.append(
            f"The last event before `as_of` is from {latest:%Y-%m-%d %H:%M}, more than "
            f"{valid_for.days} days earlier: what happened since is missing from the list."
        )
    if model.facts.readiness["state"] != "ready":
        notes.append(model.facts.readiness["summary"])
    return tuple(notes)
