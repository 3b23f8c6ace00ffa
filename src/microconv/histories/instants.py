"""Instants as whole microseconds since 1970, UTC: what arrays of times hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from microconv.errors import TimeError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(instant: datetime) -> int:
    """Turn an instant into microseconds since 1970, UTC.

    Raises
    ------
    TimeError
        If the instant is naive.

    Examples
    --------
    >>> from datetime import UTC
    >>> microseconds(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    if instant.tzinfo is None:
        raise TimeError(
            f"The instant {instant} has no time zone. Write it with one, like {instant}+00:00."
        )
    return (instant - EPOCH) // timedelta(microseconds=1)
