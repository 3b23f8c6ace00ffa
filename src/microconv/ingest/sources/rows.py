"""The common raw table: what every reader makes of a file, before anything is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import ibis
import pyarrow as pa

from microconv.errors import MissingColumnError, did_you_mean, listed
from microconv.ingest.clean.times import Clock
from microconv.ingest.duckdb_engine import epoch_us
from microconv.ingest.input_files import InputFile
from microconv.settings import SourceSettings

REFUSED = (
    pa.field("row", pa.int64()),
    pa.field("reason", pa.string()),
    pa.field("detail", pa.string()),
    pa.field("raw", pa.string()),
)
"""Columns that every stream of rows begins with: all but `row` null for a readable row."""

EVENT_FIELDS = (
    "prospect_id", "email", "anonymous_id", "account_id", "time", "known_at", "event", "value",
    "event_id", "message_id", "campaign_id", "variant", "channel", "link", "category", "address",
    "client",
)  # fmt: skip
"""Fields that the `columns` of a source of events may fill."""

PROPERTY = "property:"
ATTRIBUTE = "attribute:"
"""What the names of property and attribute columns begin with in the common table."""

SEPARATOR = "\x1f"
"""Stands between the categories of one row, and between fields that are hashed together."""


@dataclass(frozen=True)
class Rows:
    """The rows of some files: `row`, `reason`, `detail`, `raw`, and one column per field.

    Attributes
    ----------
    table : Ibis table
        Fields the file cannot have are absent; a refused row has its reason.
    text : function of a table → Ibis string
        Writes a row out for the quarantine. Only called for refused rows.
    content : function of a table → Ibis string
        All that a row says, but not when it became known: what makes two rows
        without an id of their own the same row.
    clocks : mapping of str to Clock
        Field → how the vendor writes its instant, where that is always the same.
    """

    table: Any
    text: Callable[[Any], Any]
    content: Callable[[Any], Any]
    clocks: Mapping[str, Clock] = field(default_factory=dict)


class Reader(Protocol):
    """How one format is read."""

    def __call__(
        self, files: Sequence[InputFile], source: SourceSettings, connection: Any
    ) -> AbstractContextManager[Rows]:
        """Read files that are alike as one :class:`Rows`, usable inside the context."""
        ...


def wanted_properties(source: SourceSettings) -> list[str]:
    """List the properties that the source's naming rules and its `only` look at, sorted."""
    return sorted({name for rule in source.rules for name in rule.property} | set(source.only))


def joined(values: list[Any]) -> Any:
    """Join columns into one text, so that different rows give different texts."""
    counted = [
        epoch_us(value.cast("timestamp('UTC')")) if value.type().is_timestamp() else value
        for value in values
    ]
    texts = [value.cast("string").fill_null("\x1e") for value in counted]
    return ibis.literal(SEPARATOR).join(texts)


def written_out(rows: Any, columns: dict[str, str]) -> Any:
    """Write a row out as `name=value name=value`.

    Parameters
    ----------
    columns : dict of str to str
        Name to show → column of `rows`.
    """
    texts = [
        ibis.literal(f"{name}=") + rows[column].cast("string").fill_null("")
        for name, column in columns.items()
    ]
    return ibis.literal(" ").join(texts)


def require_columns(
    wanted: dict[str, str], there: list[str], *, source: SourceSettings, file: str
) -> None:
    """Check that a file has every column that is mapped.

    Parameters
    ----------
    wanted : dict of str to str
        What it is needed for → the column.
    there : list of str
        The columns of the file.

    Raises
    ------
    MissingColumnError
        Naming the missing columns and the ones there are.
    """
    missing = {field: column for field, column in wanted.items() if column not in there}
    if missing:
        needs = ", ".join(f"`{column}` (for `{field}`)" for field, column in missing.items())
        first = next(iter(missing.values()))
        raise MissingColumnError(
            f"The source `{source.name}` maps {needs}, but {file} has no such column. "
            f"Its columns are {listed(there, most=30)}.{did_you_mean(first, there)}"
        )
