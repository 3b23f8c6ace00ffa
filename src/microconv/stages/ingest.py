"""Stage `ingest`: from any export to one sorted event log, with every row accounted for."""

from __future__ import annotations

from pathlib import Path

from microconv.ingest.incremental import ingest_changes
from microconv.ingest.ingest import Outputs
from microconv.settings import Settings
from microconv.stages.runner import run


def ingest(settings: Settings, *, inputs: Path, log: Path, quarantine: Path, summary: Path) -> str:
    """Read the exports that are new or changed, and write the event log."""
    facts, said = ingest_changes(
        settings.ingest,
        outputs=Outputs(log, quarantine, summary),
        input_dir=inputs,
        engine=settings.engine,
    )
    lines = [f"{facts['events']:,} events", f"  {said}"]
    for source in facts["sources"]:
        ignored, refused = sum(source["ignored"].values()), sum(source["quarantined"].values())
        lines.append(
            f"  {source['name']}: {source['rows']:,} rows = {source['events']:,} kept + "
            f"{source['duplicates']:,} duplicates + {ignored:,} ignored + {refused:,} rejected"
        )
    if "bots" in facts:
        lines.append(_bot_summary(facts["bots"]))
    return "\n".join(lines)


def _bot_summary(counts: dict[str, int]) -> str:
    said = (
        f"  bots made {counts['machine_clicks']:,} of {counts['clicks']:,} clicks and "
        f"{counts['machine_opens']:,} of {counts['opens']:,} opens"
    )
    if counts["suspect_unsubscribes"]:
        said += (
            f"; {counts['suspect_unsubscribes']:,} unsubscribes look like a link scanner's; they "
            "count all the same"
        )
    return said


if __name__ == "__main__":
    run(ingest)
