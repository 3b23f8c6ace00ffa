"""What `microconv extract` does: each table of `extract.tables` → one more file of its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from microconv.databases.extract import extract
from microconv.errors import SettingsError
from microconv.ingest.input_files import expand
from microconv.settings import read_settings
from microconv.stages.phases import phase
from microconv.stages.shell import progress


def extract_tables(params: Path, *, inputs: Path | None) -> Iterator[str]:
    """Copy what is new in each table, and yield what each brought.

    Raises
    ------
    SettingsError
        If no table is named.
    DatabaseError
        If one of them cannot be read; those before it are in place.
    """
    settings = read_settings(params)
    if not settings.extract.tables:
        raise SettingsError(
            f"{params} names no tables to extract. Add them under `extract.tables`, each with "
            "`name`, `url_from`, `table` and `watermark`."
        )
    folder = inputs or expand(settings.ingest.input_dir)
    for table in settings.extract.tables:
        with progress(f"extract {table.name}"), phase("extract", table.name) as says:
            got = extract(table, folder)
            says["rows"] = got.rows
        if got.file is None:
            yield f"{table.name}: nothing new since {got.high}"
        else:
            yield f"{table.name}: {got.rows:,} rows up to {got.high}, in {got.file}"
