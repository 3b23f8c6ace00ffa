"""What mail rows say that telling bots from people needs: the act, and whose, as numbers."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import ibis

from microconv.ingest.clean.naming import matches_any
from microconv.ingest.sources.raw_rows import join_fields
from microconv.settings import BotSettings


class Act(IntEnum):
    """What a row of mail tells of."""

    OTHER = 0
    DELIVERED = 1
    OPENED = 2
    CLICKED = 3
    UNSUBSCRIBED = 4


KEYS = ("act", "group_key", "recipient", "domain", "link_key", "address_key")
"""Columns that accompany events as far as their bucket, and are not written."""


def act_of(table: Any, bots: BotSettings) -> Any:
    """Say what act of mail each row tells of, by the vendor's own name of it.

    Parameters
    ----------
    table : Ibis table
        `event`, `message_id` and `channel` as text.
    """
    nothing = ibis.literal(Act.OTHER.value, "int8")
    if not bots.enabled:
        return nothing
    mail = (table.channel == "email") | table.message_id.notnull()
    named = (
        (bots.delivered, Act.DELIVERED),
        (bots.opened, Act.OPENED),
        (bots.clicked, Act.CLICKED),
        (bots.unsubscribed, Act.UNSUBSCRIBED),
    )
    cases = [
        (mail & matches_any(table.event, globs), ibis.literal(act.value, "int8"))
        for globs, act in named
    ]
    return ibis.cases(*cases, else_=nothing)


def keyed(rows: Any) -> Any:
    """Add :data:`KEYS`: who got the mail, at which domain, which link, from which address.

    The recipient is whoever the row itself names, so that what is learnt of people later
    changes nothing. Texts are reduced to hashes; 0 stands for none.
    """
    who = ibis.coalesce(rows.email, rows.prospect_id, rows.anonymous_id)
    at = who.find("@")
    domain = (at < 0).ifelse(ibis.null("string"), who.substr(at + 1))
    return rows.mutate(
        recipient=_key(who),
        domain=_key(domain),
        link_key=_key(rows.link),
        # where no network address is known, `address` is the recipient's own: no crowd comes of it
        address_key=_key(rows.address),
    )


def grouped(events: Any) -> Any:
    """Add `group_key`, equal for the mail rows of one prospect, recipient and message."""
    says = [events.prospect_id, events.recipient.cast("string"), events.message_id]
    return events.mutate(group_key=_key(join_fields(says)))


def _key(text: Any) -> Any:
    return text.isnull().ifelse(ibis.literal(0, "int64"), text.hash().cast("int64"))


def visible_from(rows: Any, bots: BotSettings) -> Any:
    """Say when a row can be seen: once known, and clicks and opens once they are judged."""
    known = ibis.greatest(rows.time, rows.known_at)
    if not bots.enabled:
        return known
    judged = rows.act.isin([Act.OPENED.value, Act.CLICKED.value])
    return judged.ifelse(ibis.greatest(known, rows.time + bots.window), known)
