"""Stage `snapshot`: the cohort at every `as_of`, labelled where the outcome window has closed."""

from __future__ import annotations

from pathlib import Path

from microconv.histories.snapshot_log import snapshot_log
from microconv.settings import Settings
from microconv.stages.runner import fresh_folder, run
from microconv.storage.log import EventLog


def snapshot(settings: Settings, *, log: Path, snapshots: Path) -> str:
    """Build the snapshots of an event log.

    Parameters
    ----------
    settings : Settings
    log : Path
        What it reads.
    snapshots : Path
        What it writes.
    """
    with fresh_folder(snapshots) as fresh:
        facts = snapshot_log(EventLog.open(log), settings, out=fresh)
    unmapped = facts["unmapped"]
    aside = f"; {len(unmapped)} event names have no step: {', '.join(unmapped)}" if unmapped else ""
    return (
        f"{facts['rows']:,} snapshots at {len(facts['as_ofs'])} dates, {facts['labelled']:,} "
        f"labelled, {facts['converted']:,} converted{aside}"
    )


if __name__ == "__main__":
    run(snapshot)
