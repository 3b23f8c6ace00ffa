"""Bot detection over the buckets of a log: from bot features and weights to `human_probability`.

See docs/decisions/0015 for the features, and for when an event becomes visible.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from microconv.ingest.bots.email_event_kinds import EmailEvent
from microconv.ingest.bots.features import (
    EARLIER_DAYS,
    message_features,
    starts_of,
    write_earlier_days,
    write_recipient_counts,
)
from microconv.ingest.bots.weights import (
    MAX_DOMAIN_SHARE,
    MIN_DOMAIN_SHARE,
    RECIPIENTS,
    click_log_odds,
    client_log_odds,
    logit,
    open_log_odds,
)
from microconv.ingest.partition_files import ColumnFile, PartitionFile
from microconv.settings import BotSettings
from microconv.storage.schema import HUMAN_THRESHOLD

Arrays = dict[str, np.ndarray]

DAY = 86_400_000_000

COUNTS = ("clicks", "bot_clicks", "opens", "bot_opens", "bot_unsubscribes")
"""What the report counts."""


@dataclass(frozen=True)
class BotDetection:
    """The result of bot detection.

    Attributes
    ----------
    counts : dict of str to int
        For the report, by :data:`COUNTS`.
    """

    counts: dict[str, int]
    _email_events: PartitionFile = field(repr=False)
    _probabilities: ColumnFile = field(repr=False)

    def human_probability(self, bucket: int, rows: int) -> np.ndarray:
        """Return the probability that a person made each event of a bucket, in its order.

        Parameters
        ----------
        bucket : int
        rows : int
            Number of events in the bucket.

        Returns
        -------
        ndarray of float32, shape (rows,)
            1 for all events but clicks and opens.
        """
        probability = np.ones(rows, np.float32)
        events = self._email_events.read(bucket)
        if events is not None:
            classified = events["email_event"].to_numpy() != EmailEvent.UNSUBSCRIBED
            of_bucket = self._probabilities.of(bucket)
            probability[events["row"].to_numpy()[classified]] = of_bucket[classified]
        return probability


def detect_bots(
    events: PartitionFile,
    settings: BotSettings,
    folder: Path,
    *,
    parts: int = 1,
    threads: int = 2,
) -> BotDetection:
    """Estimate for each click and open the probability that a person made it.

    Parameters
    ----------
    events : PartitionFile
        Resolved events with :data:`microconv.ingest.bots.email_event_kinds.BOT_COLUMNS`.
    settings : BotSettings
    folder : Path
        For temporary files; the result reads from there.
    parts : int
        Number of parts of what is compared across buckets; one is in memory at a time. Changes
        no value.
    threads : int
        Number of buckets, or parts, in memory at once.

    Returns
    -------
    BotDetection

    Notes
    -----
    An event is classified at its `visible_at`, which is never before its time plus the window,
    from what was known by then; the bot share of a domain is that of earlier days. Every step
    counts or compares rows, so that their order does not matter.
    """
    email_events = PartitionFile(folder / "email_events.arrows", events.buckets)
    clicks, days = (PartitionFile(folder / f"{name}.arrows", parts) for name in ("clicks", "days"))
    buckets = range(events.buckets)
    with ThreadPoolExecutor(threads) as pool:
        list(
            pool.map(lambda b: _write_log_odds(events, b, settings, email_events, clicks), buckets)
        )
        recipients = ColumnFile(folder / "recipients", np.int8, email_events.counts())
        write_recipient_counts(clicks, recipients, settings.window, len(RECIPIENTS) - 1, pool)
        classifier = _Classifier(email_events, recipients, settings)
        numbers_of_days = list(pool.map(lambda b: classifier.write_days(b, days), buckets))
        earlier = ColumnFile(folder / "earlier", EARLIER_DAYS, numbers_of_days)
        write_earlier_days(days, earlier, pool)
        probabilities = ColumnFile(folder / "human_probability", np.float32, email_events.counts())
        counts = Counter(dict.fromkeys(COUNTS, 0))
        for found in pool.map(lambda b: classifier.classify(b, earlier, probabilities), buckets):
            counts.update(found)
    probabilities.flush()
    return BotDetection(dict(counts), email_events, probabilities)


def _write_log_odds(
    events: PartitionFile,
    bucket: int,
    settings: BotSettings,
    email_events: PartitionFile,
    clicks: PartitionFile,
) -> None:
    """Write the log odds from within one bucket, and its clicks to the part of their address."""
    rows = events.read(bucket)
    if rows is None:
        return
    kind = rows["email_event"].to_numpy()
    row = np.flatnonzero(kind)
    key = rows["group_key"].to_numpy()[row]
    order = np.lexsort((kind[row], rows["time"].to_numpy()[row], key))
    row, key = row[order], key[order]
    kind = kind[row]
    names = ("time", "known_at", "visible_at", "recipient", "domain", "link_key", "address_key")
    time, known, visible, recipient, domain, link, address = (
        rows[name].to_numpy()[row] for name in names
    )
    window = settings.window
    seen, classified_at = np.maximum(time, known), np.maximum(visible, time + window)
    delay, links, gap, unsubscribed = message_features(
        key, time, seen, classified_at, kind, link, window
    )
    actions = np.flatnonzero(kind != EmailEvent.DELIVERED)
    opened = kind[actions] == EmailEvent.OPENED
    log_odds = np.where(
        opened,
        open_log_odds(delay[actions]),
        click_log_odds(delay[actions], links[actions], gap[actions], unsubscribed[actions]),
    )
    client = rows["client"].combine_chunks().take(pa.array(row[actions]))
    log_odds += client_log_odds(client, opened=opened, settings=settings)
    columns = {
        "row": row,
        "email_event": kind,
        "links": links,
        "day": classified_at // DAY,
        "domain": domain,
    }
    email_events.write_columns(
        _take(columns, actions) | {"log_odds": log_odds}, np.full(len(actions), bucket)
    )
    place = np.flatnonzero((kind[actions] == EmailEvent.CLICKED) & (address[actions] != 0))
    columns = {
        "address": address,
        "time": time,
        "seen": seen,
        "classified_at": classified_at,
        "recipient": recipient,
    }
    columns = _take(columns, actions[place])
    columns |= {"bucket": np.full(len(place), bucket), "place": place}
    clicks.write_columns(columns, columns["address"] % clicks.buckets)


def _take(columns: Arrays, rows: np.ndarray) -> Arrays:
    return {name: column[rows] for name, column in columns.items()}


@dataclass(frozen=True)
class _Classifier:
    """Log odds of clicks, opens and unsubscriptions, to be combined with their domains' past."""

    email_events: PartitionFile
    recipients: ColumnFile
    settings: BotSettings

    def _read(self, bucket: int) -> Arrays | None:
        """Read a bucket; `log_odds` include the recipients' weight, `prior` is the bot share."""
        table = self.email_events.read(bucket)
        if table is None:
            return None
        rows = {name: table[name].to_numpy() for name in table.column_names}
        opened = rows["email_event"] == EmailEvent.OPENED
        return rows | {
            "opened": opened,
            "log_odds": rows["log_odds"] + np.array(RECIPIENTS)[self.recipients.of(bucket)],
            "prior": np.where(opened, self.settings.prior_opens, self.settings.prior_clicks),
        }

    def write_days(self, bucket: int, days: PartitionFile) -> int:
        """Write the bot events by day to the part of their domain; return the number of days.

        Events are classified without the share of their domain, so that it cannot reinforce
        itself.
        """
        rows = self._read(bucket)
        if rows is None:
            return 0
        counted, day_of, keys = _number_days(rows)
        is_bot = (rows["log_odds"] + logit(rows["prior"]) > 0)[counted]
        n = len(keys["day"])
        columns = keys | {
            "bots": np.bincount(day_of[is_bot], minlength=n),
            "events": np.bincount(day_of, minlength=n),
            "bucket": np.full(n, bucket),
            "place": np.arange(n),
        }
        days.write_columns(columns, keys["domain"] % days.buckets)
        return n

    def classify(
        self, bucket: int, earlier: ColumnFile, probabilities: ColumnFile
    ) -> dict[str, int]:
        """Write the probability of each click and open, and count them.

        The bot share of a domain on earlier days is shrunk towards the prior.
        """
        rows = self._read(bucket)
        if rows is None:
            return {}
        share, weight = rows["prior"], self.settings.prior_events
        counted, day_of, _ = _number_days(rows)
        before = earlier.of(bucket)[day_of]
        bots = share[counted] * weight + before["bots"]
        share[counted] = np.clip(
            bots / (weight + before["events"]), MIN_DOMAIN_SHARE, MAX_DOMAIN_SHARE
        )
        found = (1 / (1 + np.exp(rows["log_odds"] + logit(share)))).astype(np.float32)
        probabilities.of(bucket)[:] = found
        is_bot, kind = found < HUMAN_THRESHOLD, rows["email_event"]
        clicked, opened = kind == EmailEvent.CLICKED, kind == EmailEvent.OPENED
        unsubscribed = (kind == EmailEvent.UNSUBSCRIBED) & is_bot & (rows["links"] > 1)
        masks = (clicked, clicked & is_bot, opened, opened & is_bot, unsubscribed)
        return {name: int(mask.sum()) for name, mask in zip(COUNTS, masks, strict=True)}


def _number_days(rows: Arrays) -> tuple[np.ndarray, np.ndarray, Arrays]:
    """Assign a number to each day with clicks, or with opens, of each domain.

    Returns the rows that count (clicks and opens with a domain), the number of each one's day,
    and the `domain`, `opened` and `day` of each number.
    """
    is_counted = (rows["email_event"] != EmailEvent.UNSUBSCRIBED) & (rows["domain"] != 0)
    counted = np.flatnonzero(is_counted)
    keys = {name: rows[name][counted].astype(np.int64) for name in ("domain", "opened", "day")}
    order = np.lexsort([*keys.values()])
    keys = _take(keys, order)
    new = starts_of(*keys.values())
    return counted[order], np.cumsum(new) - 1, _take(keys, np.flatnonzero(new))
