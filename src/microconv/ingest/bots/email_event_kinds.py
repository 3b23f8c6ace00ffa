"""Columns that bot detection needs of each row: the kind of e-mail event, and keys to group by."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import ibis

from microconv.ingest.clean.naming import matches_any
from microconv.ingest.sources.raw_rows import join_fields
from microconv.settings import BotSettings


class EmailEvent(IntEnum):
    """The kind of e-mail event of a row."""

    OTHER = 0
    DELIVERED = 1
    OPENED = 2
    CLICKED = 3
    UNSUBSCRIBED = 4


BOT_COLUMNS = ("email_event", "group_key", "recipient", "domain", "link_key", "address_key")
"""Columns of resolved events that only bot detection uses; they are not written to the log."""


def email_event_of(table: Any, settings: BotSettings) -> Any:
    """Return the kind of e-mail event of each row, from the vendor's own event name.

    Parameters
    ----------
    table : Ibis table
        `event`, `message_id` and `channel` as text.
    settings : BotSettings

    Returns
    -------
    Ibis int8
        Values of :class:`EmailEvent`.
    """
    other = ibis.literal(EmailEvent.OTHER.value, "int8")
    if not settings.enabled:
        return other
    is_email = (table.channel == "email") | table.message_id.notnull()
    named = (
        (settings.delivered, EmailEvent.DELIVERED),
        (settings.opened, EmailEvent.OPENED),
        (settings.clicked, EmailEvent.CLICKED),
        (settings.unsubscribed, EmailEvent.UNSUBSCRIBED),
    )
    cases = [
        (is_email & matches_any(table.event, globs), ibis.literal(kind.value, "int8"))
        for globs, kind in named
    ]
    return ibis.cases(*cases, else_=other)


def add_row_keys(rows: Any) -> Any:
    """Add hashes of the recipient, its domain, the link and the network address; 0 for none.

    The recipient is the one that the row itself names, so that identities found later change
    nothing.
    """
    who = ibis.coalesce(rows.email, rows.prospect_id, rows.anonymous_id)
    at = who.find("@")
    domain = (at < 0).ifelse(ibis.null("string"), who.substr(at + 1))
    return rows.mutate(
        recipient=_hash(who),
        domain=_hash(domain),
        link_key=_hash(rows.link),
        # without a network address, `address` is the recipient's own, which nobody else shares
        address_key=_hash(rows.address),
    )


def add_group_key(events: Any) -> Any:
    """Add `group_key`, equal for the e-mail events of one prospect, recipient and message."""
    parts = [events.prospect_id, events.recipient.cast("string"), events.message_id]
    return events.mutate(group_key=_hash(join_fields(parts)))


def _hash(text: Any) -> Any:
    return text.isnull().ifelse(ibis.literal(0, "int64"), text.hash().cast("int64"))


def visible_from(rows: Any, settings: BotSettings) -> Any:
    """Return when each row becomes visible: once known, and for clicks and opens once classified.

    Parameters
    ----------
    rows : Ibis table
        `time` and `known_at` in microseconds, and `email_event`.
    settings : BotSettings

    Returns
    -------
    Ibis int64
        Microseconds.
    """
    known = ibis.greatest(rows.time, rows.known_at)
    if not settings.enabled:
        return known
    classified = rows.email_event.isin([EmailEvent.OPENED.value, EmailEvent.CLICKED.value])
    return classified.ifelse(ibis.greatest(known, rows.time + settings.window), known)
