"""A run in a real MLflow store for the tests of each file."""

from worlds.tracked_runs import client, entry, files, store

__all__ = ["client", "entry", "files", "store"]
