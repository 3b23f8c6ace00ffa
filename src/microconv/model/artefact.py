"""A folder of files with their checksums: written whole or not at all, checked before parsing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from microconv.errors import DamagedModelError, ModelError, listed
from microconv.storage.files import atomic_write

SUMS = "SHA256SUMS"
"""One line per file, as `sha256sum` writes and checks them."""


def sums_of(files: Mapping[str, bytes]) -> str:
    """List the checksums of some files.

    Examples
    --------
    >>> sums_of({"a": b""})[:20]
    'e3b0c44298fc1c149afb'
    """
    return "".join(f"{hashlib.sha256(files[n]).hexdigest()}  {n}\n" for n in sorted(files))


def write_files(folder: str | Path, files: Mapping[str, bytes]) -> None:
    """Write the files and their checksums; the folder takes its place when it is whole."""
    with atomic_write(folder) as fresh:
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        (fresh / SUMS).write_text(sums_of(files), encoding="ascii")


def read_files(folder: str | Path, expected: tuple[str, ...]) -> dict[str, bytes]:
    """Read files whose checksums are right, and nothing else.

    Raises
    ------
    ModelError
        If there is no such folder.
    DamagedModelError
        If a file, or its checksum, is missing or does not match.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(f"There is no model at {folder}. Train one, or name another folder.")
    try:
        stated = (folder / SUMS).read_bytes()
        files = {name: (folder / name).read_bytes() for name in expected}
    except OSError as error:
        raise DamagedModelError(
            f"The model at {folder} cannot be read: {error.strerror} "
            f"({Path(str(error.filename)).name}). Copy it again from where it was saved, or train "
            "it again."
        ) from None
    sums = sums_of(files).encode()
    if stated != sums:
        changed = [line[66:] for line in sums.decode().splitlines() if line.encode() not in stated]
        raise DamagedModelError(
            f"The model at {folder} is not the one that was saved: the checksums in {SUMS} are not "
            f"those of {listed(changed or [SUMS])}. Nothing of it was used. Copy it again from "
            "where it was saved, or train it again."
        )
    return files
