"""A JSON file that is one list of objects, taken apart element by element."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from microconv.ingest.input_files import MAX_LINE, Content, InputFile

_MARK = re.compile(rb'["\[\]{},]')
_IN_TEXT = re.compile(rb'["\\]')
_BLANK = b" \t\r\n"
_KEPT = 1000
"""How many bytes of what cannot be read are kept to be looked at."""


@dataclass(frozen=True)
class Element:
    """One element, or what is left of one.

    Attributes
    ----------
    fault, detail : str or None
        `truncated` or `too_long` where nothing behind it could be read.
    """

    data: bytes
    fault: str | None = None
    detail: str | None = None


def is_array(file: InputFile) -> bool:
    """Say whether a file named `.json` holds a list rather than one object per line."""
    if not file.path.name.lower().removesuffix(".gz").endswith(".json"):
        return False
    for chunk in Content(file.path).chunks():
        start = chunk.lstrip(_BLANK)
        if start:
            return start.startswith(b"[")
    return False


def read_elements(file: InputFile) -> Iterator[Element]:
    """Yield the elements of a file's list, or of its lists one behind the other.

    Only brackets, commas and quotation marks are looked at: whether an element
    is JSON is not judged here. No more than one element is held in memory.
    """
    content = Content(file.path)
    yield from split(content.chunks())
    if content.damage.detail is not None:
        yield Element(b"", "truncated", content.damage.detail)


def split(chunks: Iterable[bytes]) -> Iterator[Element]:
    """Split the bytes of a list at the commas between its elements.

    Examples
    --------
    >>> [element.data for element in split([b'[{"a": "],["}, ', b'2]'])]
    [b'{"a": "],["}', b'2']
    """
    scan = _Scan()
    for chunk in chain(chunks):
        for data in scan.feed(chunk):
            if element := data.strip(_BLANK):
                yield Element(element)
        if scan.astray:
            yield Element(scan.rest(), "truncated", "text behind the end of the list")
            return
        if len(scan.held) > MAX_LINE:
            yield Element(scan.rest(), "too_long", "the list is read no further")
            return
    if scan.depth:
        yield Element(scan.rest(), "truncated", "the list ends before its last bracket")


@dataclass
class _Scan:
    """Where in the list a scan is: `depth` 0 outside of it, 1 between its elements."""

    depth: int = 0
    in_text: bool = False
    escaped: bool = False
    astray: bool = False
    held: bytearray = field(default_factory=bytearray)

    def rest(self) -> bytes:
        return bytes(self.held[:_KEPT])

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take more bytes; yield the elements that end in them."""
        place = start = 0
        while place < len(chunk):
            if self.escaped:
                self.escaped, place = False, place + 1
                continue
            if self.depth == 0:
                start = place = self._begin(chunk, place)
                if self.astray:
                    break
                continue
            found = (_IN_TEXT if self.in_text else _MARK).search(chunk, place)
            if found is None:
                break
            place = found.end()
            if self._ends(found[0]):
                yield bytes(self.held) + chunk[start : found.start()]
                self.held.clear()
                start = place
        self.held += chunk[start:]

    def _begin(self, chunk: bytes, place: int) -> int:
        """Find the bracket that opens the next list; anything else there is astray."""
        while place < len(chunk) and chunk[place] in _BLANK:
            place += 1
        if place < len(chunk):
            self.astray = chunk[place : place + 1] != b"["
            self.depth = int(not self.astray)
            place += self.depth
        return place

    def _ends(self, mark: bytes) -> bool:
        """Follow one mark; say whether an element ends before it."""
        if mark == b"\\":
            self.escaped = True
        elif mark == b'"':
            self.in_text = not self.in_text
        elif mark in (b"[", b"{"):
            self.depth += 1
        elif mark in (b"]", b"}"):
            self.depth -= 1
            return self.depth == 0
        else:
            return self.depth == 1
        return False
