"""Who is who: from ids as vendors write them to prospects, and since when that was known.

An *alias* (an anonymous id, an e-mail) means a prospect from the instant at which
somebody said so. A *merge* makes one of two known prospects. A *membership* puts
a prospect into an account. None of them changes what was visible before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import ibis
import pyarrow as pa

ANONYMOUS, EMAIL, MEMBER = "anonymous", "email", "member"

LINKS = ibis.schema({"kind": "string", "alias": "string", "target": "string", "at": "int64"})
"""`alias` means `target` from the instant `at` on."""

SPANS = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("holder", pa.string()),
        pa.field("held_from", pa.int64()),
        pa.field("held_until", pa.int64()),
    ]
)
"""Whose events the events of `id` are, in `[held_from, held_until)`; null is without end."""


@dataclass(frozen=True, order=True)
class Merge:
    """Somebody said at `at` that the prospect `loser` is the prospect `winner`."""

    at: int
    loser: str
    winner: str


def links_of_events(staged: Any) -> Any:
    """Find who says who an anonymous id is: calls with both ids, and aliases."""
    known = staged.filter(
        staged.reason.isnull()
        & staged.prospect_id.notnull()
        & (staged.ignored.isnull() | (staged.ignored == "identity"))
    )
    at = ibis.greatest(known.time, known.known_at)
    said = [
        known.filter(known[column].notnull()).select(
            kind=ibis.literal(ANONYMOUS), alias=known[column], target=known.prospect_id, at=at
        )
        for column in ("anonymous_id", "merged_id")
    ]
    return said[0].union(said[1])


def links_of_prospects(staged: Any) -> Any:
    """Find which e-mail is whose, and who belongs to which account, by the prospects table."""
    known = staged.filter(staged.reason.isnull() & staged.known_at.notnull())
    emails = known.filter(known.email.notnull()).select(
        kind=ibis.literal(EMAIL), alias=known.email.lower(), target=known.prospect_id,
        at=known.known_at,
    )  # fmt: skip
    accounts = known.filter(known.account_id.notnull()).select(
        kind=ibis.literal(MEMBER), alias=known.prospect_id, target=known.account_id,
        at=known.known_at,
    )  # fmt: skip
    return emails.union(accounts)


def in_intervals(links: Any) -> Any:
    """Say for which event times each link holds: `[since, until)`.

    Of several links of one alias the latest at or before an event's time wins;
    before the first, the first. A link repeated is known from its first time on.

    Returns
    -------
    Ibis table
        Columns of `links`, and `since` and `until` in microseconds (null is
        without end). The intervals of one alias do not overlap.
    """
    order = ibis.window(group_by=["kind", "alias"], order_by=["at", "target"])
    links = links.mutate(before=links.target.lag().over(order))
    links = links.filter(links.before.isnull() | (links.before != links.target))
    first = links.before.isnull()
    links = links.mutate(since=first.ifelse(ibis.null("int64"), links.at))
    return links.mutate(until=links["at"].lead().over(order)).drop("before")


def linked(rows: Any, links: Any, *, alias: Any, kind: Any, prefix: str) -> Any:
    """Join what an alias of each row meant at the row's time.

    Parameters
    ----------
    rows : Ibis table
        With `time`.
    alias, kind : Ibis string
        Columns of `rows`.
    prefix : str
        Of the two new columns, `<prefix>_target` and `<prefix>_at`.

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
    spans : Table of :data:`SPANS`
        For every prospect that was ever merged away, who holds its events when.
    cycles : list of Merge
        Merges that would make a prospect its own successor: refused.

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
    columns = list(zip(*spans, strict=True)) or [()] * len(SPANS)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, SPANS.types, strict=True)]
    return pa.table(arrays, schema=SPANS), cycles
