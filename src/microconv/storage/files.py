"""Atomic writes, folder locks and checksums: an output is complete or not there at all."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from microconv.errors import BusyError, MicroconvError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""Arguments of Linux's `renameat2(2)`: paths from the working directory, and exchange them."""

_OLD = ".old"
"""Suffix of the old output while a new one takes its place."""


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; on success it replaces `path`.

    A file or a folder may be written there. On any error the old output stays complete and
    nothing is left behind; what a killed run left is removed by the next run. The parent
    folder of `path` is created if necessary.

    Raises
    ------
    MicroconvError
        If the disk is full or cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder, "list.csv")) as fresh:
    ...         _ = fresh.write_text("ada")
    ...     Path(folder, "list.csv").read_text()
    'ada'
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary_folder(path) as folder:
            fresh = folder / path.name
            yield fresh
            _put_in_place(fresh, path)
    except OSError as error:
        raise MicroconvError(_explain(error, path)) from error


@contextmanager
def _temporary_folder(path: Path) -> Iterator[Path]:
    """Create a folder next to `path`, removed afterwards; remove those of killed runs first.

    A run holds a lock on its folder as long as it lives: the kernel releases it whatever ends
    the run, `kill -9` and a power cut included. So a folder without a lock belongs to no run.
    If a run was killed between moving the old output aside and putting the new one in its
    place, the old one is restored.
    """
    with _locked(path.parent):  # no other run may look before the new folder is locked
        _remove_abandoned(path)
        made = tempfile.TemporaryDirectory(
            prefix=f".{path.name}.", dir=path.parent, ignore_cleanup_errors=True
        )
        held = _lock(Path(made.name))
    try:
        with made as folder:
            yield Path(folder)
    finally:
        if held is not None:
            os.close(held)


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary folders next to `path` that no running process holds."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}")  # as tempfile names them
    for folder in path.parent.iterdir():
        if not ours.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
            continue
        held = _lock(folder, wait=False)
        if held is None:
            continue
        old = folder / f"{path.name}{_OLD}"
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    held = _lock(folder)
    try:
        yield
    finally:
        if held is not None:
            os.close(held)


def _lock(folder: Path, *, wait: bool = True) -> int | None:
    """Lock a folder until the descriptor is closed; None if it is locked, or cannot be."""
    held = None
    with suppress(OSError):  # a file system without locks: then nothing is ever removed
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return held
    if held is not None:
        os.close(held)
    return None


def remove_leftovers(folder: Path) -> None:
    """Remove what a process that was killed inside :func:`atomic_write` left in a folder."""
    for left in folder.glob(".*"):
        shutil.rmtree(left, ignore_errors=True)


def _put_in_place(fresh: Path, path: Path) -> None:
    """Rename. A directory cannot be renamed over another: the two are exchanged.

    Where the file system has no exchange, the old one is renamed first; if the run is killed
    in between, the next run restores it.
    """
    if not path.is_dir() or path.is_symlink():
        fresh.replace(path)
    elif not _exchange(fresh, path):
        old = fresh.with_name(f"{fresh.name}{_OLD}")
        path.rename(old)
        try:
            fresh.rename(path)
        except OSError:
            old.rename(path)
            raise


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; False where that is impossible (`renameat2`)."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    failed = renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
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
def folder_lock(folder: Path, activity: str) -> Iterator[None]:
    """Lock a folder against a second run; the lock ends with the process, however that ends.

    Parameters
    ----------
    folder : Path, created if necessary
    activity : str, what this run does with the folder, for the message of the other run

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
                f"Another run is {activity} {folder}. Wait until it has ended, or write elsewhere."
            ) from None
        yield


def md5_of(path: str | Path) -> str:
    """Return the MD5 of a file's bytes, or of a folder's sorted file names and their MD5s.

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
