"""Every format a source may have. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import ibis

from microconv.errors import SettingsError, did_you_mean, listed
from microconv.ingest.clean.synthetic_times import FIELD, check_synthetic_times
from microconv.ingest.input_files import InputFile
from microconv.ingest.sources.deals import read_deals
from microconv.ingest.sources.ga4 import read_ga4
from microconv.ingest.sources.hubspot import by_event_table, read_hubspot
from microconv.ingest.sources.mailgun import read_mailgun
from microconv.ingest.sources.rows import EVENT_FIELDS, Reader
from microconv.ingest.sources.segment import read_segment
from microconv.ingest.sources.sendgrid import read_sendgrid
from microconv.ingest.sources.table import alike, read_table
from microconv.ingest.sources.xes import read_xes
from microconv.settings import SourceSettings
from microconv.storage.schema import MESSAGES, PROSPECT_COLUMNS


@dataclass(frozen=True)
class Format:
    """What ingest must know of a format.

    Attributes
    ----------
    read : Reader
    alike : function
        Groups the files of a source into those that are read as one.
    makes : {"events", "prospects", "messages"}
        Which table its rows belong to.
    fields : tuple of str
        What `columns` of such a source may map.
    needs : tuple of tuple of str
        Of each group, at least one field must be mapped.
    nobody : str
        Reason code of a row that names nobody.
    together : bool
        Whether the rows of a file follow from the files that are read with it, too.
    """

    read: Reader
    alike: Callable[[Sequence[InputFile]], list[list[InputFile]]] = lambda files: [list(files)]
    makes: Literal["events", "prospects", "messages"] = "events"
    fields: tuple[str, ...] = EVENT_FIELDS
    needs: tuple[tuple[str, ...], ...] = ()
    nobody: str = "no_prospect"
    together: bool = False


ITS_OWN = (
    "prospect_id", "email", "anonymous_id", "time", "known_at", "event", "event_id", "client",
    "address", "name", "message_id", "position", "sent_at",
)  # fmt: skip
"""Fields that no constant can fill."""

WHO = ("prospect_id", "email", "anonymous_id", "account_id")
FORMATS: dict[str, Format] = {
    "table": Format(read_table, alike, needs=(WHO, ("time",))),
    "sendgrid": Format(read_sendgrid),
    "mailgun": Format(read_mailgun),
    "segment": Format(read_segment),
    "ga4": Format(read_ga4),
    "hubspot": Format(read_hubspot, by_event_table, together=True),
    "xes": Format(read_xes),
    "deals": Format(read_deals, alike, needs=(WHO, ("time",), ("event",)), nobody="no_contact"),
    "prospects": Format(
        read_table, alike, "prospects", PROSPECT_COLUMNS, (("prospect_id",), ("known_at",))
    ),
    "messages": Format(read_table, alike, "messages", tuple(MESSAGES.names), (("message_id",),)),
}


def check_mapping(source: SourceSettings) -> None:
    """Check that `columns` of a source maps fields that exist, and all it must.

    Raises
    ------
    SettingsError
        Naming the field that is unknown or missing.
    """
    known = FORMATS[source.format]
    allowed = [*known.fields, *source.attributes]
    for name in source.columns:
        if name not in allowed:
            raise SettingsError(
                f"`columns` of the source `{source.name}` maps the field `{name}`, which the "
                f"format `{source.format}` does not have. Its fields are "
                f"{listed(allowed, most=30)}.{did_you_mean(name, allowed)}"
            )
    _check_constants(source, allowed)
    if source.only and known.makes != "events":
        raise SettingsError(
            f"The source `{source.name}` of the format `{source.format}` has `only`, which leaves "
            "out events: take it out, or leave those rows out of the export."
        )
    if source.synthetic_times is not None:
        check_synthetic_times(source)
    for group in known.needs:
        dealt = source.synthetic_times is not None and FIELD[source.format] in group
        mapped = {*source.columns, *source.constants}
        if not dealt and not mapped.intersection(group):
            raise SettingsError(
                f"`columns` of the source `{source.name}` maps none of {listed(group)}, and a "
                f"source of the format `{source.format}` needs one of them."
            )
    if source.format == "table" and "event" not in source.columns and not source.prefix:
        raise SettingsError(
            f"The source `{source.name}` maps no `event` and has no `prefix`, so its rows have no "
            "name. Map a column to `event`, or set `prefix` to what every row is called."
        )


def _check_constants(source: SourceSettings, allowed: list[str]) -> None:
    for name in source.constants:
        if name not in allowed:
            raise SettingsError(
                f"`constants` of the source `{source.name}` fills the field `{name}`, which the "
                f"format `{source.format}` does not have. Its fields are "
                f"{listed(allowed, most=30)}.{did_you_mean(name, allowed)}"
            )
        if name in ITS_OWN:
            raise SettingsError(
                f"`constants` of the source `{source.name}` fills `{name}` with the same for every "
                "row, and that is each row's own to say: map it in `columns`."
                + (" `prefix` names every row." if name == "event" else "")
            )
        if name in source.columns:
            raise SettingsError(
                f"The source `{source.name}` fills `{name}` twice, from `{source.columns[name]}` "
                "and as a constant: take one of them out."
            )


def fill_constants(table: Any, source: SourceSettings) -> Any:
    """Give every row what the source says of all of them."""
    return table.mutate(**{name: ibis.literal(v) for name, v in source.constants.items()})
