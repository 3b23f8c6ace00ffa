"""Small worlds, made once."""

from __future__ import annotations

import pytest

from microconv.demo.world import simulate_world
from worlds.demo import Written, world


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Write the planted world of 1,500 prospects."""
    return Written(tmp_path_factory.mktemp("planted"), world(prospects=1500))


@pytest.fixture(scope="session")
def simulated():
    """Tell what happens in the planted world of 6,000 prospects."""
    return simulate_world(world(prospects=6000))
