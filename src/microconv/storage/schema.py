"""The columns of the tables that ingest writes, and which bucket a prospect is in."""

from __future__ import annotations

import hashlib

import pyarrow as pa

LOG_FORMAT = 2
"""Version of the layout and columns of a log that this code writes and reads."""

INSTANT = pa.timestamp("us", tz="UTC")
NAME = pa.dictionary(pa.int32(), pa.string())

EVENTS = pa.schema(
    [
        pa.field("prospect_id", pa.string(), nullable=False),
        pa.field("time", INSTANT, nullable=False),
        pa.field("known_at", INSTANT, nullable=False),
        pa.field("visible_at", INSTANT, nullable=False),
        pa.field("visible_until", INSTANT),
        pa.field("event_name", NAME, nullable=False),
        pa.field("value", pa.float64()),
        pa.field("message_id", pa.string()),
        pa.field("campaign_id", pa.string()),
        pa.field("variant", pa.string()),
        pa.field("channel", pa.string()),
        pa.field("link", pa.string()),
        pa.field("address", pa.string()),
        pa.field("client", pa.string()),
        pa.field("human_probability", pa.float32(), nullable=False),
        pa.field("event_id", pa.string(), nullable=False),
    ]
)
"""One row per event, in the order of :data:`EVENT_ORDER`."""

HUMAN_THRESHOLD = 0.5
"""Events with a lower `human_probability` are taken for a bot's where they cannot count in part."""

EVENT_ORDER = ("prospect_id", "time", "known_at", "event_id")
"""Sort order of a log: total, and independent of file and row order."""

QUARANTINE = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
        pa.field("raw", pa.string()),
    ]
)

PROSPECT_COLUMNS = ("prospect_id", "known_at", "account_id", "owner", "email", "name")
"""Columns every prospects table has; whatever follows them is an attribute."""

MESSAGES = pa.schema(
    [
        pa.field("message_id", pa.string(), nullable=False),
        pa.field("campaign_id", pa.string()),
        pa.field("position", pa.int32()),
        pa.field("goal", pa.string()),
        pa.field("subject", pa.string()),
        pa.field("cta", pa.string()),
        pa.field("variant", pa.string()),
        pa.field("sent_at", INSTANT),
    ]
)


def bucket_of(prospect_id: str, buckets: int) -> int:
    """Return which bucket of a log a prospect is in.

    The first three hexadecimal digits of md5(prospect_id), a number below 4096,
    scaled down to `buckets` (a power of two): the same on every engine.

    Parameters
    ----------
    prospect_id : str
    buckets : int, number of buckets

    Examples
    --------
    >>> bucket_of("ada@example.com", 1)
    0
    """
    prefix = hashlib.md5(prospect_id.encode(), usedforsecurity=False).hexdigest()[:3]
    return int(prefix, 16) * buckets // 4096
