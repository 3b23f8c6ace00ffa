"""Lines of an export as they arrive: most promptly, some late, duplicated or malformed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from microconv.demo import catalogue as c
from microconv.demo.people import DAY, HOUR, SECOND, Bools, Ints


@dataclass(frozen=True)
class CollectedLines:
    """The lines of a file, in their order.

    Attributes
    ----------
    row : ndarray of int64, shape (n_lines,)
        The row of each line.
    received : ndarray of int64
        When the collector received it.
    damage : ndarray of int64
        0 for a valid line, else the number of its damage. A row with a damaged line
        also has a valid one.
    duplicates : int
        Number of valid lines that repeat a row.
    """

    row: Ints
    received: Ints
    damage: Ints
    duplicates: int

    def counts(self) -> dict[str, int]:
        """Return the numbers of lines, rows, duplicates and malformed lines."""
        malformed = int((self.damage > 0).sum())
        return {
            "lines": len(self.row),
            "rows": len(self.row) - malformed - self.duplicates,
            "duplicates": self.duplicates,
            "malformed": malformed,
        }


def collect(
    time: Ints, kept: Bools, damages: int, rng: Generator, *, late_share: float = c.LATE_SHARE
) -> CollectedLines:
    """Return the lines in which rows arrive at the collector.

    Random numbers are drawn for every row, kept or not, so that what is kept
    arrives as it would have among others.

    Parameters
    ----------
    time : ndarray of int64, shape (n_rows,)
        When each row happened.
    kept : ndarray of bool, shape (n_rows,)
    damages : int
        How many kinds of damage there are.
    """
    n = len(time)
    prompt = rng.integers(SECOND // 5, 8 * SECOND, n)
    late = rng.integers(HOUR, round(c.LATE_DAYS * DAY), n)
    received = time + np.where(rng.random(n) < late_share, late, prompt)
    again = received + rng.integers(SECOND, 10 * 60 * SECOND, n)
    twice = kept & (rng.random(n) < c.DUPLICATE_SHARE)
    damaged = kept & (rng.random(n) < c.MALFORMED_SHARE)
    kind = rng.integers(1, damages + 1, n)
    whole, twice_rows, damaged_rows = (np.flatnonzero(part) for part in (kept, twice, damaged))
    row = np.concatenate([whole, twice_rows, damaged_rows])
    at = np.concatenate([received[whole], again[twice_rows], received[damaged_rows]])
    damage = np.zeros(len(row), dtype=np.int64)
    damage[len(row) - len(damaged_rows) :] = kind[damaged_rows]
    order = np.lexsort((damage, row, at))
    return CollectedLines(row[order], at[order], damage[order], len(twice_rows))
