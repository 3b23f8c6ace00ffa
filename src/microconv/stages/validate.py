"""`microconv validate`: check settings and sources, and show the folds; writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from microconv.errors import MicroconvError, MissingInputError, TimeError
from microconv.histories.folds import Fold, plan_as_ofs, plan_folds
from microconv.ingest.input_files import expand, find_files
from microconv.journey import JourneyMap
from microconv.settings import Settings
from microconv.storage.log import EventLog

SAMPLE_ROWS = 10_000
"""Rows of a source that are read, per group of files that are read as one."""

LabelCounts = tuple[Counter[datetime], Counter[datetime]]
"""Labelled snapshots, and those that converted, by `as_of`."""


def validate(settings: Settings, *, inputs: Path | None, log: Path | None) -> Iterator[str]:
    """Check settings and sources, plan the folds, and yield the findings line by line.

    Parameters
    ----------
    settings : Settings
    inputs : Path or None
        Read instead of `ingest.input_dir`.
    log : Path or None
        The log of an earlier run, to count the rows of each fold.

    Raises
    ------
    MicroconvError
        Naming every problem, after everything has been checked.
    """
    problems: list[str] = []

    def attempt(check: Callable[[], Iterator[str]]) -> Iterator[str]:
        try:
            yield from check()
        except MicroconvError as error:
            problems.append(str(error))

    yield from attempt(lambda: _journey(settings))
    yield from attempt(lambda: _texts(settings))
    for place in range(len(settings.ingest.sources)):
        yield from attempt(lambda place=place: _source(settings, place, inputs))  # type: ignore[misc]
    yield from attempt(lambda: _duplicate_sources(settings, inputs))
    yield from attempt(lambda: _folds(settings, log))
    if problems:
        raise MicroconvError(" ".join(problems))


def _journey(settings: Settings) -> Iterator[str]:
    from microconv.features.rare_steps import check_steps, describe_grouping

    journey = JourneyMap.from_settings(settings.journey)
    check_steps(journey, settings.features)
    kinds = Counter(step.kind for step in journey.steps)
    yield f"journey: {len(journey)} steps ({', '.join(f'{n} {kind}' for kind, n in kinds.items())})"
    if folded := describe_grouping(journey, settings.features):
        yield f"  {folded}"


def _texts(settings: Settings) -> Iterator[str]:
    """Check the table of reason texts, if the settings name one."""
    from microconv.features.matrix import column_names
    from microconv.ranking.explanations.reason_texts import built_in_texts, read_texts
    from microconv.ranking.explanations.wording import unused_patterns

    if settings.score.reason_texts is None:
        return
    own = read_texts(settings.score.reason_texts)[: -len(built_in_texts())]
    yield f"texts: {len(own)} rows in {settings.score.reason_texts}"
    journey = JourneyMap.from_settings(settings.journey)
    names = column_names(journey, settings.features, {}, fitted=False)
    for pattern in unused_patterns(names, journey, own):
        if not pattern.startswith("attributes."):  # those columns are known after training only
            yield f"  the pattern `{pattern}` fits no column, so its texts are never used"


def _source(settings: Settings, place: int, inputs: Path | None) -> Iterator[str]:
    """Find the files of a source, and read their first rows as ingest would."""
    from microconv.ingest.cache import RowCache
    from microconv.ingest.duckdb_engine import connect
    from microconv.ingest.row_counts import check_rejected_share, count_rows
    from microconv.ingest.source_rows import SourceReader

    folder = inputs or expand(settings.ingest.input_dir)
    source = settings.ingest.sources[place]
    with TemporaryDirectory() as work, connect(Path(work), threads=1) as connection:
        cache = RowCache(Path(work))
        reader = SourceReader(settings.ingest, folder, cache, connection, max_rows=SAMPLE_ROWS)
        files = find_files(source, folder)
        counts = count_rows(reader.read(source, files), connection)
    size = sum(file.stat().st_size for file in files) / 1e6
    ignored = {reason: n for reason, n in sorted(counts.ignored.items()) if n}
    shown = {
        "good": counts.rows - len(counts.rejected_rows) - sum(ignored.values()),
        **{f"ignored ({reason})": n for reason, n in ignored.items()},
        **{f"rejected ({reason})": n for reason, n in counts.rejected.items()},
    }
    yield (
        f"source {source.name}: {len(files)} {source.format} file(s), {size:,.1f} MB; of "
        f"{counts.rows:,} rows checked " + ", ".join(f"{n:,} {what}" for what, n in shown.items())
    )
    check_rejected_share([counts], settings.ingest, remedy="Fix the export, or raise the limit.")


def _duplicate_sources(settings: Settings, inputs: Path | None) -> Iterator[str]:
    """Check that no two sources read the same file in the same way."""
    from microconv.ingest.source_rows import find_source_files

    with suppress(MissingInputError):
        find_source_files(settings.ingest.sources, inputs or expand(settings.ingest.input_dir))
    yield from ()


def _folds(settings: Settings, log: Path | None) -> Iterator[str]:
    labels: LabelCounts | None = None
    if log is not None and (log / "log.json").exists():
        journey = JourneyMap.from_settings(settings.journey)
        opened = EventLog.open(log)
        until = opened.observed_until(journey)
        as_ofs = plan_as_ofs(settings.snapshots, observed_until=until)
        labels = _count(opened, journey, settings, as_ofs)
        yield f"outcomes complete until {until:%Y-%m-%d %H:%M} (the log at {log})"
    else:
        until = _declared_until(settings)
        as_ofs = plan_as_ofs(settings.snapshots, observed_until=until)
        yield f"outcomes complete until {until:%Y-%m-%d %H:%M} (as the sources declare)"
    yield f"snapshots: {len(as_ofs)}, {as_ofs[0]:%Y-%m-%d} to {as_ofs[-1]:%Y-%m-%d}"
    folds = plan_folds(
        as_ofs, settings.backtest, horizon=settings.snapshots.horizon, observed_until=until
    )
    for fold in folds:
        yield _describe(fold, labels)


def _declared_until(settings: Settings) -> datetime:
    declared = [s.complete_until for s in settings.ingest.sources if s.complete_until is not None]
    if not declared:
        raise TimeError(
            "No source declares `complete_until`, so no outcome window is known to be closed. "
            "Add it to the source that holds the conversions."
        )
    return min(declared)


def _count(
    log: EventLog, journey: JourneyMap, settings: Settings, as_ofs: Sequence[datetime]
) -> LabelCounts:
    from microconv.histories.load import load_histories
    from microconv.histories.snapshots import cohort_snapshots

    labelled: Counter[datetime] = Counter()
    converted: Counter[datetime] = Counter()
    until = log.observed_until(journey)
    for bucket in range(log.buckets):
        histories = load_histories(log.read_events(bucket), journey)
        table, _ = cohort_snapshots(histories, journey, settings.snapshots, as_ofs, until)
        for counts, rows in ((labelled, "observed"), (converted, "converted")):
            chosen = table.filter(table.column(rows).combine_chunks().fill_null(False))
            for entry in pa.array(chosen.column("as_of").combine_chunks()).value_counts():
                counts[entry["values"].as_py()] += entry["counts"].as_py()
    return labelled, converted


def _describe(fold: Fold, labels: LabelCounts | None) -> str:
    def part(name: str, dates: Sequence[datetime]) -> str:
        text = f"{name} {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d} ({len(dates)} dates"
        if labels is not None:
            labelled, converted = (sum(counts[date] for date in dates) for counts in labels)
            text += f", {labelled:,} rows, {converted:,} converted"
        return text + ")"

    return f"fold {fold.name}: {part('train', fold.train)}, {part('test', fold.test)}"
