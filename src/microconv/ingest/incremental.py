"""Ingest again after exports came, changed or went: only those are read, and nothing for nothing.

The log is, byte for byte, the one that :func:`microconv.ingest.ingest.ingest` writes.
See docs/decisions/0024: what is kept, and why identities and bots are worked out anew.
"""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

from microconv.engines.engine import open_engine
from microconv.ingest.cache import Parts, open_parts
from microconv.ingest.ingest import ONE_MACHINE, Outputs, ingest
from microconv.ingest.input_files import InputFile, expand, find_files
from microconv.ingest.reading import Machines, begins_behind, read
from microconv.ingest.sources.formats import FORMATS, check_mapping
from microconv.ingest.sources.keys import require_keys
from microconv.ingest.staging import Staged, name_of
from microconv.settings import EngineSettings, IngestSettings
from microconv.storage.files import md5_of


def cache_folder(log: Path) -> Path:
    """Say where the parts of a log are kept.

    Examples
    --------
    >>> cache_folder(Path("data/log")).as_posix()
    'data/.log.parts'
    """
    return log.with_name(f".{log.name}.parts")


def ingest_changes(
    settings: IngestSettings,
    *,
    outputs: Outputs,
    input_dir: str | Path | None = None,
    engine: EngineSettings = ONE_MACHINE,
) -> tuple[dict[str, Any], str]:
    """Bring a log up to its exports; read those that are new or changed.

    Parameters
    ----------
    settings, outputs, input_dir, engine
        As :func:`microconv.ingest.ingest.ingest` takes them.

    Returns
    -------
    facts : dict
        The report, as of an ingest of everything.
    said : str
        One line: how many exports were read, and why if it was all of them.

    Raises
    ------
    MicroconvError
        Whatever an ingest of everything refuses; BusyError while another one runs.
    """
    folder = expand(settings.input_dir) if input_dir is None else Path(input_dir)
    with open_parts(cache_folder(outputs.log)) as parts:
        files = [
            (source.name, file)
            for source in settings.sources
            for file in find_files(source, folder)
        ]
        asked = _digest(settings, engine, parts, files)
        if parts.last.get("asked") == asked and parts.last.get("outputs") == _sums_of(outputs):
            facts = json.loads((outputs.log / "log.json").read_text(encoding="utf-8"))
            return facts, f"none of the {len(files):,} exports changed; the log stays as it is"
        with open_engine(engine) as there:
            machines = Machines(there, engine.master is not None, engine.memory_gb)
            staging = partial(stage_from_parts, parts=parts, machines=machines)
            facts = ingest(
                settings, outputs=outputs, input_dir=folder, engine=engine, staging=staging
            )
        said = _say(len({file for _, file in files}), parts)
        parts.save(asked=asked, outputs=_sums_of(outputs))
    return facts, said


def stage_from_parts(
    place: int,
    settings: IngestSettings,
    *,
    input_dir: Path,
    connection: Any,
    parts: Parts,
    machines: Machines,
) -> Staged:
    """Give the clean rows of a source; read the files of which there is no part.

    Raises
    ------
    SourceError, SettingsError
        As :func:`microconv.ingest.staging.stage` does.
    """
    source = settings.sources[place]
    check_mapping(source)
    kind = FORMATS[source.format]
    paths = find_files(source, input_dir)
    files = [InputFile(path, number) for number, path in enumerate(paths)]
    units = kind.alike(files) if kind.together else [[file] for file in files]
    keys = {parts.key_of(unit, source, settings): unit for unit in units}
    parts.find(keys)
    fresh = {key: unit for key, unit in keys.items() if not parts.holds(key)}
    segments = read(
        fresh, source, settings, folder=parts.folder, connection=connection, machines=machines
    )
    for segment in segments:
        parts.take(segment)
    parts.read += [file.path for unit in fresh.values() for file in unit]
    befores = {key: begins_behind(unit) for key, unit in keys.items()}
    if not kind.together:
        parts.tidy(befores, connection)
    table = parts.table_of(befores, connection)
    require_keys(source, paths, table, connection)
    return Staged(place, source, [name_of(path, input_dir) for path in paths], table)


def _digest(
    settings: IngestSettings, engine: EngineSettings, parts: Parts, files: list[tuple[str, Path]]
) -> str:
    """Fingerprint all that the outputs follow from."""
    sums = [[name, str(file), parts.sum_of(file)] for name, file in files]
    memory = engine.memory_gb if settings.buckets is None else None
    says = [parts.code, memory, settings.model_dump(mode="json"), sums]
    return hashlib.sha256(json.dumps(says, sort_keys=True).encode()).hexdigest()


def _sums_of(outputs: Outputs) -> list[str] | None:
    """Fingerprint the outputs; None if one is not there."""
    paths = [outputs.log, outputs.quarantine, outputs.report]
    return [md5_of(path) for path in paths] if all(path.exists() for path in paths) else None


def _say(files: int, parts: Parts) -> str:
    read = len(set(parts.read))
    if read < files:
        return f"read {read:,} of {files:,} exports; the others had not changed"
    if not parts.last:
        why = "nothing is kept of an earlier ingest"
    elif parts.last.get("code") != parts.code:
        why = "microconv or a library of its own changed"
    else:
        why = "the settings or each of the files changed"
    return f"read all {files:,} exports: {why}"
