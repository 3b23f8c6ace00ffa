"""Every format a source may have. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from microconv.errors import SettingsError, did_you_mean, listed
from microconv.events.dealt import FIELD, check_dealt
from microconv.events.inputs import InputFile
from microconv.events.schema import MESSAGES, PROSPECT_COLUMNS
from microconv.events.sources.deals import read_deals
from microconv.events.sources.rows import EVENT_FIELDS, Reader
from microconv.events.sources.segment import read_segment
from microconv.events.sources.sendgrid import read_sendgrid
from microconv.events.sources.table import alike, read_table
from microconv.events.sources.xes import read_xes
from microconv.settings import SourceSettings


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
    """

    read: Reader
    alike: Callable[[Sequence[InputFile]], list[list[InputFile]]] = lambda files: [list(files)]
    makes: Literal["events", "prospects", "messages"] = "events"
    fields: tuple[str, ...] = EVENT_FIELDS
    needs: tuple[tuple[str, ...], ...] = ()
    nobody: str = "no_prospect"


WHO = ("prospect_id", "email", "anonymous_id", "account_id")
FORMATS: dict[str, Format] = {
    "table": Format(read_table, alike, needs=(WHO, ("time",))),
    "sendgrid": Format(read_sendgrid),
    "segment": Format(read_segment),
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
    if source.dealt is not None:
        check_dealt(source)
    for group in known.needs:
        dealt = source.dealt is not None and FIELD[source.format] in group
        if not dealt and not any(name in source.columns for name in group):
            raise SettingsError(
                f"`columns` of the source `{source.name}` maps none of {listed(group)}, and a "
                f"source of the format `{source.format}` needs one of them."
            )
    if source.format == "table" and "event" not in source.columns and not source.prefix:
        raise SettingsError(
            f"The source `{source.name}` maps no `event` and has no `prefix`, so its rows have no "
            "name. Map a column to `event`, or set `prefix` to what every row is called."
        )
