"""Bot detection among clicks and opens, in the demo world and by click pattern."""

from __future__ import annotations

from pathlib import Path

import pytest
from bot_patterns import share_classified_as_bot
from bots import SCANNERS, accuracy, demo_ingest, ingest_world, world

from microconv.demo import simulate

ROOT = Path(__file__).resolve().parents[2]
LEAST = 0.9
"""Smallest accepted precision and recall: fewer bot clicks than human clicks remain even where
bots make 60 % of all clicks."""


@pytest.mark.slow
@pytest.mark.parametrize("share", SCANNERS)
def test_bots_are_detected_at_any_share(share: float, tmp_path: Path) -> None:
    """The demo world's truth records for every click and open whether a bot made it."""
    made = world(prospects=1500, scanners=SCANNERS[share])
    simulate(made, out=tmp_path / "raw", truth=tmp_path / "truth")
    ingest_world(tmp_path, demo_ingest(ROOT))
    found = accuracy(tmp_path)
    assert found["click"].share == pytest.approx(share, abs=0.08)
    for event in ("click", "open"):
        assert found[event].precision >= LEAST
        assert found[event].recall >= LEAST


def test_fast_people_count_as_people_and_slow_scanners_as_bots() -> None:
    """Patterns that look like those of the other class."""
    flagged = {pattern.label: share for pattern, share in share_classified_as_bot().items()}
    people = ["one link, hours later", "one link, 2 to 10 minutes later", "one link, within 20 s",
              "all links within 2 minutes, hours later",
              "five colleagues at one address, hours later"]  # fmt: skip
    machines = ["all links, within 20 s", "all links, after 5 minutes",
                "one link for ten at one address, 5 minutes",
                "says it is a scanner, after 3 hours"]  # fmt: skip
    assert max(flagged[pattern] for pattern in people) <= 1 - LEAST
    assert min(flagged[pattern] for pattern in machines) >= LEAST
