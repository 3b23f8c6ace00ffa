"""Bot detection by click pattern: share of clicks classified as bots.

    python benchmarks/bot_patterns.py

Each pattern is that of 200 recipients of one mail with three links, each at its own domain.
The table includes patterns that cannot be distinguished: not every bot can be found.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from microconv.ingest.ingest import Outputs, ingest
from microconv.settings import IngestSettings
from microconv.storage.schema import HUMAN_THRESHOLD

BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/115.0"
HOUR = 3600
RECIPIENTS = 200
FIRST = 1_704_067_200
"""The first of January 2024, when the mail is delivered to the first recipient."""


@dataclass(frozen=True)
class Pattern:
    """A click pattern of people or bots.

    Attributes
    ----------
    label : str
    machine : bool
        Whether a bot makes these clicks.
    wait : (float, float)
        Seconds from delivery to the first click, drawn uniformly.
    links : int
        How many of the three links are clicked.
    pace : (float, float)
        Seconds between clicks.
    team : int
        Recipients who share a network address and a delivery time.
    agent : str
        User agent.
    """

    label: str
    machine: bool
    wait: tuple[float, float]
    links: int = 1
    pace: tuple[float, float] = (1, 6)
    team: int = 1
    agent: str = BROWSER


PATTERNS = (
    Pattern("one link, hours later", False, (HOUR, 20 * HOUR)),
    Pattern("one link, 2 to 10 minutes later", False, (120, 600)),
    Pattern("one link, within 20 s", False, (5, 20)),
    Pattern("all links within 2 minutes, hours later", False, (HOUR, 20 * HOUR), 3, (20, 50)),
    Pattern("all links within 2 minutes of delivery", False, (10, 20), 3, (20, 50)),
    Pattern("five colleagues at one address, hours later", False, (HOUR, HOUR + 40), team=5),
    Pattern("all links, within 20 s", True, (1, 8), 3),
    Pattern("all links, after 5 minutes", True, (300, 320), 3),
    Pattern("all links at once, after 3 hours", True, (3 * HOUR, 3 * HOUR + 9), 3, (0, 0.4)),
    Pattern("all links within 12 s, after 3 hours", True, (3 * HOUR, 3 * HOUR + 9), 3),
    Pattern("one link, within 20 s", True, (1, 20)),
    Pattern("one link, after 5 minutes", True, (300, 320)),
    Pattern("one link for ten at one address, 5 minutes", True, (300, 320), team=10),
    Pattern("says it is a scanner, after 3 hours", True, (3 * HOUR, 3 * HOUR + 9),
          agent="Mozilla/5.0 (compatible; LinkScanner/2.1)"),
)  # fmt: skip


def rows_of(number: int, pattern: Pattern) -> Iterator[dict[str, Any]]:
    """Yield the webhook rows of a pattern's recipients."""
    random = np.random.default_rng(number)
    for recipient in range(RECIPIENTS):
        team = recipient // pattern.team
        start = FIRST + team * 7_000
        common = {"email": f"p{recipient}@h{number}r{recipient}.example", "sg_message_id": "m"}
        ident = f"{number}.{recipient}"
        yield common | {"event": "delivered", "timestamp": start, "sg_event_id": f"d{ident}"}
        at = start + random.uniform(*pattern.wait)
        for link in range(pattern.links):
            yield common | {
                "event": "click", "timestamp": int(at), "sg_event_id": f"{ident}.{link}",
                "url": f"https://example.com/{link}", "useragent": pattern.agent,
                "ip": f"10.{number}.{team // 250}.{team % 250}",
            }  # fmt: skip
            at += random.uniform(*pattern.pace)


def share_classified_as_bot() -> dict[Pattern, float]:
    """Ingest every pattern; return the share of its clicks classified as bots."""
    settings = IngestSettings.model_validate(
        {
            "input_dir": ".",
            "plausible_from": "2020-01-01T00:00:00Z",
            "plausible_until": "2026-01-01T00:00:00Z",
            "sources": [{"name": "mail", "format": "sendgrid", "files": "mail.jsonl"}],
        }
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = (row for n, pattern in enumerate(PATTERNS) for row in rows_of(n, pattern))
        text = "\n".join(json.dumps(row) for row in rows)
        (folder / "mail.jsonl").write_text(text, encoding="utf-8")
        outputs = Outputs(folder / "log", folder / "quarantine.parquet", folder / "ingest.json")
        ingest(settings, outputs=outputs, input_dir=folder)
        columns = ["event_id", "event_name", "human_probability"]
        log = pq.read_table(folder / "log" / "events", columns=columns).to_pandas()
    clicks = log[log.event_name == "click"]
    number = clicks.event_id.str.split(".").str[0].astype(int)
    flagged = (clicks.human_probability < HUMAN_THRESHOLD).groupby(number).mean()
    return {pattern: float(flagged[n]) for n, pattern in enumerate(PATTERNS)}


def main() -> None:
    """Print the table."""
    for pattern, share in share_classified_as_bot().items():
        who = "bot" if pattern.machine else "person"
        print(f"{who:8} {pattern.label:45} {share:5.0%} classified as bot")


if __name__ == "__main__":
    main()
