"""Where every row went: counts per source, the quarantine, and the limit on refusals."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from microconv.errors import RejectedRowsError
from microconv.ingest.input_files import ROWS_OF_A_FILE
from microconv.ingest.reject_reasons import REASONS
from microconv.ingest.staging import Staged
from microconv.settings import IngestSettings
from microconv.storage.files import atomic_write
from microconv.storage.schema import QUARANTINE


@dataclass
class Tally:
    """The rows of one source, counted: `rows = events + duplicates + ignored + quarantined`.

    Attributes
    ----------
    copies : int
        Events written again, because two prospects were merged or a deal is
        credited to several contacts.
    refused : list of dict
        The quarantined rows.
    """

    staged: Staged
    rows: int = 0
    events: int = 0
    duplicates: int = 0
    copies: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    event_names: dict[str, int] = field(default_factory=dict)
    refused: list[dict[str, Any]] = field(default_factory=list)

    @property
    def quarantined(self) -> dict[str, int]:
        """Count the refused rows by reason."""
        return dict(sorted(Counter(row["reason"] for row in self.refused).items()))

    def refuse(self, row: int, reason: str, detail: str | None, raw: str | None = None) -> None:
        """Count a row as refused; with several files, the detail names the row's own."""
        number, line = divmod(row, ROWS_OF_A_FILE)
        if len(self.staged.files) > 1:
            detail = self.staged.files[number] + (f": {detail}" if detail else "")
        name = self.staged.source.name
        self.refused.append(
            {"source": name, "row": line, "reason": reason, "detail": detail, "raw": raw}
        )

    def facts(self) -> dict[str, Any]:
        """Say it for `log.json` and for the report."""
        source = self.staged.source
        until = source.complete_until
        return {
            "name": source.name,
            "format": source.format,
            "complete_until": None if until is None else until.isoformat(),
            "synthetic_times": None
            if source.synthetic_times is None
            else source.synthetic_times.model_dump(mode="json"),
            "files": self.staged.files,
            "rows": self.rows,
            "events": self.events,
            "duplicates": self.duplicates,
            "copies": self.copies,
            "ignored": {reason: n for reason, n in sorted(self.ignored.items()) if n},
            "quarantined": self.quarantined,
            "event_names": dict(sorted(self.event_names.items())),
        }


def count_staged(staged: Staged, connection: Any) -> Tally:
    """Count what cleaning made of a source's rows, and fetch the refused ones."""
    tally = Tally(staged)
    table = staged.table
    by = ["reason", "ignored"] if "ignored" in table.columns else ["reason"]
    for group in connection.to_pyarrow(table.group_by(by).agg(n=table.count())).to_pylist():
        tally.rows += group["n"]
        if group["reason"] is None and group.get("ignored") is not None:
            tally.ignored[group["ignored"]] += group["n"]
        elif group["reason"] is None:
            tally.events += group["n"]
    refused = table.filter(table.reason.notnull()).select("row", "reason", "detail", "raw")
    for row in connection.to_pyarrow(refused.order_by("row")).to_pylist():
        tally.refuse(**row)
    if staged.format.makes != "events":
        kept = table.filter(table.reason.isnull()).drop("row").distinct()
        distinct = connection.to_pyarrow(kept.count()).as_py()
        tally.events, tally.duplicates = distinct, tally.events - distinct
    return tally


def write_quarantine(tallies: list[Tally], path: Path) -> None:
    """Write every refused row, by source and row."""
    rows = [row for tally in tallies for row in tally.refused]
    with atomic_write(path) as fresh:
        pq.write_table(pa.Table.from_pylist(rows, schema=QUARANTINE), fresh, compression="zstd")


def refuse_if_too_many(tallies: list[Tally], settings: IngestSettings, quarantine: Path) -> None:
    """Stop if a source has too many refused rows.

    Raises
    ------
    RejectedRowsError
        With the counts by reason and examples, per source.
    """
    sentences = too_many_refused(tallies, settings)
    if sentences is not None:
        raise RejectedRowsError(
            f"{sentences} All refused rows are in {quarantine}; the log was not written. Mend the "
            "export, or raise the limit."
        )


def too_many_refused(tallies: list[Tally], settings: IngestSettings) -> str | None:
    """Name the sources with more refused rows than the settings allow; None if there are none."""
    limit = settings.max_rejected_share
    sentences = [_complaint(t) for t in tallies if len(t.refused) > limit * t.rows]
    if not sentences:
        return None
    allowed = f"That is more than `ingest.max_rejected_share` ({limit:.2%}) allows."
    return " ".join([*sentences, allowed])


def _complaint(tally: Tally) -> str:
    reasons = ", ".join(f"{n} {code} ({REASONS[code]})" for code, n in tally.quarantined.items())
    examples = "; ".join(
        f"row {row['row']} {row['reason']}" + (f" ({row['detail']})" if row["detail"] else "")
        for row in tally.refused[:3]
    )
    share = len(tally.refused) / tally.rows
    return (
        f"{len(tally.refused):,} of {tally.rows:,} rows ({share:.1%}) of the source "
        f"`{tally.staged.source.name}` were refused: {reasons}. For example {examples}."
    )


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write JSON that people read, too."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
