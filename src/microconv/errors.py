"""What can go wrong, one class per thing a caller might catch.

::

    MicroconvError
    ├── SettingsError            params.yaml says something it cannot mean
    ├── JourneyError             the journey map contradicts itself
    ├── SourceError              a source cannot be read at all
    │   ├── MissingInputError    no file where one was promised
    │   └── MissingColumnError   a mapping names a column the file does not have
    ├── RejectedRowsError        more rows were rejected than `ingest.max_rejected_share` allows
    ├── MemoryLimitError         something does not fit into `engine.memory_gb`
    ├── UnmappedEventsError      event names without a step, and the run was asked to mind
    ├── EventLogError            a log (or a table of events) is not what it says it is
    ├── TimeError                an instant is naive, missing or outside what was observed
    │   └── UnobservedOutcomeError   an outcome window ends after the log does
    ├── NotEnoughDataError       nothing to learn from: no outcome, one class, no closed window
    ├── ModelError               a model cannot be used
    │   ├── DamagedModelError    a file of the model is missing or its checksum differs
    │   └── OtherJourneyError    the model was trained on another journey or other features
    ├── ListError                a list is not what its manifest vouches for, or has expired
    ├── PromotionError           the challenger is not promoted, or nothing is left to roll back to
    ├── EngineError              Spark is not available, or failed
    ├── DatabaseError            a database refused, or holds something else
    │   └── DatabaseAwayError    it cannot be reached, or went away
    ├── TrackingError            the MLflow store or registry refused
    │   └── TrackingAwayError    it cannot be reached
    ├── BusyError                another run is at work in the same folder
    └── StaleLogError            the log ends too long ago for a list that people act on

Every message says what, how many, which values, and the way out. The last four kinds
may be gone by themselves when the same command runs again later (`temporary`).
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class MicroconvError(Exception):
    """The parent of every error a user can cause and mend.

    Attributes
    ----------
    temporary : bool
        Whether the same command may well succeed later without anybody mending anything.
    """

    temporary = False


class SettingsError(MicroconvError):
    """A section of params.yaml cannot be understood."""


class JourneyError(MicroconvError):
    """The journey map contradicts itself."""


class SourceError(MicroconvError):
    """A source cannot be read."""


class MissingInputError(SourceError):
    """No file stands where the source says one does."""


class MissingColumnError(SourceError):
    """A column mapping names a column that the file does not have."""


class RejectedRowsError(MicroconvError):
    """More rows were rejected than the settings allow."""


class MemoryLimitError(MicroconvError):
    """A bucket of a log, or what is made of the exports, does not fit into `engine.memory_gb`."""


class UnmappedEventsError(MicroconvError):
    """Event names have no step and the settings ask for all to have one."""


class EventLogError(MicroconvError):
    """A log, or a table offered as one, breaks the contract of the events table."""


class TimeError(MicroconvError):
    """An instant is naive, missing or out of range."""


class UnobservedOutcomeError(TimeError):
    """An outcome window ends after the log does: neither a yes nor a no."""


class NotEnoughDataError(MicroconvError):
    """There is nothing to learn from or nothing to evaluate on."""


class ModelError(MicroconvError):
    """A model cannot be used."""


class DamagedModelError(ModelError):
    """A file of the model is missing or is not the one that was saved."""


class OtherJourneyError(ModelError):
    """The model was trained on another journey, or with other features."""


class ListError(MicroconvError):
    """A list is not the one its manifest vouches for, or may no longer be used."""


class PromotionError(MicroconvError):
    """The challenger is not promoted, or there is nothing to roll back to."""


class DatabaseError(MicroconvError):
    """A database refused, or holds something else than it should."""


class DatabaseAwayError(DatabaseError):
    """A database cannot be reached, or went away meanwhile."""

    temporary = True


class EngineError(MicroconvError):
    """Spark is not available, or failed."""


class TrackingError(MicroconvError):
    """The MLflow store or its registry refused."""


class TrackingAwayError(TrackingError):
    """The MLflow store cannot be reached."""

    temporary = True


class BusyError(MicroconvError):
    """Another run is at work in the same folder."""

    temporary = True


class StaleLogError(MicroconvError):
    """The log ends too long ago for a list that people act on."""

    temporary = True


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Name the nearest known word, as a sentence to append to an error.

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
    """Write values out for an error message, at most `most` of them.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    '`a`, `b` and 1 more'
    """
    words = [f"`{value}`" for value in values]
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"
