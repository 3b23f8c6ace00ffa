"""The files of a source: finding them, and reading them in blocks of whole lines."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from microconv.errors import MissingInputError, SourceError, listed
from microconv.settings import SourceSettings

CHUNK = 1 << 20
MAX_LINE = 64 << 20
"""A longer line is rejected; its bytes are not kept in memory."""

RAW_LENGTH = 500
"""Characters of a rejected row that the quarantine keeps."""

ROWS_PER_FILE = 1 << 40
"""More lines than any file has: row numbers of different files never collide."""

_GZIP = b"\x1f\x8b"
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_UTF8_BOM = b"\xef\xbb\xbf"
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class InputFile:
    """One of the files of a source; `number` others come before it."""

    path: Path
    number: int = 0

    @property
    def rows_before(self) -> int:
        """What is added to line numbers, so that rows of different files have different numbers."""
        return self.number * ROWS_PER_FILE


def expand(text: str) -> Path:
    """Replace environment variables and `~` in a path.

    Raises
    ------
    MissingInputError
        If a variable is not set.

    Examples
    --------
    >>> os.environ["EXPORTS"] = "/exports"
    >>> expand("${EXPORTS}/crm.csv").as_posix()
    '/exports/crm.csv'
    """

    def value_of(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise MissingInputError(
                f"The path `{text}` needs the environment variable {name}, which is not set. "
                f"Set it (`export {name}=…`) or write the path in full."
            )
        return os.environ[name]

    return Path(_VARIABLE.sub(value_of, text)).expanduser()


def find_files(source: SourceSettings, input_dir: Path) -> list[Path]:
    """Return the files of a source, sorted by name.

    Parameters
    ----------
    source : SourceSettings, names them in `files`
    input_dir : Path, folder that `files` is relative to

    Raises
    ------
    MissingInputError
        If there is none; names what is in the folder instead.
    SourceError
        If `files` is not a valid pattern.
    """
    place = input_dir / expand(source.files)
    if place.is_file():
        return [place]
    if place.is_dir():
        raise MissingInputError(
            f"The source `{source.name}` names {place}, which is a folder. Name the files in it, "
            "for example with `/*` at the end of `files`."
        )
    anchor = Path(place.anchor) if place.anchor else Path()
    relative = str(place.relative_to(anchor)) if place.anchor else str(place)
    try:
        found = sorted(file for file in anchor.glob(relative) if file.is_file())
    except ValueError as error:
        raise SourceError(
            f"`files` of the source `{source.name}` is `{source.files}`, which is not a valid "
            f"pattern: {error}."
        ) from None
    if not found:
        raise MissingInputError(_describe_missing(source, place))
    return found


def _describe_missing(source: SourceSettings, place: Path) -> str:
    folder = place.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    names = sorted(entry.name for entry in folder.iterdir())
    there = f"{folder} contains {listed(names)}." if names else f"{folder} is empty."
    return (
        f"The source `{source.name}` has no file: nothing matches {place}. {there} "
        "Fix `files` of the source, or `ingest.input_dir`."
    )


@dataclass
class Damage:
    """What is wrong with the bytes of a file, if anything was found while reading them."""

    detail: str | None = None


@dataclass(frozen=True)
class Content:
    """The bytes of one file, decompressed if they are gzip (by their first bytes, not by name).

    A truncated gzip stream is read as far as it goes; `damage` then describes the fault.
    """

    path: Path
    damage: Damage = field(default_factory=Damage)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, without a UTF-8 byte order mark.

        Raises
        ------
        SourceError
            If the file cannot be opened, or is UTF-16 text.
        """
        try:
            with self.path.open("rb") as raw:
                compressed = raw.read(2) == _GZIP
                raw.seek(0)
                first = True
                for chunk in (
                    self._decompressed(raw) if compressed else iter(lambda: raw.read(CHUNK), b"")
                ):
                    yield self._without_bom(chunk) if first else chunk
                    first = False
        except OSError as error:
            raise SourceError(f"{self.path} cannot be read: {error}.") from error

    def _without_bom(self, start: bytes) -> bytes:
        if start[:2] in _BOMS:
            raise SourceError(
                f"{self.path} is {_BOMS[start[:2]]} text. Export it as UTF-8, or convert it "
                f"(`iconv -f UTF-16 -t UTF-8`)."
            )
        return start.removeprefix(_UTF8_BOM)

    def _decompressed(self, raw: BinaryIO) -> Iterator[bytes]:
        """Decompress every member, and what can be recovered of the last one."""
        inflate = zlib.decompressobj(wbits=31)
        while chunk := raw.read(CHUNK):
            while chunk:
                if inflate.eof:
                    if not chunk.startswith(_GZIP[:1]):  # padding after the last member
                        return
                    inflate = zlib.decompressobj(wbits=31)
                before = inflate.copy()
                try:
                    data = inflate.decompress(chunk, CHUNK)
                except zlib.error as error:
                    self.damage.detail = f"the gzip stream is damaged: {error}"
                    yield from _byte_by_byte(before, chunk)
                    return
                chunk = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
                if data:
                    yield data
        if rest := inflate.flush():
            yield rest
        if not inflate.eof:
            self.damage.detail = "the gzip stream ends before its last byte"


def _byte_by_byte(inflate: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    """Recover what comes before the byte at which decompression fails."""
    for n in range(len(chunk)):
        try:
            data = inflate.decompress(chunk[n : n + 1])
        except zlib.error:
            return
        if data:
            yield data


@dataclass(frozen=True)
class Lines:
    """Consecutive whole lines of a file.

    Attributes
    ----------
    data : bytes, the lines with their line ends
    first : int, number of the first line, counted from 1 after the file's `rows_before`
    fault, detail : str or None
        `truncated` or `too_long` where `data` is the start of one rejected line.
    """

    data: bytes
    first: int
    fault: str | None = None
    detail: str | None = None


def read_lines(file: InputFile, *, block: int = 4 * CHUNK) -> Iterator[Lines]:
    """Yield blocks of whole lines; a line that is truncated or too long comes alone.

    Parameters
    ----------
    file : InputFile
    block : int, bytes of a block, at least
    """
    content = Content(file.path)
    held = bytearray()
    number = file.rows_before + 1
    skipping = False
    for chunk in content.chunks():
        held += chunk
        if skipping:
            end = held.find(b"\n")
            if end < 0:
                held.clear()
                continue
            del held[: end + 1]
            skipping, number = False, number + 1
        if len(held) < block:
            continue
        end = held.rfind(b"\n") + 1
        if end:
            yield Lines(bytes(held[:end]), number)
            number += held.count(b"\n", 0, end)
            del held[:end]
        elif len(held) > MAX_LINE:
            yield Lines(bytes(held[:1000]), number, "too_long")
            skipping = True
            held.clear()
    end = held.rfind(b"\n") + 1 if content.damage.detail else len(held)
    if end:
        yield Lines(bytes(held[:end]), number)
        number += held.count(b"\n", 0, end)
    if content.damage.detail:
        yield Lines(bytes(held[end:][:1000]), number, "truncated", content.damage.detail)


def fault_of(line: bytes) -> str | None:
    r"""Return why bytes are not text that a table can hold; None if they are.

    Examples
    --------
    >>> fault_of(b"caf\xe9")
    'bad_utf8'
    """
    if b"\0" in line:
        return "nul_byte"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "bad_utf8"
    return None


def readable(line: bytes) -> str:
    """Return bytes as text for the quarantine: what is not text, as escapes."""
    text = line[:RAW_LENGTH].decode(errors="backslashreplace").replace("\0", "\\x00")
    return text.strip()[:RAW_LENGTH]
