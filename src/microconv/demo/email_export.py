"""email_events.jsonl: the event webhook of an email service, as a collector stored it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.random import Generator

from microconv.demo import catalogue as c
from microconv.demo.collection import collect
from microconv.demo.directory import BROWSERS, MAIL_PROGRAMS, Directory
from microconv.demo.email_rows import EVENT, EVENTS, EmailRows
from microconv.demo.json_lines import choose, format_numbers, format_times, random_ids, write_lines
from microconv.demo.people import SECOND, Bools, Ints, People

PROXIES = ("Mozilla/5.0", "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0")
SCANNERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/79.0.3945.88 Safari/537.36",
    "Mozilla/5.0 (compatible; LinkScanner/2.1)",
)
AGENTS = (*BROWSERS, *MAIL_PROGRAMS, *PROXIES, *SCANNERS)

REMARKS = {
    "deferred": ',"response":"451 4.7.1 Try again later","attempt":"1"',
    "delivered": ',"response":"250 OK"',
    "bounce": ',"reason":"550 5.1.1 The mailbox does not exist","status":"5.1.1","type":"bounce"',
    "dropped": ',"reason":"Bounced Address"',
}


@dataclass(frozen=True)
class EmailExport:
    """What was written: line counts, and the ids of opens and clicks with who made them."""

    counts: dict[str, int]
    bots: pa.Table


def write_email_events(
    path: Path, rows: EmailRows, kept: Bools, people: People, directory: Directory, rng: Generator
) -> EmailExport:
    """Write the rows that are kept, in the order of their receipt.

    Parameters
    ----------
    path : Path
    rows : EmailRows
    kept : ndarray of bool
    people : People
    directory : Directory
    rng : Generator
    """
    n = len(rows)
    ids = rng.integers(0, 2**64, (3, n), dtype=np.uint64)
    sends = rng.integers(0, 2**64, (2, len(people) * len(c.MESSAGES)), dtype=np.uint64)
    agent = _agents(rows, people, rng)
    address = rng.integers(1, 255, n)
    collected = collect(rows.time, kept, len(DAMAGES), rng)
    names = _MessageNames.of()
    visible = np.isin(rows.event, [EVENT[e] for e in ("open", "click", "unsubscribe")])
    links = ["", *_links()]

    agents = ["", *(f',"useragent":"{agent}"' for agent in AGENTS)]
    addresses = ["", *_addresses()]
    opens = ["", ',"sg_machine_open":false', ',"sg_machine_open":true']

    def build(row: Ints, received: Ints) -> Sequence[pa.Array | str]:
        who, message, event = rows.prospect[row], rows.message[row], rows.event[row]
        send = who * len(c.MESSAGES) + message
        arm = names.arm_of(people, who, message)
        shown, opened = visible[row], event == EVENT["open"]
        flagged = opened & rows.machine[row] & (who % 4 > 0)
        network = _network(agent[row]) * 254 + address[row]
        link = message * 3 + rows.link[row] + 1
        return (
            '{"email":"', directory.email.take(pa.array(who)),
            '","timestamp":', format_numbers((rows.time[row] + directory.start) // SECOND),
            ',"event":"', choose(EVENTS, event),
            '","sg_event_id":"', random_ids(ids[:, row], 22),
            '","sg_message_id":"', random_ids(sends[:, send], 18), '.filterdrecv-0"',
            choose(names.heads, arm),
            choose([REMARKS.get(e, "") for e in EVENTS], event),
            choose(agents, np.where(shown, agent[row] + 1, 0)),
            choose(addresses, np.where(shown, network, 0)),
            choose(opens, opened.astype(np.int64) + flagged),
            choose(links, np.where(rows.link[row] < 0, 0, link)),
            ',"received_at":"', format_times(received + directory.start), 'Z"}',
        )  # fmt: skip

    write_lines(path, collected, build, DAMAGES)
    told = np.flatnonzero(kept & np.isin(rows.event, [EVENT["open"], EVENT["click"]]))
    bots = pa.table(
        {
            "event_id": random_ids(ids[:, told], 22),
            "prospect_id": directory.contact.take(pa.array(rows.prospect[told])),
            "event": choose(EVENTS, rows.event[told]).dictionary_encode(),
            "machine": pa.array(rows.machine[told]),
        }
    )
    return EmailExport(collected.counts(), bots)


def _agents(rows: EmailRows, people: People, rng: Generator) -> Ints:
    """Choose the program behind each event, as a position in :data:`AGENTS`."""
    mail = len(BROWSERS) + rows.prospect % len(MAIL_PROGRAMS)
    opened = rows.event == EVENT["open"]
    person = np.where(opened, mail, people.client[rows.prospect])
    proxy = len(BROWSERS) + len(MAIL_PROGRAMS) + (rows.prospect % 4 == 0)
    scanner = len(AGENTS) - 2 + (rows.prospect % 3 == 0)
    return np.where(rows.machine, np.where(opened, proxy, scanner), person)


def _network(agent: Ints) -> Ints:
    """Return the network of each event: 0 for people, 1 for proxies, 2 for scanners."""
    first_machine = len(BROWSERS) + len(MAIL_PROGRAMS)
    return np.clip(agent - first_machine + 2, 0, 4) // 2


def _addresses() -> list[str]:
    networks = ("203.0.113", "198.51.100", "192.0.2")
    return [f',"ip":"{network}.{host}"' for network in networks for host in range(1, 255)]


def _links() -> list[str]:
    footers = {m: link for link, messages in c.FOOTERS.values() for m in messages}
    return [
        f',"url":"{link}"'
        for number, message in enumerate(c.MESSAGES)
        for link in (message.link, footers[number], c.PREFERENCES_LINK)
    ]


@dataclass(frozen=True)
class _MessageNames:
    """The campaign, message and variant of each arm, as they stand in a row."""

    heads: list[str]
    first: Ints

    @classmethod
    def of(cls) -> _MessageNames:
        heads: list[str] = []
        first: list[int] = []
        for number, message in enumerate(c.MESSAGES):
            first.append(len(heads))
            for campaign in c.CAMPAIGNS:
                for variant in message.arms:
                    head = {
                        "category": ["nurture", campaign],
                        "campaign": campaign,
                        "message": message_id(campaign, number, variant),
                    } | ({"variant": variant} if variant else {})
                    heads.append("," + json.dumps(head, separators=(",", ":"))[1:-1])
        return cls(heads, np.array(first))

    def arm_of(self, people: People, who: Ints, message: Ints) -> Ints:
        arms = np.array([len(m.arms) for m in c.MESSAGES])[message]
        return np.asarray(
            self.first[message] + people.outbound[who] * arms + people.variant[who, message]
        )


def message_id(campaign: str, number: int, variant: str) -> str:
    """Name a message: its campaign, its place, its arm.

    Parameters
    ----------
    campaign : str
    number : int
    variant : str
    """
    return f"{campaign}-{number + 1:02d}{variant.lower()}"


def _with(line: str, **changes: object) -> bytes:
    return json.dumps(json.loads(line) | changes, separators=(",", ":")).encode()


DAMAGES = (
    lambda line: line[: len(line) * 2 // 5].encode(),
    lambda line: f"[{line}]".encode(),
    lambda line: _with(line, email=""),
    lambda line: _with(line, timestamp="yesterday"),
    lambda line: _with(line, timestamp=0),
    lambda line: _with(line, timestamp=4070908800),
    lambda line: line.encode().replace(b'"email":"', b'"email":"\xff\xfe', 1),
)
"""Cut short, a list, nobody, no time, 1970, 2099, not UTF-8."""
