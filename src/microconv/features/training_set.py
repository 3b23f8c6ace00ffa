"""The training set: every snapshot with its features and what is known of its outcome."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from microconv.errors import EventLogError, NotEnoughDataError, listed
from microconv.features.family import Columns, State
from microconv.features.matrix import build_features, column_names, families_of, read_columns
from microconv.features.row_view import RowView
from microconv.histories.arrays import Histories, Int64, VisibleEvents
from microconv.histories.load import concat_histories, load_histories
from microconv.histories.snapshots import SNAPSHOT_SCHEMA
from microconv.histories.visible import visible_events
from microconv.journey import JourneyMap
from microconv.settings import FeatureSettings
from microconv.storage.log import Log

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FittedColumns:
    """All columns of a training set, those of the fitted families included.

    Attributes
    ----------
    states : dict of str to State
        What the fitted families learnt, by name of the family.
    names : list of str
        Stateless columns first, then the fitted ones.
    parts : tuple of ndarray of float32, each of shape (n_its_columns, n_rows)
        The two kinds, in that order.
    """

    states: dict[str, State]
    names: list[str]
    parts: tuple[Columns, ...] = field(repr=False)

    @property
    def values(self) -> Columns:
        """All columns as one array, shape (n_columns, n_rows): a copy where there are two parts."""
        return self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts)

    def pick(self, rows: npt.NDArray[np.intp]) -> RowView:
        """Return a view of some rows, which copies nothing yet."""
        return RowView(self.parts, rows)

    def take(self, rows: npt.NDArray[np.intp]) -> Columns:
        """Copy some rows of all columns, shape (n_columns, len(rows))."""
        return self.pick(rows).block(0, len(rows))


@dataclass(frozen=True)
class TrainingSet:
    """The snapshots of a log with their features, including those without a label yet.

    Attributes
    ----------
    snapshots : DataFrame of shape (n_rows, 10)
        With the columns of :data:`~microconv.histories.snapshots.SNAPSHOT_SCHEMA`, of the
        snapshots that were followed for any time. `converted` is False where `observed`
        is: such a row has no label.
    names : list of str
        Columns of the stateless families.
    values : ndarray of float32, shape (n_columns, n_rows)
    visible : VisibleEvents
        What each row may see, for the families that are fitted inside folds.
    journey : JourneyMap
    settings : FeatureSettings
    """

    snapshots: pd.DataFrame
    names: list[str]
    values: Columns = field(repr=False)
    visible: VisibleEvents = field(repr=False)
    journey: JourneyMap = field(repr=False)
    settings: FeatureSettings = field(repr=False)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.snapshots)

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """Whether each row's outcome window has closed; shape (n_rows,)."""
        observed: npt.NDArray[np.bool_] = self.snapshots["observed"].to_numpy(dtype=bool)
        return observed

    def take_rows(self, rows: npt.NDArray[np.intp]) -> TrainingSet:
        """Keep some rows, in the order given."""
        return replace(
            self,
            snapshots=self.snapshots.iloc[rows].reset_index(drop=True),
            values=self.values[:, rows],
            visible=self.visible.select(rows),
        )

    def fit_columns(
        self, train: npt.NDArray[np.bool_], labels: npt.NDArray[np.bool_]
    ) -> FittedColumns:
        """Fit the fitted families on the training rows and fill their columns for every row.

        Parameters
        ----------
        train : ndarray of bool, shape (n_rows,)
        labels : ndarray of bool, shape (n_rows,)
            As they were known when training ended.

        Returns
        -------
        FittedColumns
        """
        states = {}
        visible, known = self.visible.select(np.flatnonzero(train)), labels[train]
        for name, family in families_of(self.settings, fitted=True).items():
            if family.fit is not None:
                states[name] = family.fit(visible, known, self.journey, self.settings)
        if not states:
            return FittedColumns({}, self.names, (self.values,))
        values = build_features(self.visible, self.journey, self.settings, states, fitted=True)
        names = column_names(self.journey, self.settings, states, fitted=True)
        return FittedColumns(states, [*self.names, *names], (self.values, values))


@dataclass(frozen=True)
class ScoringFeatures:
    """The stateless features of the latest snapshots, which will be scored.

    Attributes
    ----------
    as_of : str
        In ISO form.
    names : list of str
    values : ndarray of float32, shape (n_columns, n_rows)
    """

    as_of: str
    names: list[str]
    values: Columns = field(repr=False)


def load_scoring_features(snapshots: Path, features: Path) -> ScoringFeatures | None:
    """Load the features of the latest snapshots of every bucket.

    Parameters
    ----------
    snapshots, features : Path
        Folders with one Parquet file per bucket, row for row alike.

    Returns
    -------
    ScoringFeatures or None
        None if there are no snapshots at all.
    """
    files = sorted(snapshots.glob("*.parquet"))
    as_ofs = [pq.read_table(file, columns=["as_of"])["as_of"] for file in files]
    latest = max((pc.max(column).as_py() for column in as_ofs if len(column)), default=None)
    if latest is None:
        return None
    parts: list[Columns] = []
    names: list[str] = []
    for file, column in zip(files, as_ofs, strict=True):
        rows = np.asarray(pc.equal(column, latest).to_numpy(), dtype=bool)
        columns, names = read_columns(features / file.name)
        parts.append(columns[:, rows])
    return ScoringFeatures(latest.isoformat(), names, np.concatenate(parts, axis=1))


