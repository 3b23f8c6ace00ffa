"""Fixtures of the ingest tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from worlds.exports import Exports


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    """Give an empty folder of exports."""
    return Exports(tmp_path)
