"""Small demo worlds, and their files read back."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime

from microconv.demo import simulate
from microconv.settings import SimulateSettings


def world(name="planted", *, prospects=2000, days=270, seed=3, **more):
    """Say which world to make."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return SimulateSettings(
        world=name, prospects=prospects, days=days, start=start, seed=seed, **more
    )


class Written:
    """A world on disk."""

    def __init__(self, folder, settings):
        self.settings = settings
        self.raw, self.truth_folder = folder / "raw", folder / "truth"
        self._calls = {}
        self.truth = simulate(settings, out=self.raw, truth=self.truth_folder)

    def rows(self, name):
        """Read a CSV file as dictionaries."""
        return list(csv.DictReader((self.raw / name).read_text(encoding="utf-8").splitlines()))

    def lines(self, name):
        """Read the lines of an export as they are."""
        return (self.raw / name).read_bytes().splitlines()

    def calls(self, name):
        """Read the lines of a file that hold an object; the other damaged ones are left out."""
        if name in self._calls:
            return self._calls[name]
        whole = self._calls[name] = []
        for line in self.lines(name):
            try:
                call = json.loads(line)
            except ValueError:
                continue
            if isinstance(call, dict):
                whole.append(call)
        return whole
