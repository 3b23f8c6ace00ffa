"""Reading a list that was made earlier: only whole, only as its manifest vouches for it."""

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
"""Version of the manifest's layout."""

NAMES = {
    "prospects": "prospects.parquet",
    "csv": "prospects.csv",
    "xlsx": "prospects.xlsx",
    "json_lines": "prospects.jsonl",
}
"""Kind of file, as the manifest calls it → its name beside the manifest."""

MANIFEST = "prospects_manifest.json"

NEEDED = ("rank", "prospect_id", "probability")
"""Columns that a list has, whoever made it."""


@dataclass(frozen=True)
class PastList:
    """A list as it was written.

    Attributes
    ----------
    frame : DataFrame
        The table `ranked`, best first.
    manifest : dict
        What vouches for it.
    """

    frame: pd.DataFrame = field(repr=False)
    manifest: dict[str, Any] = field(repr=False)

    @property
    def as_of(self) -> datetime:
        """When it was asked for."""
        return datetime.fromisoformat(self.manifest["as_of"])


def read_list(folder: str | Path, *, at: datetime | None) -> PastList:
    """Read a list, if it is the one its manifest vouches for and has not expired.

    Parameters
    ----------
    folder : path
        Holds `prospects_manifest.json` and `prospects.parquet`, perhaps the other files.
    at : datetime or None
        The instant at which the list is to be used, with its time zone; None reads an
        expired one too, as those must who look back.

    Raises
    ------
    MissingInputError
        If there is no list.
    ListError
        If a file is not the one that was vouched for, the layout is another, or the list
        may no longer be used.
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
    missing = [name for name in NEEDED if name not in frame]
    if missing:
        raise ListError(
            f"The list in {folder} has no column {listed(missing)}: it has "
            f"{listed(frame.columns)}. Name a list that `microconv score` wrote."
        )
    return PastList(frame, manifest)


def require_valid(manifest: dict[str, Any], at: datetime) -> None:
    """Refuse a list whose time is over at an instant: ``at`` must lie before `valid_until`.

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
            f"The list {manifest['list_id']} could be used until {manifest['valid_until']}, and "
            f"it is {at:%Y-%m-%dT%H:%M:%SZ}: what happened since is not in it. Make a new one."
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
    layout = manifest.get("format") if isinstance(manifest, dict) else None
    if layout != FORMAT:
        raise ListError(
            f"{path} has the layout {layout!r}, and this version of microconv reads {FORMAT}. "
            "Make the list again with this version, or leave it out."
        )
    keys = ("list_id", "as_of", "valid_until", "files")
    missing = [name for name in keys if name not in manifest]
    if missing:
        raise ListError(f"{path} does not say {listed(missing)}. It is no manifest of a list.")
    content: dict[str, Any] = manifest
    return content


def _require_whole(folder: Path, manifest: dict[str, Any]) -> None:
    """Compare the files with their sums: a run cut short between two files is found here."""
    if not (folder / NAMES["prospects"]).exists():
        raise MissingInputError(f"There is no {NAMES['prospects']} in {folder}, only its manifest.")
    other = [
        NAMES[kind]
        for kind, md5 in manifest["files"].items()
        if kind in NAMES and (folder / NAMES[kind]).exists() and md5_of(folder / NAMES[kind]) != md5
    ]
    if other or "prospects" not in manifest["files"]:
        raise ListError(
            f"The manifest in {folder} does not vouch for {listed(other or [NAMES['prospects']])}: "
            "the md5 is another. The file was changed, or a run was cut short; make the list again."
        )
