"""`ingest`: which exports make the log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from microconv.errors import SettingsError, listed
from microconv.settings.bots import BotSettings
from microconv.settings.section import Days, Section, Share, require_zone
from microconv.settings.time_formats import require_day

FormatName = Literal[
    "table", "sendgrid", "mailgun", "segment", "ga4", "hubspot", "xes", "deals", "prospects",
    "messages",
]  # fmt: skip


class NamingRule(Section):
    """One line of a source's naming rules: if all that is given matches, the row is called `name`.

    Attributes
    ----------
    event : str or None
        The vendor's own name for the row (`click`, `Video Completed`), as a glob.
    link : str or None
        A glob on the path of the link (`/pricing*`), or on host and path if it
        does not begin with a slash (`social.example/*`).
    category : str or None
        A glob; one of the row's categories must match.
    property : dict of str to str
        Property name → glob on its value.
    name : str
        The event name given.
    """

    event: str | None = None
    link: str | None = None
    category: str | None = None
    property: dict[str, str] = Field(default_factory=dict)
    name: str


class SyntheticTimes(Section):
    """Days for an export without any: a hash of its id deals each prospect to a cohort.

    Attributes
    ----------
    first : datetime
        The day of the first cohort; the others follow every `every_days`.
    cohorts : int
    after_days : float
        How long after its cohort's day the source's rows happened, like an outcome.
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
    """One export: where it lies, how it is read, what its rows are called.

    Attributes
    ----------
    files : str
        One file or a glob, relative to `ingest.input_dir`.
    timezone : str or None
        Zone of naive timestamps. Without it a naive timestamp is refused.
    complete_until : datetime or None
        First instant up to which this source's outcomes are complete. Required
        of every source that bears a major conversion.
    time_unit : {"seconds", "milliseconds", "microseconds", "nanoseconds"} or None
        What numbers that are instants count since 1970. Without it their size
        tells, or the vendor's own rule.
    time_format : str or None
        How instants are written where that is not ISO 8601, as in `strptime`:
        `%d/%m/%Y %H:%M`.
    columns : dict of str to str
        Field of the events table → column of the file, key or JSON pointer of
        the payload.
    constants : dict of str to str or float
        Field → the value that all rows share.
    only : dict of str to str
        Column or key → glob on its value; rows that do not match all of them
        are counted and left out.
    prefix : str
        Put before the vendor's event name where no rule matches.
    ignore : tuple of str
        Vendor event names (globs) that are counted and left out.
    attributes : tuple of str
        Columns kept as attributes of the prospect (formats `prospects`, `xes`).
    synthetic_times : SyntheticTimes or None
        Instants for an export that has none (formats `table`, `prospects`).
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
    def _whole_instant(cls, written: str | None) -> str | None:
        return None if written is None else require_day(written)

    @field_validator("complete_until")
    @classmethod
    def _aware(cls, instant: datetime | None) -> datetime | None:
        return require_zone(instant)


class IngestSettings(Section):
    """Which exports make the log, and what is refused.

    Attributes
    ----------
    unit : {"prospect", "account"}
        Who converts.
    credit : {"contact", "all"}
        With `unit: prospect`: whom a deal is credited to, the deal's contact
        or every contact its account had when the deal closed.
    plausible_from, plausible_until : datetime
        Rows dated outside `[plausible_from, plausible_until)` are quarantined.
    max_rejected_share : float
        Above this share of quarantined rows in any one source the run stops.
    buckets : int or None
        Hash buckets of the log; a bucket is the unit of memory. A power of two;
        None lets it follow from the log's size and `engine.memory_gb`.
    bots : BotSettings
        How people's clicks and opens are told from machines'.
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
                    f"the source `{source.name}` is said to be complete until {until:%Y-%m-%d}, "
                    "but rows are only taken between `plausible_from` "
                    f"({self.plausible_from:%Y-%m-%d}) and `plausible_until` "
                    f"({self.plausible_until:%Y-%m-%d}): outcomes outside could not be seen"
                )
        return self

    def completed(self, until: datetime) -> IngestSettings:
        """Say of every source that declares `complete_until` that it is complete until then.

        Raises
        ------
        SettingsError
            If that lies outside the plausible instants.
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
