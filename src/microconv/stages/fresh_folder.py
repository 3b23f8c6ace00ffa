"""A folder of files that takes the place of the old one only when it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from microconv.errors import MicroconvError
from microconv.storage.files import atomic_write


@contextmanager
def fresh_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; on success it takes the place of `path`.

    Its files may be written by :func:`~microconv.storage.files.atomic_write` again. What
    stops one of them is told of the folder that the user named, not of the one
    beside it.

    Raises
    ------
    MicroconvError
        If the disk is full, or anything else on it refuses the writing. The old
        folder stays as it was.
    """
    with atomic_write(path) as fresh:
        fresh.mkdir()
        try:
            yield fresh
        except MicroconvError as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from None
            raise
