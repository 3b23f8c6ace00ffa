"""The true hazard per prospect and day, which a perfect model would rank by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from microconv.demo.directory import Directory
from microconv.demo.hazard import Spans, cumulated
from microconv.demo.people import DAY, Floats, Ints
from microconv.demo.world import SimulatedWorld

BLOCK = 20_000
"""Prospects per row group."""

SCHEMA = pa.schema(
    [
        pa.field("prospect_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("day", pa.int16(), nullable=False),
        pa.field("instant", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("hazard", pa.float32(), nullable=False),
        pa.field("expected", pa.float32(), nullable=False),
    ]
)
"""One row per prospect and day at risk. `instant` is the start of the day, or the
arrival where that is later; `hazard` the rate per day there; `expected` its
integral over the rest of the day while at risk, so that the sum over all rows
is the expected number of conversions."""


def write_hazard(path: Path, simulated: SimulatedWorld, directory: Directory) -> float:
    """Write the hazard of every day at risk and return the sum of `expected`.

    Parameters
    ----------
    path : Path
    simulated : SimulatedWorld
    directory : Directory
    """
    people, until = simulated.people, simulated.until
    line = _Integral(
        simulated.spans, simulated.hazard, cumulated(simulated.spans, simulated.hazard)
    )
    total = 0.0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for first in range(0, len(people), BLOCK):
            who = np.arange(first, min(first + BLOCK, len(people)))
            owner, day = _days(who, people.arrival, until)
            begin = np.maximum(day * DAY, people.arrival[owner])
            end = np.minimum((day + 1) * DAY, until[owner])
            rate, started = line.at(owner, begin, first)
            expected = line.at(owner, end, first)[1] - started
            total += expected.sum()
            names = directory.contact.take(pa.array(who))
            columns = [
                pa.DictionaryArray.from_arrays(pa.array(owner - first, pa.int32()), names),
                pa.array(day, pa.int16()),
                pa.array(begin + directory.start).cast(SCHEMA.field("instant").type),
                pa.array(rate, pa.float32()),
                pa.array(expected, pa.float32()),
            ]
            writer.write_table(pa.table(columns, schema=SCHEMA))
    return float(total)


@dataclass(frozen=True)
class _Integral:
    """The hazard and its integral `before` each span, to be read at any instant."""

    spans: Spans
    hazard: Floats
    before: Floats

    def at(self, owner: Ints, at: Ints, first: int) -> tuple[Floats, Floats]:
        """Read both for sorted owners of one block, which begins with prospect `first`."""
        low, high = np.searchsorted(self.spans.prospect, [first, first + BLOCK])
        start, who = self.spans.start[low:high], self.spans.prospect[low:high] - first
        # One axis for the whole block, each prospect in a stretch of its own.
        width = int(self.spans.end[low:high].max(initial=0)) + DAY
        span = np.searchsorted(who * width + start, (owner - first) * width + at, side="right")
        span += low - 1
        rate = self.hazard[span]
        return rate, self.before[span] + rate * (at - self.spans.start[span]) / DAY


def _days(who: Ints, arrival: Ints, until: Ints) -> tuple[Ints, Ints]:
    """List every prospect's days from arrival to the end of its time at risk."""
    first, last = arrival[who] // DAY, (until[who] - 1) // DAY
    count = np.maximum(last - first + 1, 0)
    owner = np.repeat(who, count)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(count) - count - first, count)
