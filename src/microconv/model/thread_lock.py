"""Calls of LightGBM with different numbers of threads take turns.

The number is one for the whole process: a call sets it for all others that run. What one of
them has laid out for one thread is then written to by two, and the process ends without a word
(https://github.com/lightgbm-org/LightGBM/issues/4705, and the note on `num_threads` in its
documentation). Calls that agree on the number may run side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Turns:
    """Lets calls in together if they agree on a number; others wait until these are out."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._number = 0
        self._inside = 0

    @contextmanager
    def with_threads(self, number: int) -> Iterator[None]:
        """Wait until no call with another number is inside; never call it from inside."""
        with self._changed:
            self._changed.wait_for(lambda: not self._inside or self._number == number)
            self._number = number
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()


LIGHTGBM = Turns()
"""Of this process."""
