"""The feature matrix: the columns of every family, in one order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

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
from microconv.features.family import Columns, Family, Spec, State
from microconv.histories.arrays import Histories, Int64, VisibleEvents
from microconv.journey import JourneyMap
from microconv.settings import EngineSettings, FeatureSettings

FAMILIES: dict[str, Family] = {
    "counts": counts.FAMILY,
    "recency": recency.FAMILY,
    "tempo": tempo.FAMILY,
    "path": path.FAMILY,
    "ladder": ladder.FAMILY,
    "exposure": exposure.FAMILY,
    "calendar": calendar.FAMILY,
    "attributes": attributes.FAMILY,
}
"""Every family by its name, in the order of the columns. A new family is one line here."""

CELLS_PER_EVENT = 6
"""Cells of float32 that a copied event takes: its time, step, value and human_probability."""

States = Mapping[str, State]
"""The states of the fitted families, by name of the family."""


def family_names(settings: FeatureSettings) -> tuple[str, ...]:
    """Return the names of the chosen families, with ``all`` replaced by every name.

    Raises
    ------
    SettingsError
        If the settings name a family that does not exist.
    """
    if settings.families == "all":
        return tuple(FAMILIES)
    for name in settings.families:
        if name not in FAMILIES:
            raise SettingsError(
                f"`features.families` names `{name}`, and there are {listed(FAMILIES)}."
                + did_you_mean(name, FAMILIES)
            )
    return settings.families


def families_of(settings: FeatureSettings, *, fitted: bool) -> dict[str, Family]:
    """Return the families that the settings choose: either the fitted or the stateless ones.

    Parameters
    ----------
    settings : FeatureSettings
    fitted : bool
        Which of the two kinds.

    Returns
    -------
    dict of str to Family
        In the order of the columns.

    Raises
    ------
    SettingsError
        If the settings name a family that does not exist.
    """
    chosen = family_names(settings)
    return {n: f for n, f in FAMILIES.items() if n in chosen and fitted == (f.fit is not None)}


def column_names(
    journey: JourneyMap, settings: FeatureSettings, states: States, *, fitted: bool
) -> list[str]:
    """Return the names of the columns that :func:`build_features` writes, in its order.

    Parameters
    ----------
    journey : JourneyMap
    settings : FeatureSettings
    states : mapping of str to State
        Of the fitted families; empty for the stateless ones.
    fitted : bool
        Which of the two kinds of family.

    Returns
    -------
    list of str
    """
    return [
        column
        for name, family in families_of(settings, fitted=fitted).items()
        for column in family.names(Spec(journey, settings, states.get(name, {})))
    ]


def build_features(
    visible: VisibleEvents,
    journey: JourneyMap,
    settings: FeatureSettings,
    states: States,
    *,
    fitted: bool,
) -> Columns:
    """Build the columns of the stateless families, or of the fitted ones.

    Parameters
    ----------
    visible : VisibleEvents
        Of `n_rows` snapshots.
    journey : JourneyMap
    settings : FeatureSettings
    states : mapping of str to State
        Of the fitted families; empty for the stateless ones.
    fitted : bool
        Which of the two kinds of family.

    Returns
    -------
    ndarray of float32, shape (n_columns, n_rows)
        Each column contiguous; nan where a value does not exist.
    """
    chosen = families_of(settings, fitted=fitted)
    specs = {name: Spec(journey, settings, states.get(name, {})) for name in chosen}
    widths = [len(family.names(specs[name])) for name, family in chosen.items()]
    out = np.empty((sum(widths), len(visible)), dtype=np.float32)
    first = 0
    for (name, family), width in zip(chosen.items(), widths, strict=True):
        family.fill(out[first : first + width], visible, specs[name])
        first += width
    return out


def block_cells(engine: EngineSettings) -> int:
    """Return how many float32 cells of columns and copied events make a block.

    Examples
    --------
    >>> block_cells(EngineSettings(memory_gb=1)), block_cells(EngineSettings(memory_gb=64))
    (25000000, 100000000)
    """
    return engine.block_bytes // 4


DEFAULT_CELLS = block_cells(EngineSettings())


def row_blocks(
    histories: Histories, prospect: Int64, *, n_columns: int, cells: int = DEFAULT_CELLS
) -> Iterator[slice]:
    """Split snapshots into blocks whose columns and copied events fit into memory.

    A snapshot that is too large on its own is a block of its own.

    Parameters
    ----------
    histories : Histories
    prospect : ndarray of int64, shape (n_rows,)
        The prospect of each snapshot.
    n_columns : int
    cells : int
        Upper bound of a block.

    Yields
    ------
    slice
        Consecutive rows; one empty slice where there is no snapshot.
    """
    lengths = (histories.offsets[1:] - histories.offsets[:-1])[prospect]
    total = np.cumsum(n_columns + CELLS_PER_EVENT * lengths)
    begin, used = 0, 0
    while begin < len(total):
        end = max(begin + 1, int(np.searchsorted(total, used + cells, side="right")))
        yield slice(begin, end)
        begin, used = end, int(total[end - 1])
    if len(total) == 0:
        yield slice(0, 0)


def write_columns(path: Path, blocks: Iterable[Columns], names: Iterable[str]) -> None:
    """Write feature columns as Parquet, one row group per block of rows.

    Plain float32 with lz4 and without statistics is the cheapest to write and to read:
    most cells are zero or nan, and a feature matrix is always read whole.

    Parameters
    ----------
    path : Path
    blocks : iterable of ndarray of float32, each of shape (n_columns, n_its_rows)
    names : iterable of str
    """
    schema = pa.schema([(name, pa.float32()) for name in names])
    with pq.ParquetWriter(
        path,
        schema,
        compression="lz4",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    ) as writer:
        for columns in blocks:
            table = pa.table([pa.array(column) for column in columns], schema=schema)
            writer.write_table(table)


def read_columns(path: Path) -> tuple[Columns, list[str]]:
    """Read into one array what :func:`write_columns` wrote; return columns and names."""
    table = pq.read_table(path, memory_map=True, use_threads=False)
    out = np.empty((table.num_columns, table.num_rows), dtype=np.float32)
    for position, column in enumerate(table.columns):
        out[position] = column.to_numpy()
    return out, table.column_names
