"""`microconv extract`: copy the new rows of each table of `extract.tables` into a new file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from microconv.databases.extract import extract
from microconv.errors import SettingsError
from microconv.ingest.input_files import expand
from microconv.settings import read_settings
from microconv.stages.runner import phase, progress


def extract_tables(params: Path, *, inputs: Path | None) -> Iterator[str]:
    """Copy the new rows of each table, and yield a sentence about each.

    Parameters
    ----------
    params : Path
        The params.yaml.
    inputs : Path or None
        Folder for the files instead of `ingest.input_dir`.

    Raises
    ------
    SettingsError
        If params.yaml names no table.
    DatabaseError
        If a table cannot be read; the files of those before it are complete.
    """
    settings = read_settings(params)
    if not settings.extract.tables:
        raise SettingsError(
            f"{params} names no tables to extract. Add them under `extract.tables`, each with "
            "`name`, `url_from`, `table` and `watermark`."
        )
    folder = inputs or expand(settings.ingest.input_dir)
    for table in settings.extract.tables:
        with progress(f"extract {table.name}"), phase("extract", table.name) as facts:
            got = extract(table, folder)
            facts["rows"] = got.rows
        if got.file is None:
            yield f"{table.name}: nothing new since {got.high}"
        else:
            yield f"{table.name}: {got.rows:,} rows up to {got.high}, in {got.file}"
