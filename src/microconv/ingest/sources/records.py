"""CSV records read one by one, for the blocks in which something is odd."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass

from microconv.ingest.input_files import fault_of

MAX_RECORD_LINES = 1000
"""A quoted field over more lines than this is a quotation mark that nobody closed."""


@dataclass(frozen=True)
class Header:
    """The first record of a file."""

    names: list[str]
    delimiter: str


@dataclass(frozen=True)
class Record:
    """One record, or one line that is none.

    Attributes
    ----------
    line : int
        On which line of the block it begins, from 0.
    end : int
        The first byte behind it.
    fields : list of str or None
        None for a refused line, which then has its reason.
    """

    line: int
    end: int
    raw: bytes
    fields: list[str] | None = None
    reason: str | None = None
    detail: str | None = None


def read_records(data: bytes, header: Header, *, final: bool) -> Iterator[Record]:
    """Read what is whole; a record that may go on behind the block is left, unless `final`.

    A quotation mark that is never closed costs its own line, not the rest of
    the file: reading goes on with the next line.
    """
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    place = end = 0
    while place < len(lines):
        line = lines[place]
        taken, fields, reason, detail = 1, None, fault_of(line), None
        if reason is None:
            taken, fields = _parse(lines[place : place + MAX_RECORD_LINES], header.delimiter)
            if taken == 0 and not final and len(lines) - place < MAX_RECORD_LINES:
                return
            if fields is None or (taken > 1 and len(fields) != len(header.names)):
                taken, fields, reason = 1, None, "open_quote"
            elif len(fields) != len(header.names):
                detail = f"{len(fields)} fields, the header has {len(header.names)}"
                fields, reason = None, "wrong_columns"
        end += sum(len(one) + 1 for one in lines[place : place + taken])
        if line.strip():
            yield Record(place, min(end, len(data)), line, fields, reason, detail)
        place += taken


def _parse(lines: list[bytes], delimiter: str) -> tuple[int, list[str] | None]:
    """Parse the record that begins with the first line.

    Returns
    -------
    taken : int
        How many lines it spans; 0 if they end before its quotation does.
    fields : list of str or None
    """
    texts = (line.decode() + "\n" for line in lines)
    reader = csv.reader(texts, delimiter=delimiter, strict=True)
    try:
        fields = next(reader)
    except UnicodeDecodeError:
        return 1, None
    except csv.Error as error:
        if "unexpected end" in str(error):
            return 0, None
        return 1, _leniently(lines[0], delimiter)
    if any("\0" in field for field in fields):
        return 1, None
    return reader.line_num, fields


def _leniently(line: bytes, delimiter: str) -> list[str] | None:
    """Parse one line whose quotation marks stand in odd places."""
    try:
        return next(csv.reader([line.decode()], delimiter=delimiter))
    except csv.Error:
        return None
