"""A run in a real MLflow store for all tests of this folder."""

from registered import client, entry, files, store

__all__ = ["client", "entry", "files", "store"]
