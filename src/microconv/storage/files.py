"""Outputs that are whole or not there: write beside, then rename."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from microconv.errors import BusyError, MicroconvError
from microconv.storage.temporary_folders import OLD, folder_beside

AT_FDCWD, RENAME_EXCHANGE = -100, 2
"""Of Linux's `renameat2(2)`: paths from the working directory, and what is asked for."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a fresh path beside `path`; on success it takes the place of `path`.

    What is written there may be a file or a directory. On any error the old
    output stays whole and nothing is left behind; what a killed run left beside it is
    cleared by the next. The folder of `path` is made if there is none.

    Raises
    ------
    MicroconvError
        If the disk is full, or anything else on it refuses the writing.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "list.csv")) as fresh:
    ...         _ = fresh.write_text("ada")
    ...     Path(folder, "list.csv").read_text()
    'ada'
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with folder_beside(path) as beside:
            fresh = beside / path.name
            yield fresh
            _put_in_place(fresh, path)
    except OSError as error:
        raise MicroconvError(_explain(error, path)) from error


def sweep(folder: Path) -> None:
    """Take away what a process that was killed inside :func:`replacing` left in a folder."""
    for left in folder.glob(".*"):
        shutil.rmtree(left, ignore_errors=True)


def _put_in_place(fresh: Path, path: Path) -> None:
    """Rename. A directory cannot be renamed over another: the two change places.

    Where the file system has no exchange, the old one steps aside first, and whoever is killed
    in between leaves it there for the next run to put back.
    """
    if not path.is_dir() or path.is_symlink():
        fresh.replace(path)
    elif not _exchange(fresh, path):
        old = fresh.with_name(f"{fresh.name}{OLD}")
        path.rename(old)
        try:
            fresh.rename(path)
        except OSError:
            old.rename(path)
            raise


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places in one step; False where that cannot be done (`renameat2`)."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    failed = renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)
    return not failed


def _explain(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        why = "The disk is full"
        way_out = f"Free some space at {path.absolute().parent}, or write somewhere else."
    else:
        why = str(error)
        way_out = f"Check that {path.absolute().parent} can be written to."
    kept = " The old output stays as it was." if path.exists() else ""
    return f"Could not write {path}: {why}.{kept} {way_out}"


@contextmanager
def alone_in(folder: Path, doing: str) -> Iterator[None]:
    """Keep a second run out of a folder; the lock ends with the process, however that ends.

    Raises
    ------
    BusyError
        If another process holds it.
    MicroconvError
        If the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise MicroconvError(f"{folder} cannot be written to: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyError(
                f"Another run is {doing} {folder}. Wait until it has ended, or write elsewhere."
            ) from None
        yield


def md5_of(path: str | Path) -> str:
    """Fingerprint a file by its bytes, or a directory by its sorted names and their bytes.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.txt").write_text("a")
    ...     md5_of(Path(folder, "a.txt"))
    '0cc175b9c0f1b6a831c399e269772661'
    """
    path = Path(path)
    if path.is_dir():
        digest = hashlib.md5(usedforsecurity=False)
        files = [file for file in path.rglob("*") if file.is_file()]
        for name, file in sorted((file.relative_to(path).as_posix(), file) for file in files):
            digest.update(f"{md5_of(file)}  {name}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as content:
        return hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
