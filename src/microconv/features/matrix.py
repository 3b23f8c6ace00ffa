"""The feature matrix: every family's columns, side by side, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from microconv.errors import SettingsError, did_you_mean, listed
from microconv.features.families import (
    attributes,
    calendar,
    counts,
    exposure,
    ladder,
    path,
    recency,
    tempo,
)
from microconv.features.family import Columns, Family, State
from microconv.histories.arrays import VisibleEvents
from microconv.journey import JourneyMap
from microconv.settings import FeatureSettings

FAMILIES: dict[str, Family] = {
    "counts": cast(Family, counts),
    "recency": cast(Family, recency),
    "tempo": cast(Family, tempo),
    "path": cast(Family, path),
    "ladder": cast(Family, ladder),
    "exposure": cast(Family, exposure),
    "calendar": cast(Family, calendar),
    "attributes": cast(Family, attributes),
}
"""Every family by its name, in the order of the columns. A new family is one line here."""

States = Mapping[str, State]
"""What the fitted families learnt, by name of the family."""


def chosen_families(settings: FeatureSettings, *, fitted: bool) -> dict[str, Family]:
    """Pick the families the settings ask for: the fitted ones, or the stateless ones.

    Raises
    ------
    SettingsError
        If the settings name a family that does not exist.
    """
    for name in settings.families:
        if name not in FAMILIES:
            raise SettingsError(
                f"`features.families` names `{name}`, and there are {listed(FAMILIES)}."
                + did_you_mean(name, FAMILIES)
            )
    return {
        name: family
        for name, family in FAMILIES.items()
        if name in settings.families and fitted == family.FITTED
    }


def column_names(
    journey: JourneyMap, settings: FeatureSettings, states: States, *, fitted: bool
) -> list[str]:
    """Name the columns that :func:`build_features` writes, in its order."""
    return [
        column
        for name, family in chosen_families(settings, fitted=fitted).items()
        for column in family.names(journey, settings, states.get(name, {}))
    ]


def build_features(
    visible: VisibleEvents,
    journey: JourneyMap,
    settings: FeatureSettings,
    states: States,
    *,
    fitted: bool,
) -> Columns:
    """Fill the columns of the stateless families, or of the fitted ones.

    Parameters
    ----------
    visible : VisibleEvents
        `n_rows` questions.
    states : mapping of str to State
        Of the fitted families; empty for the stateless ones.
    fitted : bool
        Which of the two kinds of family to run.

    Returns
    -------
    ndarray of float32, shape (n_columns, n_rows)
        Each column contiguous; nan where a value does not exist.
    """
    chosen = chosen_families(settings, fitted=fitted)
    widths = [len(f.names(journey, settings, states.get(n, {}))) for n, f in chosen.items()]
    out = np.empty((sum(widths), len(visible)), dtype=np.float32)
    first = 0
    for (name, family), width in zip(chosen.items(), widths, strict=True):
        block = out[first : first + width]
        family.fill(block, visible, journey, settings, states.get(name, {}))
        first += width
    return out


def write_columns(path: Path, blocks: Iterable[Columns], names: Iterable[str]) -> None:
    """Write feature columns as Parquet, a row group per block of rows.

    Float32, plain, lz4, without statistics: the cheapest encoding to write and to
    read again. Most cells are zero or nan, which lz4 folds away, and nobody filters a
    feature matrix.
    """
    schema = pa.schema([(name, pa.float32()) for name in names])
    writer = pq.ParquetWriter(
        path,
        schema,
        compression="lz4",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    )
    with writer:
        for columns in blocks:
            table = pa.table([pa.array(column) for column in columns], schema=schema)
            writer.write_table(table)


def read_columns(path: Path) -> tuple[Columns, list[str]]:
    """Read what :func:`write_columns` wrote, into one array."""
    table = pq.read_table(path, memory_map=True, use_threads=False)
    out = np.empty((table.num_columns, table.num_rows), dtype=np.float32)
    for position, column in enumerate(table.columns):
        out[position] = column.to_numpy()
    return out, table.column_names
