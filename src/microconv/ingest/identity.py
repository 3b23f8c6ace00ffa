"""Identities: duplicates, whose each event is, and from when to when it is visible there.

An *alias* (an anonymous id, an e-mail) belongs to a prospect from the time at which a
row said so. A *merge* makes one prospect of two known ones. A *membership* puts a
prospect into an account. None of them changes what was visible before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import ibis
import pyarrow as pa

from microconv.ingest.bots.email_event_kinds import (
    BOT_COLUMNS,
    add_group_key,
    add_row_keys,
    visible_from,
)
from microconv.ingest.sources.raw_rows import join_fields
from microconv.settings import IngestSettings

ANONYMOUS, EMAIL, MEMBER = "anonymous", "email", "member"

_SPANS = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("holder", pa.string()),
        pa.field("held_from", pa.int64()),
        pa.field("held_until", pa.int64()),
    ]
)
"""Who holds the events of `id` in `[held_from, held_until)`; null is unbounded."""


@dataclass(frozen=True, order=True)
class Merge:
    """At `at` it became known that the prospect `loser` is the prospect `winner`."""

    at: int
    loser: str
    winner: str


def links_of_events(rows: Any) -> Any:
    """Return the links of anonymous ids: `alias` belongs to `target` from the time `at` on."""
    known = rows.filter(
        rows.reason.isnull()
        & rows.prospect_id.notnull()
        & (rows.ignored.isnull() | (rows.ignored == "identity"))
    )
    at = ibis.greatest(known.time, known.known_at)
    links = [
        known.filter(known[column].notnull()).select(
            kind=ibis.literal(ANONYMOUS), alias=known[column], target=known.prospect_id, at=at
        )
        for column in ("anonymous_id", "merged_id")
    ]
    return links[0].union(links[1])


def links_of_prospects(rows: Any) -> Any:
    """Return the links of e-mails and of accounts, from the prospects table."""
    known = rows.filter(rows.reason.isnull() & rows.known_at.notnull())
    emails = known.filter(known.email.notnull()).select(
        kind=ibis.literal(EMAIL), alias=known.email.lower(), target=known.prospect_id,
        at=known.known_at,
    )  # fmt: skip
    accounts = known.filter(known.account_id.notnull()).select(
        kind=ibis.literal(MEMBER), alias=known.prospect_id, target=known.account_id,
        at=known.known_at,
    )  # fmt: skip
    return emails.union(accounts)


def link_intervals(links: Any) -> Any:
    """Return for which event times each link holds: `[since, until)`.

    Of several links of one alias the latest at or before an event's time is used;
    before the first, the first. A repeated link is known from its first time on.

    Returns
    -------
    Ibis table
        Columns of `links`, and `since` and `until` in microseconds (null is
        unbounded). The intervals of one alias do not overlap.
    """
    order = ibis.window(group_by=["kind", "alias"], order_by=["at", "target"])
    links = links.mutate(before=links.target.lag().over(order))
    links = links.filter(links.before.isnull() | (links.before != links.target))
    first = links.before.isnull()
    links = links.mutate(since=first.ifelse(ibis.null("int64"), links.at))
    return links.mutate(until=links["at"].lead().over(order)).drop("before")


def join_links(rows: Any, links: Any, *, alias: Any, kind: Any, prefix: str) -> Any:
    """Join the target that an alias of each row had at the row's time.

    Parameters
    ----------
    rows : Ibis table, with `time`
    links : Ibis table, from :func:`link_intervals`
    alias, kind : Ibis string, columns of `rows`
    prefix : str, of the two new columns, `<prefix>_target` and `<prefix>_at`

    Returns
    -------
    Ibis table
        As many rows as before.
    """
    keyed = rows.mutate(join_alias=alias, join_kind=kind)
    right = links.rename({f"{prefix}_target": "target", f"{prefix}_at": "at"})
    joined = keyed.left_join(
        right,
        [
            keyed.join_kind == right.kind,
            keyed.join_alias == right["alias"],
            right.since.isnull() | (keyed.time >= right.since),
            right.until.isnull() | (keyed.time < right.until),
        ],
    )
    return joined.select(*rows.columns, f"{prefix}_target", f"{prefix}_at")


def follow_merges(merges: Iterable[Merge]) -> tuple[pa.Table, list[Merge]]:
    """Follow merges of known prospects through time, chains included.

    Returns
    -------
    spans : Table of :data:`_SPANS`
        For every prospect that was merged into another, who holds its events when.
    cycles : list of Merge
        Merges that would make a prospect its own successor.

    Examples
    --------
    >>> spans, _ = follow_merges([Merge(5, "a", "b"), Merge(9, "b", "c")])
    >>> [tuple(span.values()) for span in spans.to_pylist()]  # doctest: +NORMALIZE_WHITESPACE
    [('a', 'a', None, 5), ('a', 'b', 5, 9), ('a', 'c', 9, None),
     ('b', 'b', None, 9), ('b', 'c', 9, None)]
    """
    holder: dict[str, str] = {}
    held: defaultdict[str, list[str]] = defaultdict(list)
    history: dict[str, list[tuple[int | None, str]]] = {}
    cycles = []
    for merge in sorted(set(merges)):
        loser = holder.get(merge.loser, merge.loser)
        winner = holder.get(merge.winner, merge.winner)
        if loser == winner:
            if loser == merge.loser != merge.winner:
                cycles.append(merge)
            continue
        for one in [loser, *held.pop(loser, [])]:
            history.setdefault(one, [(None, one)]).append((merge.at, winner))
            holder[one] = winner
            held[winner].append(one)
    spans = [
        (one, who, since, until)
        for one, steps in sorted(history.items())
        for (since, who), (until, _) in zip(steps, [*steps[1:], (None, "")], strict=True)
        if since != until or until is None
    ]
    columns = list(zip(*spans, strict=True)) or [()] * len(_SPANS)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, _SPANS.types, strict=True)]
    return pa.table(arrays, schema=_SPANS), cycles


_EVENT_COLUMNS = (
    "prospect_id", "time", "known_at", "visible_at", "visible_until", "event_name", "value",
    "message_id", "campaign_id", "variant", "channel", "link", "address", "client", "event_id",
)  # fmt: skip
"""Columns of a resolved event; instants in microseconds."""


@dataclass(frozen=True)
class Identities:
    """The identity links and merges of an ingest; None where there are none.

    Attributes
    ----------
    links : Ibis table or None, aliases and memberships with the intervals in which they hold
    spans : Ibis table or None, who holds the events of prospects that were merged into others
    """

    links: Any | None = None
    spans: Any | None = None


def find_duplicates(rows: Any, connection: Any, *, passes: int = 1) -> Any | None:
    """Return the rows to drop: of each `event_id` all but the earliest known one.

    Equal ids are first found by `key`, a hash of the id: rows without duplicates need no
    sort by id.

    Parameters
    ----------
    rows : Ibis table, valid rows of one source
    connection : Ibis connection, runs the queries
    passes : int
        In each pass one part of the keys is counted, as all keys of a large log do not fit
        into memory. Changes no row.

    Returns
    -------
    Ibis table or None
        The column `row`; None if no id occurs twice.
    """
    repeated = pa.concat_tables(
        _repeated_keys(rows, connection, part, passes) for part in range(passes)
    )
    if not len(repeated):
        return None
    candidates = rows.semi_join(ibis.memtable(repeated), "key")
    values = [
        candidates[name]
        for name in sorted(rows.columns)
        if name not in ("row", "raw", "email_event")
    ]
    candidates = candidates.mutate(content=join_fields(values).hexdigest("md5"))
    best = ibis.window(group_by="event_id", order_by=["known_at", "content", "row"])
    ranked = candidates.mutate(position=ibis.row_number().over(best))
    return ranked.filter(ranked.position > 0).select("row")


def _repeated_keys(rows: Any, connection: Any, part: int, passes: int) -> pa.Table:
    # the remainder of a negative key is negative
    chosen = rows.filter((rows.key % passes).abs() == part) if passes > 1 else rows
    counts = chosen.group_by("key").agg(rows_of_key=chosen.count())
    return connection.to_pyarrow(counts.filter(counts.rows_of_key > 1).select("key"))


def resolve(rows: Any, identities: Identities, settings: IngestSettings, *, deals: bool) -> Any:
    """Return the events of every prospect (or account), and when each is visible there.

    A row of an unknown visitor is left out. A row of a prospect that was merged into
    another, and a deal credited to several contacts, becomes more than one event.

    Parameters
    ----------
    rows : Ibis table, valid rows of one source, without duplicates
    identities : Identities, of all sources
    settings : IngestSettings, the section `ingest` of params.yaml
    deals : bool, whether the rows are deals, which may be credited to several contacts

    Returns
    -------
    Ibis table
        `row` and :data:`_EVENT_COLUMNS`; with bot detection, `BOT_COLUMNS` as well.
    """
    events = rows.mutate(visible_at=visible_from(rows, settings.bots))
    if settings.bots.enabled:
        events = add_row_keys(events)
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
        return events.select("row", *_EVENT_COLUMNS)
    return add_group_key(events).select("row", *_EVENT_COLUMNS, *BOT_COLUMNS)


def _by_alias(events: Any, identities: Identities) -> Any:
    """Find the prospect of rows that name an e-mail or an anonymous id."""
    if identities.links is None:
        return events.mutate(prospect_id=ibis.coalesce(events.prospect_id, events.email))
    by_email = events.email.notnull()
    known = events.prospect_id.notnull()
    alias = ibis.coalesce(events.email, events.anonymous_id)
    found = join_links(
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
    """Credit a deal to its contact and to all contacts its account was known to have by then."""
    if identities.links is None:
        return events
    members = identities.links.filter(identities.links.kind == MEMBER)
    credited = events.join(
        members,
        [
            events.account_id == members.target,
            events.time >= members["at"],
            members.until.isnull() | (events.time < members.until),
        ],
    )
    credited = credited.mutate(prospect_id=credited["alias"]).select(*events.columns)
    return events.filter(events.prospect_id.notnull()).union(credited, distinct=True)


def _by_merges(events: Any, identities: Identities) -> Any:
    """Repeat the events of a prospect that was merged, once under each of its holders."""
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
    """Replace prospects by accounts: the row's own, else the one its contact belongs to."""
    if identities.links is None:
        return events.mutate(prospect_id=events.account_id)
    found = join_links(
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
