"""Stage `score`: the ranked prospect list, with reasons, and counts of who is not on it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from microconv.journey import JourneyMap
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.output.lists import ListFiles, Provenance, write_list
from microconv.ranking.rank import ListOptions, rank_prospects
from microconv.settings import Settings
from microconv.stages.runner import run
from microconv.storage.log import EventLog


def score(
    settings: Settings,
    *,
    log: Path,
    model: Path,
    journey: Path,
    prospects: Path,
    csv: Path,
    xlsx: Path,
    json_lines: Path,
    manifest: Path,
) -> str:
    """Rank the cohort with the model just trained; the list is a preview.

    Parameters
    ----------
    settings : Settings
    log, model, journey : Path
        What it reads.
    prospects, csv, xlsx, json_lines, manifest : Path
        What it writes.
    """
    events, steps = EventLog.open(log), JourneyMap.from_settings(settings.journey)
    prospect_model = ProspectModel.load(model)
    prospect_model.require_journey(steps)
    as_of = settings.score.as_of
    instant = as_of or events.observed_until(steps)
    ranking = rank_prospects(
        events,
        model=prospect_model,
        as_of=instant,
        settings=settings.score,
        options=ListOptions(measurement=journey, details=True),
        engine=settings.engine,
    )
    valid_for = timedelta(days=settings.score.valid_days)
    files = ListFiles(prospects, csv, xlsx, json_lines, manifest)
    write_list(ranking, Provenance(log, model), files, valid_for=valid_for)
    why = "`score.as_of`" if as_of else "the end of the log, as `score.as_of` is null"
    head = f"{len(ranking.frame):,} of {ranking.scored:,} prospects as of {instant:%Y-%m-%d %H:%M}"
    return f"{head} ({why}); a preview" + "".join(f"\n  {note}" for note in ranking.notes)


if __name__ == "__main__":
    run(score)
