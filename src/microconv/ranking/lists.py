"""Lists as files: CSV for people, Parquet for programs, and the manifest that vouches for both."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow.parquet as pq

from microconv.events.files import md5_of, replacing
from microconv.ranking.inputs import as_table
from microconv.ranking.ranked import Ranking

FORMAT = 1
"""Version of the manifest's layout."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for the beginning of a formula, in either width."""

DECIMALS = {"probability": 6, "percentile": 2, "amount": 2, "expected_value": 2}
"""How far the CSV is written out; the Parquet file keeps every bit."""


@dataclass(frozen=True)
class Origin:
    """What a list was made from, and how far it may be trusted.

    Attributes
    ----------
    log, model : Path
        The folders whose md5 the manifest records.
    status : {"preview", "champion"}
        A preview comes from a model that nobody has promoted: not for calling.
    version : str or None
        The model's version in the registry, where it came from there.
    """

    log: Path
    model: Path
    status: Literal["preview", "champion"] = "preview"
    version: str | None = None


@dataclass(frozen=True)
class ListFiles:
    """Where a list is written."""

    prospects: Path
    csv: Path
    manifest: Path


def write_list(
    ranking: Ranking, origin: Origin, files: ListFiles, *, valid_for: timedelta
) -> dict[str, Any]:
    """Write a list as Parquet and CSV, and last the manifest that holds their md5.

    Each file is replaced as a whole. Whoever reads them can tell a list that
    was interrupted between two files: its manifest has other sums.

    Parameters
    ----------
    ranking : Ranking
    origin : Origin
    files : ListFiles
    valid_for : timedelta
        How long after `as_of` the list may be used.

    Returns
    -------
    dict
        The manifest.
    """
    with replacing(files.prospects) as fresh:
        pq.write_table(as_table(ranking.frame), fresh)
    with replacing(files.csv) as fresh:
        # with a byte order mark: without one, spreadsheets read "Zoë" as "ZoÃ«"
        fresh.write_text(as_csv(ranking.frame), encoding="utf-8-sig", newline="")
    content = manifest_of(ranking, origin, valid_for=valid_for)
    content["files"] = {"csv": md5_of(files.csv), "prospects": md5_of(files.prospects)}
    with replacing(files.manifest) as fresh:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        fresh.write_text(text + "\n", encoding="utf-8")
    return content


def manifest_of(ranking: Ranking, origin: Origin, *, valid_for: timedelta) -> dict[str, Any]:
    """Say all that must be known of a list before it is used.

    The list's id follows from its inputs alone: the same log, model and
    question make the same id on every machine.
    """
    log, model = md5_of(origin.log), md5_of(origin.model)
    shape = {"limit": ranking.limit, "grades": ranking.grades}
    facts = [log, model, _iso(ranking.as_of), shape, origin.status, origin.version]
    short = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:8]
    return {
        "format": FORMAT,
        "list_id": f"{ranking.as_of:%Y%m%d}-{short}",
        "status": origin.status,
        "as_of": _iso(ranking.as_of),
        "valid_until": _iso(ranking.as_of + valid_for),
        "horizon_days": ranking.horizon / timedelta(days=1),
        "model": {"version": origin.version, "md5": model},
        "log": {"md5": log},
        "counts": {
            "prospects": ranking.prospects,
            "known": ranking.known,
            "scored": ranking.scored,
            "listed": len(ranking.frame),
            "left_out": ranking.left_out,
        },
        "limit": ranking.limit,
        "grades": ranking.grades,
        "readiness": ranking.readiness,
        "columns": list(ranking.frame.columns),
        "notes": list(ranking.notes),
    }


def as_csv(frame: pd.DataFrame) -> str:
    r"""Write a list as CSV text that a spreadsheet shows and never runs.

    A cell that could begin a formula gets a leading apostrophe, reasons
    included. Lines end as RFC 4180 has it, so that a lone carriage return in a
    name is quoted like any line break.

    Examples
    --------
    >>> as_csv(pd.DataFrame({"rank": [1], "name": ["=HYPERLINK(1)"]}))
    "rank,name\r\n1,'=HYPERLINK(1)\r\n"
    """
    safe = frame.copy()
    for name in safe.columns:
        column = safe[name]
        places = DECIMALS["probability"] if name.startswith("probability") else DECIMALS.get(name)
        if places is not None:
            safe[name] = column.round(places)
        elif isinstance(column.dtype, pd.DatetimeTZDtype):
            safe[name] = column.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        elif not pd.api.types.is_numeric_dtype(column.dtype):
            safe[name] = column.map(inert, na_action="ignore")
    return str(safe.to_csv(index=False, lineterminator="\r\n"))


def inert(cell: object) -> object:
    """Put an apostrophe before text that a spreadsheet might run.

    Examples
    --------
    >>> inert("-2+3"), inert("Ada"), inert(-2.0)
    ("'-2+3", 'Ada', -2.0)
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _iso(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
