"""Where every row went: counts per source, the quarantine, and the limit on rejected rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from microconv.errors import RejectedRowsError
from microconv.ingest.input_files import ROWS_PER_FILE
from microconv.ingest.source_rows import SourceRows
from microconv.settings import IngestSettings
from microconv.storage.files import atomic_write
from microconv.storage.schema import QUARANTINE

REASONS = {
    "bad_json": "the line is not one whole JSON value",
    "not_an_object": "the line is JSON, but not an object (a list, a number, a string)",
    "bad_utf8": "the row is not UTF-8 text",
    "nul_byte": "the row holds a NUL byte",
    "too_long": "the line is longer than any row can be",
    "wrong_columns": "the CSV row has another number of fields than the header",
    "open_quote": "a quotation mark opens in this row and is never closed",
    "truncated": "the file is cut off here: what came before is kept, the rest is missing",
    "no_event": "the row does not name an event",
    "no_prospect": "the row does not name a prospect",
    "bad_id": "an id that is a JSON object or list, not text or a number",
    "no_contact": "a deal that cannot be credited to any contact",
    "no_message": "a message without its id",
    "no_time": "the row has no time",
    "bad_time": "a time that cannot be read",
    "naive_time": "a time without a zone, in a source without `timezone`",
    "implausible_time": "a time outside [plausible_from, plausible_until)",
    "bad_value": "a value that should be a number and is not",
    "bad_type": "a list or an object where a single value is expected",
    "merge_cycle": "two prospects merged into each other; the later merge is rejected",
}
"""Reason codes of rejected rows in the quarantine."""

IGNORE_REASONS = {
    "name": "the event name is in the source's `ignore`",
    "filtered": "left out by the source's `only`, or by the vendor (deleted, a deal still open)",
    "identity": "a call that identifies somebody, not an event",
    "anonymous": "by a visitor who was never identified",
    "no_account": "by somebody without an account, where `unit` is `account`",
}
"""Why a valid row is counted but left out of the log."""


@dataclass
class RowCounts:
    """The rows of one source, counted: `rows = events + duplicates + ignored + rejected`.

    Attributes
    ----------
    rows_of : SourceRows, the rows that are counted
    copies : int
        Events written more than once, because two prospects were merged or a deal is
        credited to several contacts.
    ignored : Counter, reason → rows
    rejected_rows : list of dict, the rows of the quarantine
    """

    rows_of: SourceRows
    rows: int = 0
    events: int = 0
    duplicates: int = 0
    copies: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    event_names: dict[str, int] = field(default_factory=dict)
    rejected_rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def rejected(self) -> dict[str, int]:
        """Number of rejected rows by reason."""
        return dict(sorted(Counter(row["reason"] for row in self.rejected_rows).items()))

    def reject(self, row: int, reason: str, detail: str | None, raw: str | None = None) -> None:
        """Count a row as rejected.

        Parameters
        ----------
        row : int, its number in the source; the quarantine names its file if there are several
        reason : str, one of :data:`REASONS`
        detail : str or None, what exactly is wrong
        raw : str or None, the row as the export has it
        """
        number, line = divmod(row, ROWS_PER_FILE)
        if len(self.rows_of.files) > 1:
            detail = self.rows_of.files[number] + (f": {detail}" if detail else "")
        name = self.rows_of.source.name
        self.rejected_rows.append(
            {"source": name, "row": line, "reason": reason, "detail": detail, "raw": raw}
        )

    def report(self) -> dict[str, Any]:
        """Return the source's entry in `log.json` and in the report."""
        source = self.rows_of.source
        until = source.complete_until
        return {
            "name": source.name,
            "format": source.format,
            "complete_until": None if until is None else until.isoformat(),
            "synthetic_times": None
            if source.synthetic_times is None
            else source.synthetic_times.model_dump(mode="json"),
            "files": self.rows_of.files,
            "rows": self.rows,
            "events": self.events,
            "duplicates": self.duplicates,
            "copies": self.copies,
            "ignored": {reason: n for reason, n in sorted(self.ignored.items()) if n},
            "rejected": self.rejected,
            "event_names": dict(sorted(self.event_names.items())),
        }


def count_rows(rows_of: SourceRows, connection: Any) -> RowCounts:
    """Count the clean rows of a source, and fetch the rejected ones.

    Parameters
    ----------
    rows_of : SourceRows, what cleaning returned
    connection : Ibis connection, runs the queries
    """
    counts, table = RowCounts(rows_of), rows_of.table
    by = ["reason", "ignored"] if "ignored" in table.columns else ["reason"]
    for group in connection.to_pyarrow(table.group_by(by).agg(n=table.count())).to_pylist():
        counts.rows += group["n"]
        if group["reason"] is None and group.get("ignored") is not None:
            counts.ignored[group["ignored"]] += group["n"]
        elif group["reason"] is None:
            counts.events += group["n"]
    rejected = table.filter(table.reason.notnull()).select("row", "reason", "detail", "raw")
    for row in connection.to_pyarrow(rejected.order_by("row")).to_pylist():
        counts.reject(**row)
    if rows_of.format.output != "events":
        kept = table.filter(table.reason.isnull()).drop("row").distinct()
        distinct = connection.to_pyarrow(kept.count()).as_py()
        counts.events, counts.duplicates = distinct, counts.events - distinct
    return counts


def write_quarantine(sources: Sequence[RowCounts], path: Path) -> None:
    """Write every rejected row, by source and row.

    Parameters
    ----------
    sources : sequence of RowCounts, one of each source
    path : Path, the Parquet file to write
    """
    rows = [row for counts in sources for row in counts.rejected_rows]
    with atomic_write(path) as fresh:
        pq.write_table(pa.Table.from_pylist(rows, schema=QUARANTINE), fresh, compression="zstd")


def check_rejected_share(
    sources: Sequence[RowCounts], settings: IngestSettings, *, remedy: str
) -> None:
    """Check that no source has more rejected rows than the settings allow.

    Parameters
    ----------
    sources : sequence of RowCounts, one of each source
    settings : IngestSettings, holds the limit, `max_rejected_share`
    remedy : str, where to look and what to do, the end of the message

    Raises
    ------
    RejectedRowsError
        With the counts by reason and examples, per source.
    """
    limit = settings.max_rejected_share
    sentences = [_describe(c) for c in sources if len(c.rejected_rows) > limit * c.rows]
    if sentences:
        raise RejectedRowsError(
            f"{' '.join(sentences)} That is more than `ingest.max_rejected_share` ({limit:.2%}) "
            f"allows. {remedy}"
        )


def _describe(counts: RowCounts) -> str:
    reasons = ", ".join(f"{n} {code} ({REASONS[code]})" for code, n in counts.rejected.items())
    examples = "; ".join(
        f"row {row['row']} {row['reason']}" + (f" ({row['detail']})" if row["detail"] else "")
        for row in counts.rejected_rows[:3]
    )
    share = len(counts.rejected_rows) / counts.rows
    return (
        f"{len(counts.rejected_rows):,} of {counts.rows:,} rows ({share:.1%}) of the source "
        f"`{counts.rows_of.source.name}` were rejected: {reasons}. For example {examples}."
    )


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write indented JSON.

    Parameters
    ----------
    content : dict, what to write
    path : Path, the file to write
    """
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
