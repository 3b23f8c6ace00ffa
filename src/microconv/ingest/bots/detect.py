"""Human or machine: the probability that a person made a click or open.

See docs/decisions/0015: what is judged from what, and when it becomes visible.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from microconv.ingest.bots.cross_bucket import EARLIER, begins, count_crowds, sum_earlier_days
from microconv.ingest.bots.email_acts import Act
from microconv.ingest.bots.features import look_around
from microconv.ingest.bots.weights import (
    CROWD,
    LEAST,
    MOST,
    click_odds,
    client_odds,
    logit,
    open_odds,
)
from microconv.ingest.partition_files import ColumnFile, PartitionFile
from microconv.settings import BotSettings
from microconv.storage.schema import HUMAN_THRESHOLD

Arrays = dict[str, np.ndarray]

DAY = 86_400_000_000
FACTS = ("clicks", "machine_clicks", "opens", "machine_opens", "suspect_unsubscribes")
"""What is counted for the report."""


@dataclass(frozen=True)
class Judged:
    """Who made the clicks and opens of a log.

    Attributes
    ----------
    facts : dict of str to int
        Counts for the report.
    """

    facts: dict[str, int]
    _mail: PartitionFile = field(repr=False)
    _human: ColumnFile = field(repr=False)

    def human_probability(self, bucket: int, rows: int) -> np.ndarray:
        """Return the probability that a person made it for each row of a bucket, in its order.

        Returns
        -------
        ndarray of float32, shape (rows,)
        """
        of_all = np.ones(rows, np.float32)
        mail = self._mail.read(bucket)
        if mail is not None:
            judged = mail["act"].to_numpy() != Act.UNSUBSCRIBED
            of_all[mail["row"].to_numpy()[judged]] = self._human.of(bucket)[judged]
        return of_all


def judge(
    spill: PartitionFile, bots: BotSettings, folder: Path, *, parts: int = 1, threads: int = 2
) -> Judged:
    """Tell machines' clicks and opens from people's.

    Parameters
    ----------
    spill : PartitionFile
        Resolved events with :data:`microconv.ingest.bots.email_acts.KEYS`.
    bots : BotSettings
    folder : Path
        For what is compared across buckets; the result reads from there.
    parts : int
        So many times less of it is in memory at once. Changes no value.
    threads : int
        So many buckets, or parts, are in memory at once.

    Notes
    -----
    An event is judged at its `visible_at`, which is never before its time plus the window,
    from what was known by then; the share of machines at a domain is that of earlier days.
    Every step counts rows or compares them, so that their order does not matter.
    """
    mail = PartitionFile(folder / "mail.arrows", spill.buckets)
    clicks, days = (PartitionFile(folder / f"{name}.arrows", parts) for name in ("clicks", "days"))
    buckets = range(spill.buckets)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda bucket: _weigh(spill, bucket, bots, mail, clicks), buckets))
        crowd = ColumnFile(folder / "crowd", np.int8, mail.counts())
        count_crowds(clicks, crowd, bots.window, len(CROWD) - 1, pool)
        asked = _Mail(mail, crowd, bots)
        domains = list(pool.map(lambda bucket: asked.deal_days(bucket, days), buckets))
        earlier = ColumnFile(folder / "earlier", EARLIER, domains)
        sum_earlier_days(days, earlier, pool)
        human_probability = ColumnFile(folder / "human_probability", np.float32, mail.counts())
        facts = Counter(dict.fromkeys(FACTS, 0))
        for found in pool.map(
            lambda bucket: asked.conclude(bucket, earlier, human_probability), buckets
        ):
            facts.update(found)
    human_probability.flush()
    return Judged(dict(facts), mail, human_probability)


def _weigh(
    spill: PartitionFile,
    bucket: int,
    bots: BotSettings,
    mail: PartitionFile,
    clicks: PartitionFile,
) -> None:
    """Weigh what lies within one bucket, and deal its clicks to the part of their address."""
    rows = spill.read(bucket)
    if rows is None:
        return
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
    seen, judged_at = np.maximum(time, known), np.maximum(visible, time + bots.window)
    delay, links, gap, left = look_around(key, time, seen, judged_at, act, link, bots.window)
    asked = np.flatnonzero(act != Act.DELIVERED)
    opened = act[asked] == Act.OPENED
    odds = np.where(
        opened,
        open_odds(delay[asked]),
        click_odds(delay[asked], links[asked], gap[asked], left[asked]),
    )
    client = rows["client"].combine_chunks().take(pa.array(row[asked]))
    odds += client_odds(client, opened=opened, bots=bots)
    told = {"row": row, "act": act, "links": links, "day": judged_at // DAY, "domain": domain}
    mail.write_columns(_take(told, asked) | {"odds": odds}, np.full(len(asked), bucket))
    place = np.flatnonzero((act[asked] == Act.CLICKED) & (address[asked] != 0))
    around = {"address": address, "time": time, "seen": seen, "judged_at": judged_at}
    around = _take(around | {"recipient": recipient}, asked[place])
    whose = {"bucket": np.full(len(place), bucket), "place": place}
    clicks.write_columns(around | whose, around["address"] % clicks.buckets)


def _take(columns: Arrays, rows: np.ndarray) -> Arrays:
    return {name: column[rows] for name, column in columns.items()}


@dataclass(frozen=True)
class _Mail:
    """What is known of clicks, opens and unsubscriptions before their domains are asked."""

    rows: PartitionFile
    crowd: ColumnFile
    bots: BotSettings

    def _of(self, bucket: int) -> Arrays | None:
        """Read a bucket's; `odds` with the crowd's, `prior` the share of machines among all."""
        table = self.rows.read(bucket)
        if table is None:
            return None
        told = {name: table[name].to_numpy() for name in table.column_names}
        opened = told["act"] == Act.OPENED
        return told | {
            "opened": opened,
            "odds": told["odds"] + np.array(CROWD)[self.crowd.of(bucket)],
            "prior": np.where(opened, self.bots.prior_opens, self.bots.prior_clicks),
        }

    def deal_days(self, bucket: int, days: PartitionFile) -> int:
        """Deal what machines did here, day by day, to the part of its domain; count the days.

        These verdicts are reached without the domain's share: it cannot talk itself into anything.
        """
        told = self._of(bucket)
        if told is None:
            return 0
        counted, day_of, keys = _days(told)
        machine = (told["odds"] + logit(told["prior"]) > 0)[counted]
        n = len(keys["day"])
        counts = {
            "machines": np.bincount(day_of[machine], minlength=n),
            "events": np.bincount(day_of, minlength=n),
        }
        whose = {"bucket": np.full(n, bucket), "place": np.arange(n)}
        days.write_columns(keys | counts | whose, keys["domain"] % days.buckets)
        return n

    def conclude(
        self, bucket: int, earlier: ColumnFile, human_probability: ColumnFile
    ) -> dict[str, int]:
        """Write who made each click and open, its domain's earlier days included; count them.

        The domain's share is drawn towards the one that holds for all.
        """
        told = self._of(bucket)
        if told is None:
            return {}
        share, weight = told["prior"], self.bots.prior_events
        counted, day_of, _ = _days(told)
        before = earlier.of(bucket)[day_of]
        learnt = share[counted] * weight + before["machines"]
        share[counted] = np.clip(learnt / (weight + before["events"]), LEAST, MOST)
        found = (1 / (1 + np.exp(told["odds"] + logit(share)))).astype(np.float32)
        human_probability.of(bucket)[:] = found
        return _count(told["act"], told["links"], found)


def _days(told: Arrays) -> tuple[np.ndarray, np.ndarray, Arrays]:
    """Give each day on which something of a kind happened at a domain a number.

    Returns
    -------
    counted : ndarray of int64
        The rows that count: clicks and opens with a domain.
    day_of : ndarray of int64, of the same shape
        The number of each one's day.
    keys : dict of str to ndarray of int64
        `domain`, `opened` and `day` of each number.
    """
    counted = np.flatnonzero((told["act"] != Act.UNSUBSCRIBED) & (told["domain"] != 0))
    keys = {name: told[name][counted].astype(np.int64) for name in ("domain", "opened", "day")}
    order = np.lexsort([*keys.values()])
    keys = _take(keys, order)
    new = begins(*keys.values())
    return counted[order], np.cumsum(new) - 1, _take(keys, np.flatnonzero(new))


def _count(act: np.ndarray, links: np.ndarray, human_probability: np.ndarray) -> dict[str, int]:
    machine = human_probability < HUMAN_THRESHOLD
    clicked, opened = act == Act.CLICKED, act == Act.OPENED
    suspect = (act == Act.UNSUBSCRIBED) & machine & (links > 1)
    counts = (clicked, clicked & machine, opened, opened & machine, suspect)
    return {name: int(count.sum()) for name, count in zip(FACTS, counts, strict=True)}
