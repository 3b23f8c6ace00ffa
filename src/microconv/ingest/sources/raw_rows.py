"""The common table that every reader makes of a source's files, before rows are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import ibis
import pyarrow as pa

from microconv.errors import MissingColumnError, did_you_mean, listed
from microconv.ingest.clean.times import TimeFormat
from microconv.ingest.duckdb_engine import epoch_us
from microconv.ingest.input_files import InputFile
from microconv.settings import SourceSettings

ROW_COLUMNS = (
    pa.field("row", pa.int64()),
    pa.field("reason", pa.string()),
    pa.field("detail", pa.string()),
    pa.field("raw", pa.string()),
)
"""First columns of every stream of rows; all but `row` are null for a readable row."""

EVENT_FIELDS = (
    "prospect_id", "email", "anonymous_id", "account_id", "time", "known_at", "event", "value",
    "event_id", "message_id", "campaign_id", "variant", "channel", "link", "category", "address",
    "client",
)  # fmt: skip
"""Fields that the `columns` of a source of events may fill."""

PROPERTY = "property:"
ATTRIBUTE = "attribute:"
"""Prefixes of the names of property and attribute columns in the common table."""

SEPARATOR = "\x1f"
"""Stands between the categories of one row, and between fields that are hashed together."""

CSV_SUFFIXES = (".csv", ".tsv", ".txt")
PARQUET_SUFFIXES = (".parquet", ".pq")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True)
class RawRows:
    """The rows of some files: `row`, `reason`, `detail`, `raw`, and one column per field.

    Attributes
    ----------
    table : Ibis table
        Fields that the files cannot have are absent; a rejected row has its reason.
    text : function of a table → Ibis string
        Writes a row out for the quarantine. Only called for rejected rows.
    content : function of a table → Ibis string
        Everything in a row except when it became known. Two rows without an id of
        their own are duplicates if it is equal.
    time_formats : mapping of str to TimeFormat
        Field → how the vendor writes its times, where that is always the same.
    """

    table: Any
    text: Callable[[Any], Any]
    content: Callable[[Any], Any]
    time_formats: Mapping[str, TimeFormat] = field(default_factory=dict)


class Reader(Protocol):
    """How one format is read."""

    def __call__(
        self, files: Sequence[InputFile], source: SourceSettings, connection: Any
    ) -> AbstractContextManager[RawRows]:
        """Read a group of files as one :class:`RawRows`, usable inside the context."""
        ...


def suffix_of(path: Path) -> str:
    """Return the suffix of a file name in lower case, without `.gz`.

    Examples
    --------
    >>> suffix_of(Path("crm.CSV.gz"))
    '.csv'
    """
    return Path(path.name.lower().removesuffix(".gz")).suffix


def wanted_properties(source: SourceSettings) -> list[str]:
    """Return the properties that the source's naming rules and its `only` use, sorted."""
    return sorted({name for rule in source.rules for name in rule.property} | set(source.only))


def join_fields(values: list[Any]) -> Any:
    """Join columns into one text, so that different rows give different texts."""
    counted = [
        epoch_us(value.cast("timestamp('UTC')")) if value.type().is_timestamp() else value
        for value in values
    ]
    texts = [value.cast("string").fill_null("\x1e") for value in counted]
    return ibis.literal(SEPARATOR).join(texts)


def format_rows(rows: Any, columns: dict[str, str]) -> Any:
    """Return each row as a text like `name=value name=value`.

    Parameters
    ----------
    rows : Ibis table
    columns : dict of str to str
        Name to show → column of `rows`.

    Returns
    -------
    Ibis string
    """
    texts = [
        ibis.literal(f"{name}=") + rows[column].cast("string").fill_null("")
        for name, column in columns.items()
    ]
    return ibis.literal(" ").join(texts)


def require_columns(
    wanted: dict[str, str], there: list[str], *, source: SourceSettings, file: str
) -> None:
    """Check that a file has every column that the source maps.

    Parameters
    ----------
    wanted : dict of str to str
        Field → column.
    there : list of str
        The columns of the file.
    source : SourceSettings
    file : str
        Its name.

    Raises
    ------
    MissingColumnError
        Names the missing columns and the existing ones.
    """
    missing = {field: column for field, column in wanted.items() if column not in there}
    if missing:
        needs = ", ".join(f"`{column}` (for `{field}`)" for field, column in missing.items())
        first = next(iter(missing.values()))
        raise MissingColumnError(
            f"The source `{source.name}` maps {needs}, but {file} has no such column. "
            f"Its columns are {listed(there, most=30)}.{did_you_mean(first, there)}"
        )
