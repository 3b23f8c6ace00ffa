"""Stage `featurize`: the features of every snapshot that need no fitting."""

from __future__ import annotations

from pathlib import Path

from microconv.features.featurize_log import featurize_log
from microconv.features.rare_steps import describe_grouping
from microconv.journey import JourneyMap
from microconv.settings import Settings
from microconv.stages.runner import fresh_folder, run
from microconv.storage.log import EventLog


def featurize(settings: Settings, *, log: Path, snapshots: Path, features: Path) -> str:
    """Compute the features of every snapshot, in the order of the snapshots.

    Parameters
    ----------
    settings : Settings
    log, snapshots : Path
        What it reads.
    features : Path
        What it writes.
    """
    with fresh_folder(features) as fresh:
        facts = featurize_log(EventLog.open(log), settings, snapshots=snapshots, out=fresh)
    folded = describe_grouping(JourneyMap.from_settings(settings.journey), settings.features)
    return f"{facts['rows']:,} rows of {facts['columns']} columns" + (folded and f"\n  {folded}")


if __name__ == "__main__":
    run(featurize)
