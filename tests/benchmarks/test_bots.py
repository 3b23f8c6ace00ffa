"""Machines found among people's clicks and opens, in the demo world and habit by habit."""

from __future__ import annotations

from pathlib import Path

import pytest
from bot_patterns import share_called_machine
from bots import SCANNERS, accuracy, demo_ingest, ingest_world, world

from microconv.demo import simulate

ROOT = Path(__file__).resolve().parents[2]
LEAST = 0.9
"""Of ten clicks called machine nine are, and of ten machines' nine are found: so that what is left
of them among people's clicks is less than people's own, even where machines make six of ten."""


@pytest.mark.slow
@pytest.mark.parametrize("share", SCANNERS)
def test_machines_are_found_whatever_their_share(share: float, tmp_path: Path) -> None:
    """The demo world's truth says of every click and open who made it."""
    made = world(prospects=1500, scanners=SCANNERS[share])
    simulate(made, out=tmp_path / "raw", truth=tmp_path / "truth")
    ingest_world(tmp_path, demo_ingest(ROOT))
    found = accuracy(tmp_path)
    assert found["click"].share == pytest.approx(share, abs=0.08)
    for event in ("click", "open"):
        assert found[event].precision >= LEAST
        assert found[event].recall >= LEAST


def test_people_in_a_hurry_are_people_and_scanners_that_wait_are_scanners() -> None:
    """Habits that look like the other side's, each apart from the rest."""
    called = {habit.says: share for habit, share in share_called_machine().items()}
    people = ["one link, hours later", "one link, 2 to 10 minutes later", "one link, within 20 s",
              "all links within 2 minutes, hours later",
              "five colleagues at one address, hours later"]  # fmt: skip
    machines = ["all links, within 20 s", "all links, after 5 minutes",
                "one link for ten at one address, 5 minutes",
                "says it is a scanner, after 3 hours"]  # fmt: skip
    assert max(called[habit] for habit in people) <= 1 - LEAST
    assert min(called[habit] for habit in machines) >= LEAST
