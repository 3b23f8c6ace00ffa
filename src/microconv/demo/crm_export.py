"""prospects.csv, deals.csv and messages.csv: what the CRM and the mailing tool export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.random import Generator

from microconv.demo import catalogue as c
from microconv.demo.collection import CollectedLines, collect
from microconv.demo.directory import Directory
from microconv.demo.email_export import message_id
from microconv.demo.mail import NEVER, Mail
from microconv.demo.outcomes import Outcomes
from microconv.demo.people import Bools, Ints, People

WON, LOST, DISQUALIFIED = range(3)
DEAL_STAGES = ("Closed Won", "Closed Lost", "Disqualified")

LATE_DEALS = 0.10
"""Share of the deals that sales enters hours or days later."""

UNKNOWN_SIZE_SHARE = 0.08


def write_prospects(
    path: Path, people: People, directory: Directory, rng: Generator
) -> dict[str, int]:
    """Write one row per contact, a few of them twice, a few of them spoilt.

    Parameters
    ----------
    path : Path
    people : People
    directory : Directory
    rng : Generator
    """
    n = len(people)
    unknown = rng.random(n) < UNKNOWN_SIZE_SHARE
    collected = collect(people.arrival, np.ones(n, bool), 2, rng, late_share=0.0)
    row = pa.array(collected.row)
    sizes = np.where(unknown, len(c.COMPANY_SIZES), people.size)[collected.row]
    created = _seconds(people.arrival[collected.row] + directory.start)
    columns = {
        "contact_id": directory.contact.take(row),
        "created_at": created,
        "account_id": directory.account.take(row),
        "owner": directory.owner.take(row),
        "email": directory.email.take(row),
        "name": directory.name.take(row),
        "company_size": _words((*c.COMPANY_SIZES, ""), sizes),
        "source": _words(c.SOURCES, people.source[collected.row]),
        "country": _words(c.COUNTRIES, people.country[collected.row]),
    }
    columns["contact_id"] = _damaged(columns["contact_id"], collected, 1, "")
    columns["created_at"] = _damaged(created, collected, 2, "unknown")
    _write(path, columns)
    return collected.counts()


@dataclass(frozen=True)
class Deals:
    """One entry per closed deal: whose, when, how it ended."""

    prospect: Ints
    time: Ints
    stage: Ints


def close_deals(outcomes: Outcomes, converted: Ints, period: int) -> tuple[Deals, Bools]:
    """List the deals that could close, and say which did: nothing is lost once it is won.

    Parameters
    ----------
    outcomes : Outcomes
    converted : ndarray of int64
    period : int
    """
    n = len(converted)
    who = np.tile(np.arange(n), 3)
    time = np.concatenate([converted, outcomes.lost, outcomes.disqualified])
    until = np.minimum(converted, outcomes.disqualified)
    won, out = converted < NEVER, outcomes.disqualified < converted
    happens = np.concatenate([won, outcomes.lost < until, out]) & (time < period)
    return Deals(who, time, np.repeat([WON, LOST, DISQUALIFIED], n)), happens


def write_deals(
    path: Path, deals: Deals, kept: Bools, outcomes: Outcomes, directory: Directory, rng: Generator
) -> dict[str, int]:
    """Write the deals, in the CRM's own time zone and without saying so.

    Parameters
    ----------
    path : Path
    deals : Deals
    kept : ndarray of bool
    outcomes : Outcomes
    directory : Directory
    rng : Generator
    """
    collected = collect(deals.time, kept, 3, rng, late_share=LATE_DEALS)
    row = collected.row
    who, stage = pa.array(deals.prospect[row]), deals.stage[row]
    amounts = pa.array(np.round(outcomes.amount[deals.prospect[row]], 2)).cast(pa.string())
    deal = pc.utf8_lpad(pa.array(deals.prospect[row] * 3 + stage + 1).cast(pa.string()), 8, "0")
    closed = _berlin(deals.time[row] + directory.start)
    recorded = _berlin(collected.received + directory.start)
    columns: dict[str, pa.Array] = {
        "deal_id": pc.binary_join_element_wise("D", deal, ""),
        "contact_id": directory.contact.take(who),
        "account_id": directory.account.take(who),
        "stage": _words(DEAL_STAGES, stage),
        "amount": pc.if_else(pa.array(stage == DISQUALIFIED), "", amounts),
        "closed_at": closed,
        "recorded_at": recorded,
    }
    columns["contact_id"] = _damaged(columns["contact_id"], collected, 1, "")
    columns["amount"] = _damaged(columns["amount"], collected, 2, "n/a")
    columns["closed_at"] = _damaged(closed, collected, 3, "?")
    _write(path, columns)
    return collected.counts()


def write_messages(path: Path, people: People, mail: Mail, directory: Directory) -> None:
    """Write every arm of every message with the instant at which it was first sent.

    Parameters
    ----------
    path : Path
    people : People
    mail : Mail
    directory : Directory
    """
    rows: list[dict[str, object]] = []
    for outbound, campaign in enumerate(c.CAMPAIGNS):
        for number, message in enumerate(c.MESSAGES):
            for second, (variant, (subject, cta, _)) in enumerate(message.arms.items()):
                mine = (people.outbound == outbound) & (people.variant[:, number] == second)
                sent = mail.sent[mine & mail.reached[:, number], number]
                first = _seconds(np.array([sent.min()]) + directory.start) if len(sent) else [""]
                rows.append(
                    {
                        "message_id": message_id(campaign, number, variant),
                        "campaign": campaign,
                        "position": number + 1,
                        "goal": message.goal,
                        "subject": subject,
                        "cta": cta,
                        "variant": variant,
                        "sent_at": str(first[0]),
                    }
                )
    _write(path, {key: pa.array([row[key] for row in rows]) for key in rows[0]})


def _words(words: tuple[str, ...], codes: Ints) -> pa.Array:
    return pa.array(words, pa.string()).take(pa.array(codes))


def _seconds(instants: Ints) -> pa.Array:
    """Write µs since 1970 as ``2024-01-31 09:30:00`` (UTC)."""
    return pa.array(instants // 1_000_000).cast(pa.timestamp("s")).cast(pa.string())


def _berlin(instants: Ints) -> pa.Array:
    """Write µs since 1970 as the clocks of Berlin show it, which is what the CRM stores."""
    aware = pa.array(instants // 1000).cast(pa.timestamp("ms", tz="Europe/Berlin"))
    return pc.local_timestamp(aware).cast(pa.string())


def _damaged(column: pa.Array, collected: CollectedLines, damage: int, text: str) -> pa.Array:
    return pc.if_else(pa.array(collected.damage == damage), text, column)


def _write(path: Path, columns: dict[str, pa.Array]) -> None:
    pa.csv.write_csv(pa.table(columns), path)
