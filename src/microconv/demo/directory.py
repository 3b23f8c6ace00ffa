"""Invented names, e-mail addresses and ids of the prospects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from microconv.demo.people import People

FIRST_NAMES = (
    "Ada", "Ben", "Cora", "Dan", "Elif", "Finn", "Gita", "Hugo", "Ines", "Jon", "Kaya", "Leo",
    "Mina", "Nils", "Olga", "Paul", "Rosa", "Sami", "Tara", "Uwe", "Vera", "Wim", "Yara", "Zoe",
)  # fmt: skip
LAST_NAMES = ("Example", "Sample", "Specimen", "Placeholder", "Mockwell", "Demoson", "Testcase")
DOMAINS = ("example.com", "example.org", "example.net")
OWNERS = ("team-north", "team-south", "team-east", "team-west")

BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/121.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_3 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.3 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:122.0) Gecko/20100101 Firefox/122.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/121.0.0.0 Safari/537.36 Edg/121.0.0.0",
)
"""User agents, in the order of :data:`~microconv.demo.people.CLIENTS`."""

MAIL_PROGRAMS = (
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17126; Pro)",
    "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.7.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
)


@dataclass(frozen=True)
class Directory:
    """Names and ids of each prospect in the exports, and the start of the simulation.

    Attributes
    ----------
    start : int
        µs from 1970 to the first instant of the simulation.
    contact, account, email, name, owner : StringArray, shape (n_prospects,)
    """

    start: int
    contact: pa.Array
    account: pa.Array
    email: pa.Array
    name: pa.Array
    owner: pa.Array

    @classmethod
    def of(cls, people: People, start: int) -> Directory:
        """Return names and ids, which follow from the prospects' numbers.

        Parameters
        ----------
        people : People
        start : int
        """
        number = np.arange(len(people))
        first = _cycled(FIRST_NAMES, number * 7)
        last = _cycled(LAST_NAMES, number * 5 // 3)
        digits = _padded(number + 1, 7)
        account_digits = _padded(people.account + 1, 6)
        domain = _cycled(DOMAINS, people.account)
        local = pc.binary_join_element_wise(pc.utf8_lower(first), pc.utf8_lower(last), ".")
        host = _joined("firm", account_digits, ".", domain)
        return cls(
            start=start,
            contact=_joined("C", digits),
            account=_joined("A", account_digits),
            email=_joined(local, ".", digits, "@", host),
            name=pc.binary_join_element_wise(first, last, " "),
            owner=_cycled(OWNERS, people.account),
        )


def _joined(*pieces: pa.Array | str) -> pa.Array:
    return pc.binary_join_element_wise(*pieces, "")


def _padded(values: np.ndarray[tuple[int], np.dtype[np.int64]], width: int) -> pa.Array:
    return pc.utf8_lpad(pa.array(values).cast(pa.string()), width, "0")


def _cycled(words: tuple[str, ...], number: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
    return pa.array(words, pa.string()).take(pa.array(number % len(words)))
