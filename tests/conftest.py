"""What every test shares: the folder of helpers, and hypothesis without a clock."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
settings.register_profile("microconv", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("microconv")


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """Run the pipeline on a small demo in a repository, once for all tests that look at it."""
    from worlds.repositories import run_once

    return run_once(tmp_path_factory.mktemp("repository"), tmp_path_factory.mktemp("site"))
