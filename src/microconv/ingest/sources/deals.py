"""CRM outcomes: one row per deal and stage it reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from microconv.ingest.input_files import InputFile
from microconv.ingest.sources.rows import Rows
from microconv.ingest.sources.table import read_table
from microconv.settings import SourceSettings


@contextmanager
def read_deals(
    files: Sequence[InputFile], source: SourceSettings, connection: Any
) -> Iterator[Rows]:
    """Read a table of deals; the stage, `Closed Won`, becomes the event `closed_won`."""
    with read_table(files, source, connection) as rows:
        stage = rows.table.event.cast("string").strip().lower().re_replace(r"\s+", "_")
        yield replace(rows, table=rows.table.mutate(event=stage))
