"""`extract` and `deliver`: databases to read exports from, and one to write lists to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from microconv.errors import listed
from microconv.settings.section import Section

Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Name of an environment variable; the URL itself, with its password, is never stored."""

TableName = Annotated[str, StringConstraints(pattern=r"^[^.\x00]{1,63}(\.[^.\x00]{1,63})?$")]
"""`table`, or `schema.table`."""


class ExtractedTable(Section):
    """A table or view of a database that is copied into the input folder incrementally.

    Attributes
    ----------
    name : str
        The folder below `ingest.input_dir`; a source reads it with `files: NAME/*.parquet`.
    url_from : str
        The environment variable that holds the database's URL.
    table : str
        `table`, or `schema.table`.
    watermark : str
        A column that never decreases from one change of the table to the next: a timestamp, a
        date or an increasing number. Each extraction starts where the last one ended.
    overlap_minutes : float
        With a timestamp: how far before that it starts, for rows that were committed later than
        their timestamp. Ingest counts rows it has seen before as duplicates.
    columns : tuple of str
        Columns to copy, besides the watermark; empty copies all.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    url_from: Variable
    table: TableName
    watermark: str
    overlap_minutes: Annotated[float, Field(ge=0, le=525_600)] = 60
    columns: tuple[str, ...] = ()


class ExtractSettings(Section):
    """The tables that `microconv extract` copies."""

    tables: tuple[ExtractedTable, ...] = ()

    @model_validator(mode="after")
    def _distinct_names(self) -> ExtractSettings:
        names = [table.name for table in self.tables]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two tables are called {listed(twice)}; each needs its own folder")
        return self


class DeliverSettings(Section):
    """The database that `microconv score` and `microconv deliver` write lists to.

    Attributes
    ----------
    url_from : str or None
        The environment variable that holds a PostgreSQL URL; None delivers nothing.
    table : str
        The tables `TABLE` and `TABLE_lists` and the view `TABLE_current` are created if they do
        not exist; `schema.table` creates them in a schema.
    """

    url_from: Variable | None = None
    table: TableName = "microconv"
