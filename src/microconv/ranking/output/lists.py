"""Writing a list: CSV and Excel for people, Parquet and JSON lines for programs, a manifest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from microconv.ranking.event_inputs import as_table
from microconv.ranking.output.past_lists import FORMAT, MANIFEST, NAMES
from microconv.ranking.output.spreadsheets import as_csv, as_json_lines, write_workbook
from microconv.ranking.ranked_list import Ranking, grades_version
from microconv.storage.files import atomic_write, md5_of


@dataclass(frozen=True)
class Provenance:
    """What a list was made from.

    Attributes
    ----------
    log, model : Path
        Folders whose md5 the manifest records.
    status : {"preview", "champion"}
        A preview comes from a model that was not promoted: not for calling.
    version : str or None
        The model's version, if it comes from the registry.
    """

    log: Path
    model: Path
    status: Literal["preview", "champion"] = "preview"
    version: str | None = None


@dataclass(frozen=True)
class ListFiles:
    """The files of a list."""

    prospects: Path
    csv: Path
    xlsx: Path
    json_lines: Path
    manifest: Path

    @classmethod
    def in_folder(cls, folder: Path) -> ListFiles:
        """Return the files of a list in a folder of its own."""
        files = {kind: folder / name for kind, name in NAMES.items()}
        return cls(manifest=folder / MANIFEST, **files)


def write_list(
    ranking: Ranking, provenance: Provenance, files: ListFiles, *, valid_for: timedelta
) -> dict[str, Any]:
    """Write a list in every format, and last the manifest with their md5.

    The details are in Parquet and JSON lines only. Each file is replaced as a whole. A run
    interrupted between two files is detected by its manifest, which has other md5 sums.

    Parameters
    ----------
    ranking : Ranking
    provenance : Provenance
    files : ListFiles
    valid_for : timedelta
        How long after `as_of` the list may be used.

    Returns
    -------
    dict
        The manifest.
    """
    with atomic_write(files.prospects) as fresh:
        pq.write_table(_with_details(ranking), fresh)
    with atomic_write(files.csv) as fresh:
        # with a byte order mark: without one, spreadsheets read "Zoë" as "ZoÃ«"
        fresh.write_text(as_csv(ranking.frame), encoding="utf-8-sig", newline="")
    with atomic_write(files.xlsx) as fresh:
        write_workbook(ranking.frame, fresh, as_of=ranking.as_of)
    with atomic_write(files.json_lines) as fresh:
        fresh.write_text(as_json_lines(ranking.frame, ranking.details), encoding="utf-8")
    content = manifest_of(ranking, provenance, valid_for=valid_for)
    content["files"] = {kind: md5_of(getattr(files, kind)) for kind in NAMES}
    with atomic_write(files.manifest) as fresh:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        fresh.write_text(text + "\n", encoding="utf-8")
    return content


def manifest_of(
    ranking: Ranking, provenance: Provenance, *, valid_for: timedelta
) -> dict[str, Any]:
    """Return the manifest of a list, without the md5 of its files.

    The list id is a hash of its inputs: the same log, model and options give the same id on
    every machine.

    Parameters
    ----------
    ranking : Ranking
    provenance : Provenance
    valid_for : timedelta
    """
    log, model = md5_of(provenance.log), md5_of(provenance.model)
    shape = {
        "limit": ranking.limit,
        "grades": ranking.grades,
        "selection_rules": ranking.selection_rules,
        "previous_list": ranking.previous_list,
        "measurement": ranking.measurement_md5,
    }
    facts = [log, model, _iso(ranking.as_of), shape, provenance.status, provenance.version]
    short = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:8]
    return {
        "format": FORMAT,
        "list_id": f"{ranking.as_of:%Y%m%d}-{short}",
        "status": provenance.status,
        "as_of": _iso(ranking.as_of),
        "valid_until": _iso(ranking.as_of + valid_for),
        "horizon_days": ranking.horizon / timedelta(days=1),
        "model": {
            "version": provenance.version,
            "md5": model,
            "learnt_until": None if ranking.learnt_until is None else _iso(ranking.learnt_until),
        },
        "log": {"md5": log},
        "counts": {
            "prospects": ranking.prospects,
            "known": ranking.known,
            "scored": ranking.scored,
            "listed": len(ranking.frame),
            "left_out": ranking.left_out,
            "exits": ranking.exits,
        },
        "limit": ranking.limit,
        "selection_rules": ranking.selection_rules,
        "previous_list": ranking.previous_list,
        "measurement": {"md5": ranking.measurement_md5},
        "grades": ranking.grades,
        "grades_version": None if ranking.grades is None else grades_version(ranking.grades),
        "readiness": ranking.readiness,
        "columns": _with_details(ranking).column_names,
        "notes": list(ranking.notes),
    }


def _with_details(ranking: Ranking) -> pa.Table:
    table, details = as_table(ranking.frame), ranking.details
    if details is not None:
        for field in details.schema:
            table = table.append_column(field, details.column(field.name))
    return table


def _iso(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
