"""JSON lines, written in blocks by joining strings column by column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from microconv.demo.collection import CollectedLines
from microconv.demo.people import Bits, Ints

BLOCK = 50_000
ALPHABET = np.frombuffer(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", np.uint8
)

Damage = Callable[[str], bytes]


def write_lines(
    path: Path,
    collected: CollectedLines,
    build: Callable[[Ints, Ints], Sequence[pa.Array | str]],
    damages: Sequence[Damage],
) -> None:
    """Write the lines of a collected.

    Parameters
    ----------
    path : Path
    collected : CollectedLines
    build : callable
        Takes rows and instants of receipt, gives the pieces of their lines in
        order: texts that all share, or one array of strings per piece.
    damages : sequence of callable
        What damage 1, 2, … does to a line.
    """
    with path.open("wb") as file:
        for start in range(0, len(collected.row), BLOCK):
            block = slice(start, start + BLOCK)
            lines = join_pieces(build(collected.row[block], collected.received[block]))
            damage = collected.damage[block]
            if damage.any():
                file.write(_damaged(lines, damage, damages))
            else:
                file.write(_content(lines))


def join_pieces(pieces: Sequence[pa.Array | str]) -> pa.Array:
    """Join the pieces of every line and end it."""
    return pc.binary_join_element_wise(*pieces, "\n", "")


def _content(lines: pa.Array) -> memoryview:
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset :]
    return memoryview(lines.buffers()[2])[offsets[0] : offsets[len(lines)]]


def _damaged(lines: pa.Array, damage: Ints, damages: Sequence[Damage]) -> bytes:
    bad = np.flatnonzero(damage)
    spoilt = [
        damages[damage[row] - 1](lines[row.item()].as_py().rstrip("\n")) + b"\n" for row in bad
    ]
    repaired = pc.replace_with_mask(
        lines.cast(pa.binary()), pa.array(damage > 0), pa.array(spoilt, pa.binary())
    )
    return bytes(_content(repaired))


def choose(words: Sequence[str], codes: Ints) -> pa.Array:
    """Return one of several words per row.

    Parameters
    ----------
    words : sequence of str
    codes : ndarray of int64
    """
    return pa.array(words, pa.string()).take(pa.array(codes))


def format_numbers(values: Ints) -> pa.Array:
    """Return integers as text."""
    return pa.array(values).cast(pa.string())


def format_times(instants: Ints, *, separator: str = "T") -> pa.Array:
    """Return µs since 1970 as text to the millisecond, as ``2024-01-31T09:30:00.250``.

    Parameters
    ----------
    instants : ndarray of int64
    separator : str
    """
    text = pa.array(instants // 1000).cast(pa.timestamp("ms")).cast(pa.string())
    return pc.binary_replace_slice(text, 10, 11, separator).cast(pa.string())


def random_ids(values: Bits, letters: int) -> pa.Array:
    """Return random 64-bit numbers as texts of so many letters, 6 bits each.

    Parameters
    ----------
    values : ndarray of uint64
    letters : int
    """
    rows = len(values[0])
    text = np.empty((rows, letters), np.uint8)
    for place in range(letters):
        shift = np.uint64(6 * (place % 10))
        text[:, place] = ALPHABET[(values[place // 10] >> shift) & np.uint64(63)]
    return _fixed(text)


def random_hexadecimal(values: Bits, groups: Sequence[int]) -> pa.Array:
    """Return random 64-bit numbers in groups of hexadecimal digits, as a UUID is.

    Parameters
    ----------
    values : ndarray of uint64
    groups : sequence of int
    """
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    text = np.full((len(values[0]), sum(groups) + len(groups) - 1), ord("-"), np.uint8)
    dashes = {sum(groups[:k]) + k - 1 for k in range(1, len(groups))}
    for digit, place in enumerate(p for p in range(text.shape[1]) if p not in dashes):
        shift = np.uint64(4 * (digit % 16))
        text[:, place] = digits[(values[digit // 16] >> shift) & np.uint64(15)]
    return _fixed(text)


def _fixed(text: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> pa.Array:
    rows, width = text.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text))]
    return pa.Array.from_buffers(pa.string(), rows, buffers)
