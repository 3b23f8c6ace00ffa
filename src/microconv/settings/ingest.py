"""`ingest`: the exports that make up the log."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from microconv.errors import SettingsError, listed
from microconv.settings.bots import BotSettings
from microconv.settings.section import Days, Section, Share, require_zone

DIRECTIVES = {
    "%Y": "year", "%y": "year", "%m": "month", "%b": "month", "%B": "month", "%d": "day",
    "%j": "month and day", "%H": "hour", "%I": "hour", "%p": "am or pm", "%M": "minute",
    "%S": "second", "%f": "fraction", "%z": "offset", "%a": "weekday", "%A": "weekday",
}  # fmt: skip
"""Directive of `time_format` → its meaning. Numbers may have a leading zero or none."""

_DIRECTIVE = re.compile(r"%.|%$", re.DOTALL)

FormatName = Literal[
    "table", "sendgrid", "mailgun", "segment", "ga4", "hubspot", "xes", "deals", "prospects",
    "messages",
]  # fmt: skip


class NamingRule(Section):
    """A naming rule of a source: an event that matches all given patterns is called `name`.

    Attributes
    ----------
    event : str or None
        A glob on the vendor's event name (`click`, `Video Completed`).
    link : str or None
        A glob on the path of the link (`/pricing*`), or on host and path if it
        does not start with a slash (`social.example/*`).
    category : str or None
        A glob that one of the event's categories must match.
    property : dict of str to str
        Name of a property → glob on its value.
    name : str
        The event name.
    """

    event: str | None = None
    link: str | None = None
    category: str | None = None
    property: dict[str, str] = Field(default_factory=dict)
    name: str


class SyntheticTimes(Section):
    """Dates for an export without any: a hash of its id assigns each prospect to a cohort.

    Attributes
    ----------
    first : datetime
        The day of the first cohort.
    every_days : float
        Days from one cohort to the next.
    cohorts : int
        Number of cohorts.
    after_days : float
        Days from the cohort's day to the source's events, for outcomes for example.
    """

    first: datetime
    every_days: Days
    cohorts: Annotated[int, Field(ge=2, le=1000)]
    after_days: Annotated[float, Field(ge=0)] = 0

    @field_validator("first")
    @classmethod
    def _aware(cls, instant: datetime) -> datetime | None:
        return require_zone(instant)


class SourceSettings(Section):
    """One export: its files, how they are read, and what its events are called.

    Attributes
    ----------
    name : str
        Name of the source in reports and messages; each has its own.
    format : str
        A vendor's format, or `table` (any CSV, Parquet or JSON by mapping), `xes`, `deals`,
        `prospects`, `messages`.
    files : str
        One file or a glob, relative to `ingest.input_dir`.
    timezone : str or None
        Zone of timestamps without one. If it is not set, such timestamps are rejected.
    complete_until : datetime or None
        Time up to which this source's outcomes are complete. Required for every
        source with a major conversion.
    time_unit : {"seconds", "milliseconds", "microseconds", "nanoseconds"} or None
        Unit of numeric times since 1970. If it is not set, the vendor's own unit, or
        else one that follows from their size.
    time_format : str or None
        Format of times that are not ISO 8601, as in `strptime`: `%d/%m/%Y %H:%M`.
    columns : dict of str to str
        Field → column of the file, or key or JSON pointer of the object.
    constants : dict of str to str or float
        Field → its value in all rows.
    only : dict of str to str
        Column or key → glob on its value. Rows that do not match all of them are
        ignored and counted.
    prefix : str
        Added before the vendor's event name if no rule matches.
    ignore : tuple of str
        Globs on vendor event names that are ignored and counted.
    attributes : tuple of str
        Columns kept as attributes of the prospect (formats `prospects`, `xes`).
    synthetic_times : SyntheticTimes or None
        Dates for an export without any (formats `table`, `prospects`).
    """

    name: str
    format: FormatName
    files: str
    timezone: str | None = None
    complete_until: datetime | None = None
    time_unit: Literal["seconds", "milliseconds", "microseconds", "nanoseconds"] | None = None
    time_format: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    constants: dict[str, str | float] = Field(default_factory=dict)
    only: dict[str, str] = Field(default_factory=dict)
    prefix: str = ""
    rules: tuple[NamingRule, ...] = ()
    ignore: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    synthetic_times: SyntheticTimes | None = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError(
                    f"no time zone is called `{zone}`; write one like `UTC`"
                ) from error
        return zone

    @field_validator("time_format")
    @classmethod
    def _complete_time_format(cls, time_format: str | None) -> str | None:
        return None if time_format is None else _check_time_format(time_format)

    @field_validator("complete_until")
    @classmethod
    def _aware(cls, instant: datetime | None) -> datetime | None:
        return require_zone(instant)


class IngestSettings(Section):
    """The exports that make up the log, and when rows are rejected.

    Attributes
    ----------
    input_dir : str
        Folder of the exports.
    unit : {"prospect", "account"}
        Who converts.
    credit : {"contact", "all"}
        With `unit: prospect`: whether a deal is credited to its contact, or to every
        contact of its account at the time of closing.
    plausible_from, plausible_until : datetime
        Rows with a time outside `[plausible_from, plausible_until)` are quarantined.
    max_rejected_share : float
        The run stops if the share of quarantined rows of any source is higher.
    buckets : int or None
        Number of hash buckets of the log, a power of two; one bucket must fit into
        memory. None derives it from the log's size and `engine.memory_gb`.
    bots : BotSettings
        Bot detection.
    """

    input_dir: str
    unit: Literal["prospect", "account"] = "prospect"
    credit: Literal["contact", "all"] = "contact"
    plausible_from: datetime
    plausible_until: datetime
    max_rejected_share: Share = 0.05
    buckets: Annotated[int, Field(ge=1, le=4096)] | None = None
    bots: BotSettings = BotSettings()
    sources: tuple[SourceSettings, ...] = Field(min_length=1)

    @field_validator("plausible_from", "plausible_until")
    @classmethod
    def _aware(cls, instant: datetime) -> datetime | None:
        return require_zone(instant)

    @field_validator("buckets")
    @classmethod
    def _power_of_two(cls, buckets: int | None) -> int | None:
        if buckets is not None and buckets & (buckets - 1):
            raise ValueError(f"{buckets} is not a power of two")
        return buckets

    @model_validator(mode="after")
    def _distinct_names(self) -> IngestSettings:
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two sources are called {listed(twice)}; each needs its own name")
        if self.plausible_from >= self.plausible_until:
            raise ValueError("`plausible_from` must lie before `plausible_until`")
        return self

    @model_validator(mode="after")
    def _complete_within_reason(self) -> IngestSettings:
        for source in self.sources:
            until = source.complete_until
            if until is not None and not self.plausible_from < until <= self.plausible_until:
                raise ValueError(
                    f"the source `{source.name}` is declared complete until {until:%Y-%m-%d}, "
                    "but rows are only taken between `plausible_from` "
                    f"({self.plausible_from:%Y-%m-%d}) and `plausible_until` "
                    f"({self.plausible_until:%Y-%m-%d}): outcomes outside could not be seen"
                )
        return self

    def completed(self, until: datetime) -> IngestSettings:
        """Return the settings with another `complete_until` in every source that declares one.

        Raises
        ------
        SettingsError
            If it is outside the plausible times.
        """
        if not self.plausible_from < until <= self.plausible_until:
            raise SettingsError(
                f"The exports cannot be complete until {until:%Y-%m-%d %H:%M}: rows are only taken "
                f"between `plausible_from` ({self.plausible_from:%Y-%m-%d}) and "
                f"`plausible_until` ({self.plausible_until:%Y-%m-%d}). Set those in `ingest`."
            )
        sources = tuple(
            source.model_copy(update={"complete_until": until})
            if source.complete_until is not None
            else source
            for source in self.sources
        )
        return self.model_copy(update={"sources": sources})


def _check_time_format(time_format: str) -> str:
    codes = set(_DIRECTIVE.findall(time_format.replace("%%", "")))
    if "%Z" in codes:
        raise ValueError(
            f"`{time_format}` uses the name of a zone (`%Z`), and such names are ambiguous; write "
            "the source's `timezone`, or `%z` for an offset"
        )
    unknown = sorted(codes - set(DIRECTIVES))
    if unknown:
        raise ValueError(
            f"`{time_format}` holds {listed(unknown)}; there is {listed([*DIRECTIVES], most=20)}"
        )
    parts = " ".join(DIRECTIVES[code] for code in codes).split()
    missing = [part for part in ("year", "month", "day") if part not in parts]
    if missing:
        raise ValueError(f"`{time_format}` lacks the {listed(missing)}, so it gives no date")
    if ("%I" in codes) != ("%p" in codes):
        raise ValueError(f"`{time_format}`: `%I` and `%p` need each other")
    return time_format
