"""Reading a list that was made earlier, after checking it against its manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from microconv.errors import ListError, MissingInputError, TimeError, listed
from microconv.storage.files import md5_of

FORMAT = 2
"""Version of the manifest format."""

NAMES = {
    "prospects": "prospects.parquet",
    "csv": "prospects.csv",
    "xlsx": "prospects.xlsx",
    "json_lines": "prospects.jsonl",
}
"""Kind of file in the manifest → file name."""

MANIFEST = "prospects_manifest.json"

REQUIRED = ("rank", "prospect_id", "probability")
"""Columns that every list has."""


@dataclass(frozen=True)
class PastList:
    """A list as it was written.

    Attributes
    ----------
    frame : DataFrame
        The table `ranked`, best first.
    manifest : dict
        Its inputs, counts, validity and md5 sums.
    """

    frame: pd.DataFrame = field(repr=False)
    manifest: dict[str, Any] = field(repr=False)

    @property
    def as_of(self) -> datetime:
        """The instant of the list."""
        return datetime.fromisoformat(self.manifest["as_of"])


def read_list(folder: str | Path, *, at: datetime | None) -> PastList:
    """Read a list that matches its manifest and has not expired.

    Parameters
    ----------
    folder : path
        With `prospects_manifest.json` and `prospects.parquet`.
    at : datetime or None
        When the list is to be used, with its time zone; None also reads an expired list, for
        looking back.

    Raises
    ------
    MissingInputError
        If there is no list.
    ListError
        If a file does not match the manifest, its format is another one, or the list
        has expired.
    TimeError
        If `at` is naive.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder / MANIFEST)
    _require_whole(folder, manifest)
    if at is not None:
        require_valid(manifest, at)
    try:
        frame = pd.read_parquet(folder / NAMES["prospects"])
    except (OSError, pa.ArrowInvalid) as error:
        raise ListError(f"{folder / NAMES['prospects']} is not readable: {error}.") from None
    missing = [name for name in REQUIRED if name not in frame]
    if missing:
        raise ListError(
            f"The list in {folder} has no column {listed(missing)}: it has "
            f"{listed(frame.columns)}. Name a list that `microconv score` wrote."
        )
    return PastList(frame, manifest)


def require_valid(manifest: dict[str, Any], at: datetime) -> None:
    """Require that a list has not expired: ``at`` must be before `valid_until`.

    Parameters
    ----------
    manifest : dict
    at : datetime

    Raises
    ------
    ListError
    TimeError
        If `at` is naive.
    """
    if at.tzinfo is None:
        raise TimeError(f"The instant {at} has no time zone. Write it with one, like {at}+00:00.")
    if datetime.fromisoformat(manifest["valid_until"]) <= at:
        raise ListError(
            f"The list {manifest['list_id']} was valid until {manifest['valid_until']}, and it "
            f"is {at:%Y-%m-%dT%H:%M:%SZ}: what happened since is not in it. Score again."
        )


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingInputError(
            f"There is no list in {path.parent}: it has no {path.name}. Name the folder that "
            "`microconv score --out` wrote."
        ) from None
    except (OSError, ValueError) as error:
        raise ListError(f"{path} is not readable as a manifest: {error}.") from None
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if version != FORMAT:
        raise ListError(
            f"{path} has format {version!r}, and this version of microconv reads format {FORMAT}. "
            "Score again with this version, or leave the list out."
        )
    keys = ("list_id", "as_of", "valid_until", "files")
    missing = [name for name in keys if name not in manifest]
    if missing:
        raise ListError(f"{path} has no {listed(missing)}: it is not the manifest of a list.")
    content: dict[str, Any] = manifest
    return content


def _require_whole(folder: Path, manifest: dict[str, Any]) -> None:
    """Compare the files with their md5: this detects an interrupted run."""
    if not (folder / NAMES["prospects"]).exists():
        raise MissingInputError(f"There is no {NAMES['prospects']} in {folder}, only its manifest.")
    other = [
        NAMES[kind]
        for kind, md5 in manifest["files"].items()
        if kind in NAMES and (folder / NAMES[kind]).exists() and md5_of(folder / NAMES[kind]) != md5
    ]
    if other or "prospects" not in manifest["files"]:
        raise ListError(
            f"{listed(other or [NAMES['prospects']])} in {folder} does not match the manifest: the "
            "md5 differs. The file was changed, or a run was interrupted; score again."
        )