def snapshots_to_pandas(snapshots: pa.Table) -> pd.DataFrame:
    """Return a snapshots table as a frame, with nulls of `converted` replaced by False."""
    position = snapshots.column_names.index("converted")
    converted = snapshots.column("converted").fill_null(False)
    frame: pd.DataFrame = snapshots.set_column(position, "converted", converted).to_pandas()
    return frame


def locate_snapshots(snapshots: pa.Table, histories: Histories) -> tuple[Int64, Int64]:
    """Find the prospects of a snapshots table in the histories of its bucket.

    Parameters
    ----------
    snapshots : Table
        With columns `prospect_id` and `as_of`.
    histories : Histories

    Returns
    -------
    prospect, as_of : ndarray of int64, shape (n_rows,)
        Positions in `histories.prospect_ids`, and µs since 1970.

    Raises
    ------
    EventLogError
        If a prospect has no history: the table was made from another log.
    """
    ids = snapshots.column("prospect_id").combine_chunks().dictionary_encode()
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    found = pc.index_in(ids.dictionary, value_set=histories.prospect_ids)
    if found.null_count:
        raise EventLogError(
            f"{found.null_count} prospects of the snapshots have no history in the log. The two "
            "belong to different runs: run the stage `snapshot` again."
        )
    positions = found.to_numpy(zero_copy_only=False).astype(np.int64)
    prospect = positions[ids.indices.to_numpy()] if len(ids) else np.empty(0, np.int64)
    as_of = snapshots.column("as_of").combine_chunks().cast(pa.int64()).to_numpy()
    return prospect, as_of


def load_training_set(
    log: Log,
    snapshots: Path,
    features: Path,
    *,
    journey: JourneyMap,
    settings: FeatureSettings,
) -> TrainingSet:
    """Load the snapshots of every bucket that were followed for any time, with their features.

    Parameters
    ----------
    log : Log
    snapshots, features : Path
        Folders with one Parquet file per bucket, row for row alike.
    journey : JourneyMap
    settings : FeatureSettings

    Returns
    -------
    TrainingSet

    Raises
    ------
    NotEnoughDataError
        If no snapshot has a label.
    EventLogError
        If snapshots and features do not belong together, another version made the
        snapshots, or a snapshot appears twice.
    """
    tables, followed, histories = [], [], []
    for bucket in range(log.buckets):
        table = pq.read_table(snapshots / f"{bucket:04d}.parquet", use_threads=False)
        _check_snapshots(table, bucket)
        later = pc.greater(table.column("followed_until"), table.column("as_of"))
        tables.append(table.filter(later))
        followed.append(later.to_numpy())
        events, prospects = log.read_events(bucket), log.read_prospects(bucket)
        histories.append(load_histories(events, journey, prospects))
    rows = pa.concat_tables(tables)
    if not pc.any(rows.column("observed"), min_count=0).as_py():
        raise NotEnoughDataError(
            "No snapshot has a label: no outcome window has closed yet, or the cohort is "
            "empty. Take earlier snapshots, shorten `snapshots.horizon_days` or bring a longer "
            "export."
        )
    names, values = read_features(features, followed)
    everyone = concat_histories(histories)
    return TrainingSet(
        snapshots=snapshots_to_pandas(rows),
        names=names,
        values=values,
        visible=visible_events(everyone, *locate_snapshots(rows, everyone)),
        journey=journey,
        settings=settings,
    )


def read_features(folder: Path, kept: list[npt.NDArray[np.bool_]]) -> tuple[list[str], Columns]:
    """Read the kept rows of every bucket straight into one array.

    Parameters
    ----------
    folder : Path
    kept : list of ndarray of bool, each of shape (n_rows_of_the_bucket,)

    Returns
    -------
    names : list of str
    values : ndarray of float32, shape (n_columns, n_kept_rows)

    Raises
    ------
    EventLogError
        If a bucket has another number of rows.
    """
    rows, end = sum(int(some.sum()) for some in kept), 0
    for bucket, some in enumerate(kept):
        columns, names = read_columns(folder / f"{bucket:04d}.parquet")
        if columns.shape[1] != len(some):
            raise EventLogError(
                f"Bucket {bucket} has {len(some)} snapshots and {columns.shape[1]} rows of "
                "features. Run the stage `featurize` again."
            )
        if bucket == 0:
            values = np.empty((len(names), rows), np.float32)
        begin, end = end, end + int(some.sum())
        values[:, begin:end] = columns[:, some]
    return names, values


def _check_snapshots(snapshots: pa.Table, bucket: int) -> None:
    """Reject snapshots of another version, and duplicates: they would count twice."""
    lacking = [name for name in SNAPSHOT_SCHEMA.names if name not in snapshots.column_names]
    if lacking:
        raise EventLogError(
            f"The snapshots of bucket {bucket} lack {listed(lacking)}: another version of "
            "microconv made them. Run the stages `snapshot` and `featurize` again."
        )
    keys = snapshots.select(["prospect_id", "as_of"]).to_pandas()
    again = keys[keys.duplicated()]
    if len(again):
        prospect, as_of = again.iloc[0]
        raise EventLogError(
            f"{len(again):,} of {len(keys):,} snapshots of bucket {bucket} are duplicates; the "
            f"first is that of `{prospect}` as of {as_of:%Y-%m-%d %H:%M}. Run the stage "
            "`snapshot` again."
        )
