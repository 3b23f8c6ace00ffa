"""Delivery of a list to PostgreSQL in one transaction: readers see the old list or the new one.

::

    microconv           one row per list and prospect, keyed by both
    microconv_lists     one row per list: as_of, valid_until, status, the whole manifest
    microconv_current   a view: the rows of the list with the latest as_of

Delivering the same list again, after a crash or by mistake, changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa

from microconv.databases.urls import DatabaseUrl, database_errors
from microconv.errors import DatabaseError, listed

LISTS = {
    "list_id": "text PRIMARY KEY",
    "as_of": "timestamptz NOT NULL",
    "valid_until": "timestamptz NOT NULL",
    "status": "text NOT NULL",
    "manifest": "jsonb NOT NULL",
}
"""Columns of the table of lists."""

KEY = ("list_id", "prospect_id")


def deliver(ranked: pa.Table, manifest: dict[str, Any], *, url: DatabaseUrl, table: str) -> int:
    """Write a list and its manifest into the database, or change nothing.

    Parameters
    ----------
    ranked : Table
        One row per prospect. New columns are added to the database's table.
    manifest : dict
        The list's; its `list_id` is part of the key.
    url : DatabaseUrl
        Of a PostgreSQL database.
    table : str
        `table`, or `schema.table`.

    Returns
    -------
    int
        Number of rows of the list in the database.

    Raises
    ------
    DatabaseError
        If it is not PostgreSQL, cannot be reached, or the connection is lost; or if a column
        exists with another type.
    """
    if url.scheme not in ("postgresql", "postgres"):
        raise DatabaseError(
            f"{url.variable} is the address of a {url.scheme} database. A list is written "
            "into PostgreSQL: an address begins with `postgresql://`."
        )
    with database_errors(url, f"Delivering into `{table}`"):
        import psycopg

        with psycopg.connect(url.url) as connection:  # commits at the end, or rolls back
            return _Delivery(connection, ranked, manifest, table).run()


class _Delivery:
    """One transaction."""

    def __init__(
        self, connection: Any, ranked: pa.Table, manifest: dict[str, Any], table: str
    ) -> None:
        from psycopg import sql

        *schema, name = table.split(".")
        self.execute, self.cursor = connection.execute, connection.cursor
        self.ranked, self.manifest, self.label = ranked, manifest, table
        self.sql, self.identify = sql.SQL, sql.Identifier
        self.table, self.lists, self.current = (
            sql.Identifier(*schema, name + ending) for ending in ("", "_lists", "_current")
        )
        types = {field.name: _postgres_type(field.type) for field in ranked.schema}
        self.types = {"list_id": "text", **types}

    def run(self) -> int:
        """Run the delivery; a second one into the same table waits for it to end."""
        self.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [self.label])
        self._create_tables()
        self._write_manifest()
        self._copy_rows()
        self._merge_rows()
        row = self.execute(
            self.sql("SELECT count(*) FROM {} WHERE list_id = %s").format(self.table),
            [self.manifest["list_id"]],
        ).fetchone()
        return int(row[0])

    def _create_tables(self) -> None:
        create = self.sql("CREATE TABLE IF NOT EXISTS {} ({})")
        self.execute(create.format(self.lists, self._columns(LISTS)))
        key = {"list_id": "text NOT NULL", "prospect_id": "text NOT NULL"}
        self.execute(
            create.format(self.table, self._columns(key, f"PRIMARY KEY ({', '.join(KEY)})"))
        )
        add = self.sql("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {}")
        for name, kind in self.types.items():
            self.execute(add.format(self.table, self._columns({name: kind})))
        self._check_types()
        self.execute(
            self.sql(
                "CREATE OR REPLACE VIEW {} AS SELECT * FROM {} WHERE list_id = "
                "(SELECT list_id FROM {} ORDER BY as_of DESC, list_id LIMIT 1)"
            ).format(self.current, self.table, self.lists)
        )

    def _columns(self, types: dict[str, str], *more: str) -> Any:
        columns = [
            self.sql("{} {}").format(self.identify(name), self.sql(kind))
            for name, kind in types.items()
        ]
        return self.sql(", ").join([*columns, *(self.sql(text) for text in more)])

    def _check_types(self) -> None:
        """Check that no column exists with another type."""
        there = dict(
            self.execute(
                "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
                "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                [self.table.as_string()],
            ).fetchall()
        )
        other = [
            f"{name} ({there[name]} instead of {kind})"
            for name, kind in self.types.items()
            if there[name] != _FULL_NAMES.get(kind, kind)
        ]
        if other:
            raise DatabaseError(
                f"The table `{self.label}` has columns of another type: {listed(other)}. Deliver "
                "into a table of another name (`deliver.table`)."
            )

    def _write_manifest(self) -> None:
        manifest = self.manifest
        row = [*(manifest[name] for name in ("list_id", "as_of", "valid_until", "status"))]
        self.execute(
            self.sql(
                "INSERT INTO {} (list_id, as_of, valid_until, status, manifest) "
                "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (list_id) DO UPDATE SET "
                "as_of = excluded.as_of, valid_until = excluded.valid_until, "
                "status = excluded.status, manifest = excluded.manifest"
            ).format(self.lists),
            [*row, _without_nul(json.dumps(manifest, ensure_ascii=False))],
        )

    def _copy_rows(self) -> None:
        """Copy the rows into a temporary table of this transaction."""
        self.execute(
            self.sql("CREATE TEMPORARY TABLE incoming ({}) ON COMMIT DROP").format(
                self._columns(self.types)
            )
        )
        into = self.sql("COPY incoming ({}) FROM STDIN").format(self._names())
        with self.cursor() as cursor, cursor.copy(into) as copy:
            for row in self._rows():
                copy.write_row(row)

    def _rows(self) -> Iterator[list[Any]]:
        for batch in self.ranked.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                yield [self.manifest["list_id"], *map(_value, row.values())]

    def _merge_rows(self) -> None:
        names = [name for name in self.types if name not in KEY]
        updates = self.sql(", ").join(
            self.sql("{0} = excluded.{0}").format(self.identify(name)) for name in names
        )
        self.execute(
            self.sql(
                "INSERT INTO {} ({}) SELECT {} FROM incoming "
                "ON CONFLICT (list_id, prospect_id) DO UPDATE SET {}"
            ).format(self.table, self._names(), self._names(), updates)
        )
        self.execute(
            self.sql(
                "DELETE FROM {} WHERE list_id = %s AND prospect_id NOT IN "
                "(SELECT prospect_id FROM incoming)"
            ).format(self.table),
            [self.manifest["list_id"]],
        )

    def _names(self) -> Any:
        return self.sql(", ").join(self.identify(name) for name in self.types)


_FULL_NAMES = {"timestamptz": "timestamp with time zone"}
"""Type → its name in the catalogue of PostgreSQL."""


def _postgres_type(kind: pa.DataType) -> str:
    """Return the type of PostgreSQL for a column of a list."""
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "bigint"
    if pa.types.is_floating(kind):
        return "double precision"
    if pa.types.is_timestamp(kind):
        return "timestamptz"
    return "jsonb" if pa.types.is_nested(kind) else "text"


def _value(value: Any) -> Any:
    """Convert a value for PostgreSQL: lists become JSON."""
    if isinstance(value, list):
        value = json.dumps(value, ensure_ascii=False, default=datetime.isoformat)
    return _without_nul(value) if isinstance(value, str) else value


def _without_nul(text: str) -> str:
    """Replace NUL, which PostgreSQL's text cannot hold, also where JSON escapes it."""
    return text.replace("\x00", "\ufffd").replace("\\u0000", "\\ufffd")
