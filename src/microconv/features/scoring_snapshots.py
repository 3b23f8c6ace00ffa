"""The newest questions of a log, whose outcome nobody knows yet: those that will be scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from microconv.features.family import Columns
from microconv.features.matrix import read_columns


@dataclass(frozen=True)
class ScoringFeatures:
    """The columns of the newest instant that was asked at.

    Attributes
    ----------
    as_of : str
        In ISO form.
    names : list of str
        Columns of the stateless families.
    values : ndarray of float32, shape (n_columns, n_rows)
    """

    as_of: str
    names: list[str]
    values: Columns = field(repr=False)


def load_scoring_features(snapshots: Path, features: Path) -> ScoringFeatures | None:
    """Gather the newest questions of every bucket; None if nobody was asked at all.

    Parameters
    ----------
    snapshots, features : Path
        Folders with a Parquet file per bucket, row for row alike.
    """
    files = sorted(snapshots.glob("*.parquet"))
    asked = [pq.read_table(file, columns=["as_of"])["as_of"] for file in files]
    newest = max((pc.max(column).as_py() for column in asked if len(column)), default=None)
    if newest is None:
        return None
    parts: list[Columns] = []
    names: list[str] = []
    for file, column in zip(files, asked, strict=True):
        rows = np.asarray(pc.equal(column, newest).to_numpy(), dtype=bool)
        columns, names = read_columns(features / file.name)
        parts.append(columns[:, rows])
    return ScoringFeatures(newest.isoformat(), names, np.concatenate(parts, axis=1))
