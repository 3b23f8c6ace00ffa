"""Human or machine: the probability that a person made a click or open.

See docs/decisions/0015: what is judged from what, and when it becomes visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from microconv.events.evidence import count_crowd, look_around
from microconv.events.mail import Act
from microconv.events.odds import (
    CROWD,
    LEAST,
    MOST,
    click_odds,
    client_odds,
    logit,
    open_odds,
)
from microconv.events.spill import Spill
from microconv.settings import RobotSettings

DAY = 86_400_000_000
PERSON = 0.5
"""Below this probability an event counts as a machine's."""


@dataclass(frozen=True)
class Judged:
    """Who made the clicks and opens of a log.

    Attributes
    ----------
    human : list of ndarray of float32
        One entry per row of each bucket, in the order of the spill.
    facts : dict of str to int
        Counts for the report.
    """

    human: list[np.ndarray]
    facts: dict[str, int]


def judge(spill: Spill, robots: RobotSettings, *, threads: int = 2) -> Judged:
    """Tell machines' clicks and opens from people's.

    Parameters
    ----------
    spill : Spill
        Resolved events with :data:`microconv.events.mail.KEYS`.

    Notes
    -----
    An event is judged at its `visible_at`, which is never before its time plus the window,
    from what was known by then; the share of machines at a domain is that of earlier days.
    Every step counts rows or compares them, so that their order does not matter.
    """
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda b: _weigh(spill.read(b), robots), range(spill.buckets)))
    mail = _Mail.joined([part for _, part in found])
    odds = mail.odds + _crowd_odds(mail, robots.window)
    odds += _domain_odds(mail, odds, robots)
    human = (1 / (1 + np.exp(odds))).astype(np.float32)
    ends = np.cumsum([len(part.row) for _, part in found])
    out = []
    for (rows, part), probability in zip(found, np.split(human, ends[:-1]), strict=True):
        of_all = np.ones(rows, np.float32)
        judged = part.act != Act.UNSUBSCRIBED
        of_all[part.row[judged]] = probability[judged]
        out.append(of_all)
    return Judged(out, _count(mail, human))


@dataclass(frozen=True)
class _Mail:
    """Clicks, opens and unsubscriptions; `odds` are what their recipient's mail says."""

    row: np.ndarray
    act: np.ndarray
    time: np.ndarray
    seen: np.ndarray
    judged_at: np.ndarray
    recipient: np.ndarray
    domain: np.ndarray
    address: np.ndarray
    links: np.ndarray
    odds: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[_Mail]) -> _Mail:
        names = cls.__dataclass_fields__
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def _weigh(rows: pa.Table | None, robots: RobotSettings) -> tuple[int, _Mail]:
    """Weigh what lies within one bucket; return how many rows it has, too."""
    if rows is None:
        return 0, _Mail(**{name: np.zeros(0, np.int64) for name in _Mail.__dataclass_fields__})
    act = rows["act"].to_numpy()
    row = np.flatnonzero(act)
    key = rows["group_key"].to_numpy()[row]
    order = np.lexsort((act[row], rows["time"].to_numpy()[row], key))
    row, key = row[order], key[order]
    act = act[row]
    names = ("time", "known_at", "visible_at", "recipient", "domain", "link_key", "address_key")
    time, known, visible, recipient, domain, link, address = (
        rows[name].to_numpy()[row] for name in names
    )
    seen, judged_at = np.maximum(time, known), np.maximum(visible, time + robots.window)
    delay, links, gap, left = look_around(key, time, seen, judged_at, act, link, robots.window)
    asked = np.flatnonzero(act != Act.DELIVERED)
    opened = act[asked] == Act.OPENED
    odds = np.where(
        opened,
        open_odds(delay[asked]),
        click_odds(delay[asked], links[asked], gap[asked], left[asked]),
    )
    client = rows["client"].combine_chunks().take(pa.array(row[asked]))
    odds += client_odds(client, opened=opened, robots=robots)
    return rows.num_rows, _Mail(
        row=row[asked],
        act=act[asked],
        time=time[asked],
        seen=seen[asked],
        judged_at=judged_at[asked],
        recipient=recipient[asked],
        domain=domain[asked],
        address=address[asked],
        links=links[asked],
        odds=odds,
    )


def _crowd_odds(mail: _Mail, window: int) -> np.ndarray:
    """Weigh for how many recipients an address clicked at the same time."""
    clicks = np.flatnonzero(mail.act == Act.CLICKED)
    order = clicks[np.lexsort((mail.time[clicks], mail.address[clicks]))]
    columns = (mail.address, mail.time, mail.seen, mail.judged_at, mail.recipient)
    crowd = count_crowd(*(column[order] for column in columns), window, len(CROWD) - 1)
    odds = np.zeros(len(mail.row))
    odds[order] = np.array(CROWD)[crowd]
    return odds


def _domain_odds(mail: _Mail, odds: np.ndarray, robots: RobotSettings) -> np.ndarray:
    """Turn the machines' share at each recipient's domain on earlier days into log odds.

    The share is drawn towards the one that holds for all; the verdicts it is made of are
    those reached without it, so that a domain cannot talk itself into anything.
    """
    opened = mail.act == Act.OPENED
    share = np.where(opened, robots.prior_opens, robots.prior_clicks)
    machine = odds + logit(share) > 0
    counted = np.flatnonzero((mail.act != Act.UNSUBSCRIBED) & (mail.domain != 0))
    day = mail.judged_at[counted] // DAY
    order = np.lexsort((day, mail.domain[counted], opened[counted]))
    who = counted[order]
    domain, kind, day = mail.domain[who], opened[who], day[order]
    place = np.arange(len(who))
    new = np.append(True, (domain[1:] != domain[:-1]) | (kind[1:] != kind[:-1]))[: len(who)]
    begins = np.maximum.accumulate(np.where(new, place, 0))
    new_day = new | np.append(True, day[1:] != day[:-1])[: len(who)]
    today = np.maximum.accumulate(np.where(new_day, place, 0))
    machines = np.append(0, np.cumsum(machine[who]))
    weight = robots.prior_events
    learnt = share[who] * weight + machines[today] - machines[begins]
    share[who] = np.clip(learnt / (weight + today - begins), LEAST, MOST)
    return logit(share)


def _count(mail: _Mail, human: np.ndarray) -> dict[str, int]:
    machine = human < PERSON
    clicked, opened = mail.act == Act.CLICKED, mail.act == Act.OPENED
    suspect = (mail.act == Act.UNSUBSCRIBED) & machine & (mail.links > 1)
    return {
        "clicks": int(clicked.sum()),
        "machine_clicks": int((clicked & machine).sum()),
        "opens": int(opened.sum()),
        "machine_opens": int((opened & machine).sum()),
        "suspect_unsubscribes": int(suspect.sum()),
    }
