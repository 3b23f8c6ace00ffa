"""From clean rows to events of prospects: whose each is, and from when to when it is seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis
import pyarrow as pa

from microconv.ingest.bots.email_acts import KEYS, grouped, keyed, visible_from
from microconv.ingest.identity.links import ANONYMOUS, EMAIL, MEMBER, linked
from microconv.ingest.sources.raw_rows import join_fields
from microconv.settings import IngestSettings

EVENT_COLUMNS = (
    "prospect_id", "time", "known_at", "visible_at", "visible_until", "event_name", "value",
    "message_id", "campaign_id", "variant", "channel", "link", "address", "client", "event_id",
)  # fmt: skip
"""Columns of a resolved event; instants in microseconds."""


@dataclass(frozen=True)
class Identities:
    """What is known of who is who, as tables of the engine; None where there is nothing.

    Attributes
    ----------
    links : Ibis table or None
        Aliases and memberships with the intervals in which they hold.
    spans : Ibis table or None
        Who holds the events of prospects that were merged away.
    """

    links: Any | None = None
    spans: Any | None = None


def find_duplicates(rows: Any, connection: Any, *, passes: int = 1) -> Any | None:
    """Find the rows to drop: of each `event_id` all but the earliest known, smallest one.

    Equal ids are found by `key`, a hash of theirs, first: a log without
    duplicates is not sorted by its ids.

    Parameters
    ----------
    passes : int
        So many times the keys are gone through, for another part of them each time: all of
        a large log at once are more than the engine may hold. Changes no row.

    Returns
    -------
    Ibis table or None
        The column `row`; None if no id occurs twice.
    """
    twice = pa.concat_tables(_twice(rows, connection, part, passes) for part in range(passes))
    if not len(twice):
        return None
    doubtful = rows.semi_join(ibis.memtable(twice), "key")
    says = [doubtful[name] for name in sorted(rows.columns) if name not in ("row", "raw", "act")]
    doubtful = doubtful.mutate(content=join_fields(says).hexdigest("md5"))
    best = ibis.window(group_by="event_id", order_by=["known_at", "content", "row"])
    placed = doubtful.mutate(place=ibis.row_number().over(best))
    return placed.filter(placed.place > 0).select("row")


def _twice(rows: Any, connection: Any, part: int, parts: int) -> pa.Table:
    # a key may be negative, and then is what is left of it
    here = rows.filter((rows.key % parts).abs() == part) if parts > 1 else rows
    counts = here.group_by("key").agg(rows_of_key=here.count())
    return connection.to_pyarrow(counts.filter(counts.rows_of_key > 1).select("key"))


def resolve(rows: Any, identities: Identities, settings: IngestSettings, *, deals: bool) -> Any:
    """Find the prospect (or account) of every row, and when the event is visible there.

    A row that belongs to nobody is left out. A row of a prospect that was merged
    away, and a deal credited to several contacts, comes out more than once.

    Returns
    -------
    Ibis table
        `row` and :data:`EVENT_COLUMNS`; with bots told apart, `KEYS` as well.
    """
    events = rows.mutate(visible_at=visible_from(rows, settings.bots))
    if settings.bots.enabled:
        events = keyed(events)
    events = _by_alias(events, identities)
    if deals and settings.unit == "prospect" and settings.credit == "all":
        events = _credited_to_all(events, identities)
    events = events.filter(events.prospect_id.notnull() | (events.account_id.notnull()))
    events = _by_merges(events, identities)
    if settings.unit == "account":
        events = _by_account(events, identities)
    events = events.filter(events.prospect_id.notnull())
    never = events.visible_until.notnull() & (events.visible_at >= events.visible_until)
    events = events.filter(~never.fill_null(False))
    if not settings.bots.enabled:
        return events.select("row", *EVENT_COLUMNS)
    return grouped(events).select("row", *EVENT_COLUMNS, *KEYS)


def _by_alias(events: Any, identities: Identities) -> Any:
    """Give rows that name an e-mail or an anonymous id the prospect it means."""
    if identities.links is None:
        return events.mutate(prospect_id=ibis.coalesce(events.prospect_id, events.email))
    by_email = events.email.notnull()
    known = events.prospect_id.notnull()
    alias = ibis.coalesce(events.email, events.anonymous_id)
    found = linked(
        events,
        identities.links,
        alias=known.ifelse(ibis.null("string"), alias),
        kind=by_email.ifelse(EMAIL, ANONYMOUS),
        prefix="alias",
    )
    return found.mutate(
        prospect_id=ibis.coalesce(found.prospect_id, found.alias_target, found.email),
        visible_at=ibis.greatest(found.visible_at, found.alias_at.fill_null(found.visible_at)),
    ).drop("alias_target", "alias_at")


def _credited_to_all(events: Any, identities: Identities) -> Any:
    """Give a deal to its contact and to all whom its account was known to have by then."""
    if identities.links is None:
        return events
    members = identities.links.filter(identities.links.kind == MEMBER)
    told = events.join(
        members,
        [
            events.account_id == members.target,
            events.time >= members["at"],
            members.until.isnull() | (events.time < members.until),
        ],
    )
    told = told.mutate(prospect_id=told["alias"]).select(*events.columns)
    return events.filter(events.prospect_id.notnull()).union(told, distinct=True)


def _by_merges(events: Any, identities: Identities) -> Any:
    """Write the events of a prospect that was merged away under each of its holders."""
    if identities.spans is None:
        return events.mutate(visible_until=ibis.null("int64"))
    spans = identities.spans
    found = events.left_join(spans, events.prospect_id == spans.id)
    return found.select(
        *[name for name in events.columns if name not in ("prospect_id", "visible_at")],
        prospect_id=ibis.coalesce(found.holder, found.prospect_id),
        visible_at=ibis.greatest(found.visible_at, found.held_from.fill_null(found.visible_at)),
        visible_until=found.held_until,
    )


def _by_account(events: Any, identities: Identities) -> Any:
    """Let accounts be the prospects: the row's own, else the one its contact belongs to."""
    if identities.links is None:
        return events.mutate(prospect_id=events.account_id)
    found = linked(
        events,
        identities.links,
        alias=events.account_id.isnull().ifelse(events.prospect_id, ibis.null("string")),
        kind=ibis.literal(MEMBER),
        prefix="member",
    )
    return found.mutate(
        prospect_id=ibis.coalesce(found.account_id, found.member_target),
        visible_at=ibis.greatest(found.visible_at, found.member_at.fill_null(found.visible_at)),
    )
