"""What makes a list wrong, and what makes it doubtful: the first is refused, the second is said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from microconv.errors import OtherJourneyError, TimeError, listed
from microconv.features.matrix import column_names
from microconv.histories.arrays import microseconds
from microconv.journey import JourneyMap
from microconv.model.prospect_model import ProspectModel
from microconv.storage.log import EventLog, Log


def require_instant(as_of: datetime | str, *, called: str = "`as_of`") -> datetime:
    """Take the instant a list is asked for: there is no default, and no guess at its zone.

    Raises
    ------
    TimeError
        If it is no instant, has no time zone, or lies outside the years 1 to 9999.

    Examples
    --------
    >>> require_instant("2024-06-03T00:00:00Z")
    datetime.datetime(2024, 6, 3, 0, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        instant = datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
        if not isinstance(instant, datetime) or instant != instant:  # pandas' NaT is not itself
            raise ValueError
        microseconds(instant)  # refuses a naive one
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimeError(
            f"{called} is {as_of!r}, which is no instant. Write it like 2024-06-03T00:00:00Z."
        ) from None


def require_columns(model: ProspectModel) -> None:
    """Refuse a model whose columns this version of the features does not make.

    Raises
    ------
    OtherJourneyError
    """
    journey, settings = model.journey, model.feature_settings
    made = [
        name
        for fitted in (False, True)
        for name in column_names(journey, settings, model.states, fitted=fitted)
    ]
    if tuple(made) != model.columns:
        missing = [name for name in model.columns if name not in set(made)]
        raise OtherJourneyError(
            f"The model was trained on {len(model.columns)} columns, and this version of microconv "
            f"makes {len(made)} of its journey and settings"
            + (f"; it does not make {listed(missing, most=4)}" if missing else "")
            + ". Train it again with this version."
        )


def require_observed(log: Log, as_of: datetime, journey: JourneyMap) -> tuple[str, ...]:
    """Refuse to ask later than outcomes are complete: new customers would be on the list.

    Asking at the very end, ``as_of = observed_until``, is the normal case. Only a
    log on disk says until when it is complete; of a table in memory the caller
    has to know.

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
            "The log does not say until when its outcomes are complete: whoever converted "
            "recently may still be on the list.",
        )
    if as_of > until:
        raise TimeError(
            f"`as_of` is {as_of:%Y-%m-%d %H:%M}, but outcomes are complete only until "
            f"{until:%Y-%m-%d %H:%M}: whoever became a customer in between would be on the list. "
            f"Ask at {until:%Y-%m-%dT%H:%M:%SZ} or earlier, or ingest a newer export."
        )
    return ()


def require_known_events(names: Mapping[str, int], journey: JourneyMap) -> tuple[str, ...]:
    """Refuse a log of which the model knows not a single event name.

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
            "Score with a model that was trained on this journey, or mend the naming rules of "
            "the sources."
        )
    events = sum(names[name] for name in unmapped)
    return (
        f"{events:,} events of {len(unmapped)} names have no step in the model's journey and were "
        f"not used: {listed(unmapped)}.",
    )


def require_after_first_event(earliest: datetime | None, as_of: datetime) -> None:
    """Refuse to ask before anything was known of anybody.

    Raises
    ------
    TimeError
    """
    if earliest is not None and as_of <= earliest:
        raise TimeError(
            f"`as_of` is {as_of:%Y-%m-%d %H:%M}, and the first event of the log became known at "
            f"{earliest:%Y-%m-%d %H:%M}: nothing was known of anybody. Ask later."
        )


def doubts(
    model: ProspectModel, as_of: datetime, *, latest: datetime | None, valid_for: timedelta | None
) -> tuple[str, ...]:
    """Say what makes a list less than its figures promise.

    Parameters
    ----------
    latest : datetime or None
        When the last event became visible before `as_of`.
    valid_for : timedelta or None
        How long the team uses a list; a log that old is stale by the same measure.
    """
    notes = []
    learnt_until = model.facts.learnt_until
    if as_of < learnt_until:
        notes.append(
            f"The model learnt from outcomes until {learnt_until:%Y-%m-%d %H:%M}, after `as_of`: "
            "its probabilities look better here than they are."
        )
    if latest is not None and valid_for is not None and as_of - latest > valid_for:
        notes.append(
            f"The last event before `as_of` is of {latest:%Y-%m-%d %H:%M}, more than "
            f"{valid_for.days} days earlier: the list does not know what happened since."
        )
    if model.facts.readiness["state"] != "ready":
        notes.append(model.facts.readiness["summary"])
    return tuple(notes)
