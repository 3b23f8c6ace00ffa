"""Stage `ingest`: from any export to one sorted event log, with every row accounted for."""

from __future__ import annotations

from pathlib import Path

from microconv.ingest.cache import cache_folder, open_cache
from microconv.ingest.ingest import Outputs
from microconv.ingest.ingest import ingest as ingest_exports
from microconv.settings import Settings
from microconv.stages.runner import run


def ingest(settings: Settings, *, inputs: Path, log: Path, quarantine: Path, summary: Path) -> str:
    """Read the exports that are new or changed, and write the event log.

    Parameters
    ----------
    settings : Settings
    inputs : Path
        What it reads.
    log, quarantine, summary : Path
        What it writes.
    """
    with open_cache(cache_folder(log)) as cache:
        report = ingest_exports(
            settings.ingest,
            outputs=Outputs(log, quarantine, summary),
            input_dir=inputs,
            engine=settings.engine,
            cache=cache,
        )
    lines = [f"{report['events']:,} events", f"  {cache.summary()}"]
    for source in report["sources"]:
        ignored, rejected = sum(source["ignored"].values()), sum(source["rejected"].values())
        lines.append(
            f"  {source['name']}: {source['rows']:,} rows = {source['events']:,} kept + "
            f"{source['duplicates']:,} duplicates + {ignored:,} ignored + {rejected:,} rejected"
        )
    if "bots" in report:
        lines.append(_bot_summary(report["bots"]))
    return "\n".join(lines)


def _bot_summary(counts: dict[str, int]) -> str:
    said = (
        f"  bots made {counts['bot_clicks']:,} of {counts['clicks']:,} clicks and "
        f"{counts['bot_opens']:,} of {counts['opens']:,} opens"
    )
    if counts["bot_unsubscribes"]:
        said += (
            f"; {counts['bot_unsubscribes']:,} unsubscribes look like a link scanner's; they "
            "count all the same"
        )
    return said


if __name__ == "__main__":
    run(ingest)
