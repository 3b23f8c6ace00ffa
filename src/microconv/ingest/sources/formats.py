"""Every format a source may have. A new vendor of JSON objects is only a preset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from microconv.ingest.input_files import InputFile
from microconv.ingest.sources.hubspot import group_by_event_table, read_hubspot
from microconv.ingest.sources.json_presets import read_json_preset
from microconv.ingest.sources.raw_rows import EVENT_FIELDS, Reader
from microconv.ingest.sources.table import group_by_columns, read_deals, read_table
from microconv.ingest.sources.xes import read_xes
from microconv.settings.ingest import FormatName
from microconv.storage.schema import MESSAGES, PROSPECT_COLUMNS


@dataclass(frozen=True)
class Format:
    """How ingest treats a format.

    Attributes
    ----------
    read : Reader
    group_files : function
        Groups the files of a source into those that are read at once.
    output : {"events", "prospects", "messages"}
        The table that its rows belong to.
    fields : tuple of str
        What `columns` of such a source may map.
    required : tuple of tuple of str
        Of each group, at least one field must be mapped.
    no_identity : str
        Reason for rejecting a row without any id.
    joins_files : bool
        Whether the rows of a file depend on the files that are read with it.
    """

    read: Reader
    group_files: Callable[[Sequence[InputFile]], list[list[InputFile]]] = lambda files: [
        list(files)
    ]
    output: Literal["events", "prospects", "messages"] = "events"
    fields: tuple[str, ...] = EVENT_FIELDS
    required: tuple[tuple[str, ...], ...] = ()
    no_identity: str = "no_prospect"
    joins_files: bool = False


_IDS = ("prospect_id", "email", "anonymous_id", "account_id")

FORMATS: dict[str, Format] = {
    **{name: Format(read_json_preset) for name in get_args(FormatName)},
    "table": Format(read_table, group_by_columns, required=(_IDS, ("time",))),
    "hubspot": Format(read_hubspot, group_by_event_table, joins_files=True),
    "xes": Format(read_xes),
    "deals": Format(
        read_deals,
        group_by_columns,
        required=(_IDS, ("time",), ("event",)),
        no_identity="no_contact",
    ),
    "prospects": Format(
        read_table,
        group_by_columns,
        "prospects",
        PROSPECT_COLUMNS,
        (("prospect_id",), ("known_at",)),
    ),
    "messages": Format(
        read_table, group_by_columns, "messages", tuple(MESSAGES.names), (("message_id",),)
    ),
}
"""Format of a source → how it is read. Those without a line of their own have a JSON preset."""
