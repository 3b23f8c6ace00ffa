"""web_events.jsonl: track and identify calls, as a customer data platform hands them over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.random import Generator

from microconv.demo import catalogue as c
from microconv.demo.collection import collect
from microconv.demo.directory import BROWSERS, Directory
from microconv.demo.json_lines import choose, format_times, random_hexadecimal, write_lines
from microconv.demo.mail import NEVER
from microconv.demo.people import HOUR, Bools, Ints, People
from microconv.demo.web_rows import IDENTIFY, PAGES, WebRows

MINUTE = HOUR // 60

SERVER_SIDE = np.array([page.event == "Reply Received" for page in PAGES])
"""Calls made by the help desk, which knows the contact and sees no browser."""


def write_web_events(
    path: Path, rows: WebRows, kept: Bools, people: People, directory: Directory, rng: Generator
) -> dict[str, int]:
    """Write the rows that are kept, in the order of their receipt; return line counts.

    Parameters
    ----------
    path : Path
    rows : WebRows
    kept : ndarray of bool
    people : People
    directory : Directory
    rng : Generator
    """
    ids = rng.integers(0, 2**64, (2, len(rows)), dtype=np.uint64)
    browsers = rng.integers(0, 2**64, (2, len(people)), dtype=np.uint64)
    collected = collect(rows.time, kept, len(DAMAGES), rng)
    known_from = _known_from(rows, kept, len(people))
    offset = np.array(c.COUNTRY_OFFSETS)[people.country]
    anonymous = random_hexadecimal(browsers, (8, 4, 4, 4, 12))
    named = pc.binary_join_element_wise('"', directory.contact, '"', "")
    traits = pc.binary_join_element_wise(
        ',"traits":{"email":"', directory.email, '","name":"', directory.name, '"}}', ""
    )

    def build(row: Ints, received: Ints) -> Sequence[pa.Array | str]:
        who, page, time = rows.prospect[row], rows.page[row], rows.time[row]
        owner = pa.array(who)
        identify = page == IDENTIFY
        by_server = SERVER_SIDE[page] & ~identify
        known = identify | by_server | (time >= known_from[who])
        local = time + directory.start + offset[who] * MINUTE
        zones = [_zone(minutes) for minutes in c.COUNTRY_OFFSETS]
        return (
            choose(["", *(f'{{"type":"track","event":"{p.event}"' for p in PAGES),
                    '{"type":"identify"'], np.where(identify, len(PAGES) + 1, page + 1)),
            ',"anonymousId":', _either(by_server, "null", _quoted(anonymous.take(owner))),
            ',"userId":', _either(~known, "null", named.take(owner)),
            ',"messageId":"', random_hexadecimal(ids[:, row], (8, 4, 4, 4, 12)),
            '","timestamp":"', format_times(local), choose(zones, people.country[who]),
            '","receivedAt":"', format_times(received + directory.start), 'Z"',
            _context(page, identify, by_server, people.client[who], who),
            _either(identify, traits.take(owner), choose(
                [f',"properties":{{{p.properties}}}}}' for p in PAGES], np.maximum(page, 0))),
        )  # fmt: skip

    write_lines(path, collected, build, DAMAGES)
    return collected.counts()


def _known_from(rows: WebRows, kept: Bools, prospects: int) -> Ints:
    """Find from when on the website knows whose browser it is."""
    told = kept & (rows.page == IDENTIFY)
    known_from = np.full(prospects, NEVER)
    np.minimum.at(known_from, rows.prospect[told], rows.time[told])
    return known_from


def _context(page: Ints, identify: Bools, by_server: Bools, client: Ints, who: Ints) -> pa.Array:
    """Write where a call came from: page, browser and network, or the help desk's library."""
    urls = [f',"context":{{"page":{{"url":"{c.HOST}{p.path}"}},"userAgent":"' for p in PAGES]
    home = f',"context":{{"page":{{"url":"{c.HOST}/"}},"userAgent":"'
    networks = [f'","ip":"203.0.113.{host}"}}' for host in range(1, 255)]
    seen = pc.binary_join_element_wise(
        choose([home, *urls], np.where(identify, 0, page + 1)),
        choose(BROWSERS, client),
        choose(networks, who % len(networks)),
        "",
    )
    return _either(by_server, ',"context":{"library":{"name":"help-desk","version":"2.3"}}', seen)


def _either(first: Bools, one: pa.Array | str, other: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(first), one, other)


def _quoted(text: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', text, '"', "")


def _zone(minutes: int) -> str:
    """Write an offset as browsers do.

    Examples
    --------
    >>> _zone(330), _zone(-180), _zone(0)
    ('+05:30', '-03:00', 'Z')
    """
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}" if minutes else "Z"


def _with(line: str, **changes: object) -> bytes:
    return json.dumps(json.loads(line) | changes, separators=(",", ":")).encode()


DAMAGES = (
    lambda line: line[: len(line) * 3 // 5].encode(),
    lambda line: f"[{line}]".encode(),
    lambda line: _with(line, anonymousId=None, userId=None),
    lambda line: _with(line, timestamp="not a date"),
    lambda line: _with(line, timestamp="2099-01-01T00:00:00Z"),
    lambda line: _with(line, timestamp="2024-02-30T10:00:00"),
    lambda line: line.encode().replace(b'"messageId":"', b'"messageId":"\x00', 1),
)
"""Cut short, a list, nobody, no date, 2099, neither a day nor a zone, a NUL byte."""
