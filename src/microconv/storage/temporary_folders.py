"""Folders beside an output, in which it is written; what killed runs left of them is cleared.

A run holds a lock on its folder as long as it lives: the kernel lets go of it whatever
ends the run, `kill -9` and a power cut included. So a folder without a lock is nobody's.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OLD = ".old"
"""What the name of an output ends with while a new one takes its place."""


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Make a folder beside `path`, gone afterwards; clear those of killed runs first.

    If a run was killed in the moment between putting the old output aside and the new
    one in its place, the old one comes back.
    """
    with _locked(path.parent):  # nobody may look between the making of a folder and its lock
        _clear(path)
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


def _clear(path: Path) -> None:
    """Remove the folders beside `path` that no living run holds."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}")  # as tempfile names them
    for folder in path.parent.iterdir():
        if not ours.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
            continue
        held = _lock(folder, wait=False)
        if held is None:
            continue
        old = folder / f"{path.name}{OLD}"
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
    with suppress(OSError):  # a file system without locks: then nothing is ever cleared
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return held
    if held is not None:
        os.close(held)
    return None
