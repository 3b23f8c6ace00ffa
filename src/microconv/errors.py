"""Errors, one class per case that a caller may want to catch.

::

    MicroconvError
    ├── SettingsError            params.yaml is not valid
    ├── JourneyError             the journey map contradicts itself
    ├── SourceError              a source cannot be read at all
    │   ├── MissingInputError    a file is missing
    │   └── MissingColumnError   a mapping names a column the file does not have
    ├── RejectedRowsError        more rows were rejected than `ingest.max_rejected_share` allows
    ├── MemoryLimitError         something does not fit into `engine.memory_gb`
    ├── UnmappedEventsError      event names without a step, where the settings do not allow them
    ├── EventLogError            a log (or a table of events) is damaged or not valid
    ├── TimeError                an instant is naive, missing or outside what was observed
    ├── NotEnoughDataError       no outcome, one class only, or no closed outcome window
    ├── ModelError               a model cannot be used
    │   ├── DamagedModelError    a file of the model is missing or its checksum differs
    │   ├── MissingAttributesError   attributes that it was trained on are not given
    │   └── OtherJourneyError    the model was trained on another journey or other features
    ├── ListError                a list does not match its manifest, or has expired
    ├── PromotionError           the challenger is not promoted, or there is nothing to roll back to
    ├── EngineError              Spark is not available, or failed
    ├── DatabaseError            a database reported an error
    │   └── DatabaseAwayError    it cannot be reached
    ├── TrackingError            the MLflow store or registry reported an error
    │   └── TrackingAwayError    it cannot be reached
    ├── BusyError                another run is using the same folder
    └── StaleLogError            the log ended too long ago to act on

Every message says what, how many, which values, and the way out. Errors that are
`temporary` may disappear by themselves when the same command runs again later.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class MicroconvError(Exception):
    """The parent of every error that a user can fix.

    Attributes
    ----------
    temporary : bool
        Whether the same command may succeed later without any change.
    """

    temporary = False


class SettingsError(MicroconvError):
    """A params.yaml is not valid."""


class JourneyError(MicroconvError):
    """The journey map contradicts itself."""


class SourceError(MicroconvError):
    """A source cannot be read."""


class MissingInputError(SourceError):
    """A file or folder is missing."""


class MissingColumnError(SourceError):
    """A column mapping names a column that the file does not have."""


class RejectedRowsError(MicroconvError):
    """More rows were rejected than the settings allow."""


class MemoryLimitError(MicroconvError):
    """A bucket of a log, or what is made of the exports, does not fit into `engine.memory_gb`."""


class UnmappedEventsError(MicroconvError):
    """Event names have no step and the settings ask for all to have one."""


class EventLogError(MicroconvError):
    """A log, or a table used as one, violates the contract of the events table."""


class TimeError(MicroconvError):
    """An instant is naive, missing or out of range."""


class NotEnoughDataError(MicroconvError):
    """There is too little data to fit or evaluate a model."""


class ModelError(MicroconvError):
    """A model cannot be used."""


class DamagedModelError(ModelError):
    """A file of the model is missing or is not the one that was saved."""


class OtherJourneyError(ModelError):
    """The model was trained on another journey, or with other features."""


class MissingAttributesError(ModelError):
    """Attributes that the model was trained on are not given."""


class ListError(MicroconvError):
    """A list does not match its manifest, or has expired."""


class PromotionError(MicroconvError):
    """The challenger is not promoted, or there is nothing to roll back to."""


class DatabaseError(MicroconvError):
    """A database reported an error, or holds something unexpected."""


class DatabaseAwayError(DatabaseError):
    """A database cannot be reached."""

    temporary = True


class EngineError(MicroconvError):
    """Spark is not available, or failed."""


class TrackingError(MicroconvError):
    """The MLflow store or registry reported an error."""


class TrackingAwayError(TrackingError):
    """The MLflow store cannot be reached."""

    temporary = True


class BusyError(MicroconvError):
    """Another run is using the same folder."""

    temporary = True


class StaleLogError(MicroconvError):
    """The log ended too long ago to act on."""

    temporary = True


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence that names the nearest known word, or an empty string.

    Parameters
    ----------
    word : str
    known : iterable of str

    Examples
    --------
    >>> did_you_mean("horizn_days", ["horizon_days", "every_days"])
    ' Did you mean `horizon_days`?'
    >>> did_you_mean("x", ["horizon_days"])
    ''
    """
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean `{near[0]}`?" if near else ""


def listed(values: Iterable[object], *, most: int = 8) -> str:
    """Format values for an error message.

    Parameters
    ----------
    values : iterable
    most : int
        At most so many are named, the others counted.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    '`a`, `b` and 1 more'
    """
    words = [f"`{value}`" for value in values]
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"
