"""Lists that were made before, as they were: the manifest vouches for every row."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from microconv.errors import MissingInputError
from microconv.events.files import md5_of

MANIFEST = "prospects_manifest.json"
PROSPECTS = "prospects.parquet"

NEEDED = ("prospect_id", "rank", "probability", "grade")
"""Columns without which a list cannot be held against what happened."""

RANKED = "rank"
"""`listed_because` of whoever is on a list for being among the best; lists that say nothing
hold nobody else."""


@dataclass(frozen=True)
class PastList:
    """A list that was made once.

    Attributes
    ----------
    manifest : dict
    rows : DataFrame
        As they were listed.
    """

    manifest: dict[str, Any]
    rows: pd.DataFrame = field(repr=False)

    @property
    def name(self) -> str:
        """Its id."""
        return str(self.manifest["list_id"])

    @property
    def as_of(self) -> datetime:
        """The instant it was asked at."""
        return datetime.fromisoformat(self.manifest["as_of"])

    @property
    def horizon(self) -> timedelta:
        """How far ahead it promised."""
        return timedelta(days=self.manifest["horizon_days"])


def past_lists(folder: Path) -> tuple[list[PastList], dict[str, str]]:
    """Read every list below a folder, each once, the earliest first.

    Parameters
    ----------
    folder : Path
        Holds lists, each in a folder of its own at any depth.

    Returns
    -------
    lists : list of PastList
    refused : dict of str to str
        Folder → why its list cannot be used.

    Raises
    ------
    MissingInputError
        If there is no list at all.
    """
    lists: dict[str, PastList] = {}
    refused: dict[str, str] = {}
    manifests = sorted(folder.rglob(MANIFEST))
    if not manifests:
        raise MissingInputError(
            f"There is no list below {folder} (no {MANIFEST}). Keep each list that "
            "`microconv score` writes in a folder of its own, and name the folder that holds them."
        )
    for at in manifests:
        place = str(at.parent.relative_to(folder))
        found = _read(at)
        if isinstance(found, str):
            refused[place] = found
        else:
            lists.setdefault(found.name, found)
    return sorted(lists.values(), key=lambda one: (one.as_of, one.name)), refused


def _read(at: Path) -> PastList | str:
    try:
        manifest = json.loads(at.read_text(encoding="utf-8"))
        promised = manifest["files"]["prospects"]
        file = at.with_name(PROSPECTS)
        if md5_of(file) != promised:
            return f"{PROSPECTS} is not the file that the manifest vouches for"
        past = PastList(manifest, pd.read_parquet(file))
        missing = [name for name in NEEDED if name not in past.rows]
        if missing:
            return f"the list has no column {', '.join(missing)}"
        _ = past.name, past.as_of, past.horizon  # all that will be asked of the manifest
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"it cannot be read ({type(error).__name__}: {error})"
    return past
