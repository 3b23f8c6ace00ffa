"""A real PostgreSQL server for all tests of this folder."""

from worlds.postgres import postgres, server

__all__ = ["postgres", "server"]
