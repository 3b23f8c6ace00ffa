"""Stage `simulate`: the exports of a simulated company, and the truth behind them."""

from __future__ import annotations

from pathlib import Path

from microconv.demo.generate import simulate as write_world
from microconv.errors import SettingsError
from microconv.settings import Settings
from microconv.stages.runner import run


def simulate(settings: Settings, *, raw: Path, truth: Path) -> str:
    """Write the exports of a demo world and what was planted in them.

    Parameters
    ----------
    settings : Settings
    raw, truth : Path
        What it writes.
    """
    if settings.simulate is None:
        raise SettingsError(
            "params.yaml has no section `simulate`, so there is nothing to simulate. Add one with "
            "`world`, `prospects`, `days`, `start` and `seed`."
        )
    facts = write_world(settings.simulate, out=raw, truth=truth)
    lines = sum(file["lines"] for file in facts["files"].values())
    return (
        f"{lines:,} lines about {facts['prospects']:,} prospects of the world "
        f"`{facts['world']}`, {facts['conversions']:,} of whom converted"
    )


if __name__ == "__main__":
    run(simulate)
