"""snapshot: ask, at every instant, about everyone in the cohort, and label what has closed."""

from __future__ import annotations

from pathlib import Path

from microconv.histories.snapshot_log import snapshot_log
from microconv.settings import Settings
from microconv.stages.fresh_folder import fresh_folder
from microconv.stages.shell import run
from microconv.storage.log import EventLog


def snapshot(settings: Settings, *, log: Path, snapshots: Path) -> str:
    """Take the snapshots of a log."""
    with fresh_folder(snapshots) as fresh:
        facts = snapshot_log(EventLog.open(log), settings, out=fresh)
    unmapped = facts["unmapped"]
    aside = f"; {len(unmapped)} event names have no step: {', '.join(unmapped)}" if unmapped else ""
    return (
        f"{facts['rows']:,} questions at {len(facts['as_ofs'])} instants, {facts['labelled']:,} "
        f"labelled, {facts['converted']:,} converted{aside}"
    )


if __name__ == "__main__":
    run(snapshot)
