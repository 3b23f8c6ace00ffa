"""Every question with its features and all that is known of its outcome: what models learn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from microconv.errors import EventLogError, NotEnoughDataError, listed
from microconv.features.family import Columns, State
from microconv.features.matrix import build_features, chosen_families, column_names, read_columns
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
    """All columns of a training set, the fitted families' included, and what these learnt.

    Attributes
    ----------
    states : dict of str to State
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
        """Pick rows without copying them yet."""
        return RowView(self.parts, rows)

    def take(self, rows: npt.NDArray[np.intp]) -> Columns:
        """Copy some rows of all columns, shape (n_columns, len(rows))."""
        return self.pick(rows).block(0, len(rows))


@dataclass(frozen=True)
class TrainingSet:
    """The questions of a log, those whose window is still open among them.

    Attributes
    ----------
    snapshots : DataFrame of shape (n_rows, 10)
        The rows of the snapshots table that were followed at all. `converted` is
        False where `observed` is: such a row has no label.
    names : list of str
        Columns of the stateless families.
    values : ndarray of float32, shape (n_columns, n_rows)
    visible : VisibleEvents
        What each row may see, for the families that are fitted inside folds.
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
        """Mark the rows whose window has closed; shape (n_rows,)."""
        observed: npt.NDArray[np.bool_] = self.snapshots["observed"].to_numpy(dtype=bool)
        return observed

    def fit_columns(
        self, train: npt.NDArray[np.bool_], labels: npt.NDArray[np.bool_]
    ) -> FittedColumns:
        """Fit the fitted families on the training rows and fill their columns for every row.

        Parameters
        ----------
        train : ndarray of bool, shape (n_rows,)
        labels : ndarray of bool, shape (n_rows,)
            As they were known when training ended.
        """
        learners = chosen_families(self.settings, fitted=True)
        if not learners:
            return FittedColumns({}, self.names, (self.values,))
        seen, known = select_rows(self.visible, np.flatnonzero(train)), labels[train]
        states = {
            name: family.fit(seen, known, self.journey, self.settings)
            for name, family in learners.items()
        }
        learnt = build_features(self.visible, self.journey, self.settings, states, fitted=True)
        names = column_names(self.journey, self.settings, states, fitted=True)
        return FittedColumns(states, [*self.names, *names], (self.values, learnt))


def snapshots_to_pandas(snapshots: pa.Table) -> pd.DataFrame:
    """Turn a snapshots table into a frame in which `converted` is plainly true or false."""
    position = snapshots.column_names.index("converted")
    converted = snapshots.column("converted").fill_null(False)
    frame: pd.DataFrame = snapshots.set_column(position, "converted", converted).to_pandas()
    return frame


def select_rows(visible: VisibleEvents, rows: Int64) -> VisibleEvents:
    """Keep some of the questions."""
    return VisibleEvents(
        visible.histories,
        visible.prospect[rows],
        visible.as_of[rows],
        visible.start[rows],
        visible.end[rows],
        visible.time,
        visible.step,
        visible.value,
        visible.human_probability,
    )


def locate_snapshots(snapshots: pa.Table, histories: Histories) -> tuple[Int64, Int64]:
    """Find the prospects of a snapshots table in its bucket's histories.

    Returns
    -------
    prospect, as_of : ndarray of int64, shape (n_rows,)

    Raises
    ------
    EventLogError
        If a prospect has no history: the table was made from another log.
    """
    who = snapshots.column("prospect_id").combine_chunks().dictionary_encode()
    if isinstance(who, pa.ChunkedArray):
        who = who.combine_chunks()
    found = pc.index_in(who.dictionary, value_set=histories.prospect_ids)
    if found.null_count:
        raise EventLogError(
            f"{found.null_count} prospects of the snapshots have no history in the log. The two "
            "belong to different runs: run the stage `snapshot` again."
        )
    positions = found.to_numpy(zero_copy_only=False).astype(np.int64)
    prospect = positions[who.indices.to_numpy()] if len(who) else np.empty(0, np.int64)
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
    """Gather the rows of every bucket that were followed at all.

    Raises
    ------
    NotEnoughDataError
        If no snapshot has a label.
    EventLogError
        If snapshots and features do not belong together, another version made the snapshots, or a
        question stands there twice.
    """
    tables, followed, histories = [], [], []
    for bucket in range(log.buckets):
        table = pq.read_table(snapshots / f"{bucket:04d}.parquet", use_threads=False)
        _require_columns(table, bucket)
        _require_each_once(table, bucket)
        later = pc.greater(table.column("followed_until"), table.column("as_of"))
        tables.append(table.filter(later))
        followed.append(later.to_numpy())
        events, prospects = log.read_events(bucket), log.read_prospects(bucket)
        histories.append(load_histories(events, journey, prospects))
    asked = pa.concat_tables(tables)
    if not pc.any(asked.column("observed"), min_count=0).as_py():
        raise NotEnoughDataError(
            "No snapshot has a label: no outcome window has closed yet, or nobody was in the "
            "cohort. Ask earlier, shorten `snapshots.horizon_days` or bring a longer export."
        )
    names, values = read_features(features, followed)
    everyone = concat_histories(histories)
    return TrainingSet(
        snapshots=snapshots_to_pandas(asked),
        names=names,
        values=values,
        visible=visible_events(everyone, *locate_snapshots(asked, everyone)),
        journey=journey,
        settings=settings,
    )


def read_features(folder: Path, kept: list[npt.NDArray[np.bool_]]) -> tuple[list[str], Columns]:
    """Read the kept rows of every bucket into one array, which is never there twice."""
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


def _require_columns(snapshots: pa.Table, bucket: int) -> None:
    """Refuse snapshots of a version that knew less of an outcome."""
    lacking = [name for name in SNAPSHOT_SCHEMA.names if name not in snapshots.column_names]
    if lacking:
        raise EventLogError(
            f"The snapshots of bucket {bucket} lack {listed(lacking)}: another version of "
            "microconv made them. Run the stages `snapshot` and `featurize` again."
        )


def _require_each_once(snapshots: pa.Table, bucket: int) -> None:
    """Refuse a question asked twice: it would teach twice, and be counted twice in every figure."""
    asked = snapshots.select(["prospect_id", "as_of"]).to_pandas()
    again = asked[asked.duplicated()]
    if len(again):
        who, when = again.iloc[0]
        raise EventLogError(
            f"{len(again):,} of {len(asked):,} snapshots of bucket {bucket} are there twice; the "
            f"first is that of `{who}` as of {when:%Y-%m-%d %H:%M}. Run the stage `snapshot` again."
        )
