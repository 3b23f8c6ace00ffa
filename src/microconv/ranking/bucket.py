"""Scoring one bucket of the log: cohort, features, probabilities, contacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from microconv.errors import SettingsError, listed
from microconv.features.family import Columns
from microconv.features.matrix import DEFAULT_CELLS, build_features, row_blocks
from microconv.histories.arrays import EPOCH, Histories, VisibleEvents, microseconds
from microconv.histories.load import load_histories
from microconv.histories.snapshots import EXITED, IN_COHORT, STATUSES, cohort_status
from microconv.histories.visible import visible_events
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.explanations.reason_texts import ReasonText
from microconv.ranking.explanations.reasons import explain
from microconv.ranking.list_columns import CONTACT_COLUMNS
from microconv.ranking.next_step import journey_progress, latest_action_since
from microconv.ranking.selection.suppression import count_exits, in_cool_off
from microconv.ranking.selection.top_k import BucketScores, Candidates, concat_candidates
from microconv.settings import CoolOffSettings
from microconv.storage.log import Log

SELECTION_COLUMNS = (
    "prospect_id", "probability", "expected_value", "last_activity", "events", "bucket",
)  # fmt: skip
"""What is kept of every candidate where selection has to see all of them."""


@dataclass(frozen=True)
class ScoringTask:
    """What is to be done with every bucket.

    Attributes
    ----------
    model : ProspectModel
        Its journey, cohort rule and features are used.
    as_of : datetime
        Only what was visible strictly before it is used.
    limit : int or None
        Number of rows that are kept; everyone when None.
    reasons : int
        Number of reasons per row.
    by : {"probability", "expected_value"}
        What the list is ranked by.
    keep_everyone : bool
        Keep every candidate, with :data:`SELECTION_COLUMNS` and `capacity_columns` only.
    capacity_columns : tuple of str
        Columns of the prospects table by which capacity is limited.
    cool_off : CoolOffSettings or None
        Prospects contacted recently are left out.
    since : datetime or None
        `as_of` of the previous list.
    evidence : tuple of (str, float)
        Step → lower confidence bound of its rate ratio.
    threads : int or None
        For predicting one bucket; does not change results.
    cells : int
        Columns × events that are held at once; does not change results.
    texts : tuple of ReasonText or None
        The built-in texts when None.
    all_reasons : bool
        Whether rows get all reasons with their weights, for the details.
    """

    model: ProspectModel
    as_of: datetime
    limit: int | None
    reasons: int
    by: Literal["probability", "expected_value"] = "probability"
    keep_everyone: bool = False
    capacity_columns: tuple[str, ...] = ()
    cool_off: CoolOffSettings | None = None
    since: datetime | None = None
    evidence: tuple[tuple[str, float], ...] = ()
    threads: int | None = None
    cells: int = DEFAULT_CELLS
    texts: tuple[ReasonText, ...] | None = field(default=None, repr=False)
    all_reasons: bool = False

    def explain(self, candidates: Candidates) -> Candidates:
        """Add the reasons, and drop the features."""
        reasons = explain(
            candidates.features,
            self.model,
            most=self.reasons,
            texts=self.texts,
            all_reasons=self.all_reasons,
        )
        return candidates.with_rows(candidates.rows.join(reasons)).without_features()


def score_bucket(log: Log, bucket: int, task: ScoringTask) -> BucketScores:
    """Score every prospect of a bucket who belongs to the cohort.

    Parameters
    ----------
    log : Log
    bucket : int
    task : ScoringTask
    """
    events, prospects = log.read_events(bucket).unify_dictionaries(), log.read_prospects(bucket)
    require_capacity_columns(prospects, task.capacity_columns)
    as_of, journey = task.as_of, task.model.journey
    histories = load_histories(events, journey, prospects)
    status = cohort_status(histories, journey, task.model.snapshot_settings, [as_of])[:, 0]
    counts = np.bincount(status, minlength=len(STATUSES)).tolist()
    cohort = np.flatnonzero(status == IN_COHORT)
    probabilities, kept, cooling_off = [], [], 0
    for block, resting in _score_blocks(histories, cohort, bucket, task):
        probabilities.append(block.rows["probability"].to_numpy())
        cooling_off += int(resting.sum())
        available = block.only(~resting) if resting.any() else block
        if task.keep_everyone:
            rows = available.rows[[name for name in SELECTION_COLUMNS if name in available.rows]]
            rows = _with_contacts(rows, prospects, task, task.capacity_columns)
            kept.append(available.with_rows(rows).without_features())
        elif task.limit is None:  # everyone is listed: their features need not be kept
            kept.append(task.explain(_with_value(available.best(None), prospects, task)))
        else:
            kept.append(available)
            kept = [concat_candidates(kept).best(task.limit, by=task.by)]
    candidates = concat_candidates(kept)
    if not task.keep_everyone and task.limit is not None:
        candidates = _with_value(candidates, prospects, task)
    without_step = _count_prospects(events, prospects) - len(histories)
    statuses = dict(zip(STATUSES, counts, strict=True))
    names = pc.value_counts(events.column("event_name")).to_pylist()
    return BucketScores(
        statuses={**statuses, "no_step": without_step, "cooling_off": cooling_off},
        exits=count_exits(histories, journey, np.flatnonzero(status == EXITED), as_of),
        event_names={entry["values"]: entry["counts"] for entry in names},
        probability=np.concatenate(probabilities),
        candidates=candidates,
        seen=_seen(histories, microseconds(as_of)),
    )


def describe_bucket(
    log: Log, bucket: int, task: ScoringTask, selected: Mapping[int, Sequence[str]]
) -> BucketScores:
    """Compute the full rows of the selected prospects of a bucket, reasons included.

    The rows are identical to those of a list without selection rules.

    Parameters
    ----------
    log : Log
    bucket : int
    task : ScoringTask
    selected : mapping of int to sequence of str
        Bucket → prospect ids.
    """
    wanted = pa.array(selected.get(bucket, ()), pa.string())
    events, prospects = log.read_events(bucket).unify_dictionaries(), log.read_prospects(bucket)
    events = rows_of(events, wanted)
    if prospects is not None:
        prospects = rows_of(prospects, wanted)
    histories = load_histories(events, task.model.journey, prospects)
    explained = [
        task.explain(_with_value(block, prospects, task))
        for block, _ in _score_blocks(histories, np.arange(len(histories)), bucket, task)
    ]
    nobody = np.empty(0, np.float64)
    candidates = concat_candidates(explained)
    return BucketScores({}, {}, {}, probability=nobody, candidates=candidates, seen=(None, None))


def model_features(visible: VisibleEvents, model: ProspectModel) -> Columns:
    """Build the model's columns from visible events.

    Parameters
    ----------
    visible : VisibleEvents
    model : ProspectModel

    Returns
    -------
    ndarray of float32, shape (n_columns, n_rows)
    """
    journey, settings = model.journey, model.feature_settings
    return np.concatenate(
        [
            build_features(visible, journey, settings, model.states, fitted=fitted)
            for fitted in (False, True)
        ]
    )


def rows_of(table: pa.Table, ids: pa.Array) -> pa.Table:
    """Return the rows of some prospects, in the order of the table.

    Parameters
    ----------
    table : Table
    ids : Array of str
    """
    return table.filter(pc.is_in(table.column("prospect_id").cast(pa.string()), ids))


def contacts(
    prospects: pa.Table,
    ids: pd.Series,
    *,
    before: datetime,
    columns: Sequence[str] = CONTACT_COLUMNS,
) -> pd.DataFrame:
    """Look up what was known of some prospects: owner, account, name, email.

    Parameters
    ----------
    prospects : Table
        Sorted by prospect and `known_at`.
    ids : Series of str, shape (n_rows,)
    before : datetime
        Rows known at this instant or later are not used.
    columns : sequence of str

    Returns
    -------
    DataFrame of shape (n_rows, …)
        Those of the columns that the table has, each with the last known value.
    """
    names = [name for name in columns if name in prospects.column_names]
    known = pc.less(
        prospects.column("known_at"), pa.scalar(before, prospects.field("known_at").type)
    )
    wanted = pc.is_in(prospects.column("prospect_id").cast(pa.string()), pa.array(ids, pa.string()))
    rows = prospects.select(["prospect_id", *names]).filter(pc.and_(known, wanted)).to_pandas()
    last: pd.DataFrame = rows.astype("str").groupby("prospect_id")[names].last()
    return last.reindex(ids).reset_index(drop=True)


def require_capacity_columns(prospects: pa.Table | None, columns: Sequence[str]) -> None:
    """Require that the prospects table has the columns by which capacity is limited.

    Parameters
    ----------
    prospects : Table or None
    columns : sequence of str

    Raises
    ------
    SettingsError
    """
    there = [] if prospects is None else prospects.column_names
    missing = [name for name in columns if name not in there]
    if missing:
        raise SettingsError(
            f"The section `score` limits capacity by {listed(missing)}, and the prospects table "
            + (f"has only {listed(there, most=12)}." if there else "does not exist.")
            + " Map the column in the source of the prospects, or remove it from the section."
        )


def _score_blocks(
    histories: Histories, cohort: npt.NDArray[np.intp], bucket: int, task: ScoringTask
) -> Iterator[tuple[Candidates, npt.NDArray[np.bool_]]]:
    """Score as many prospects at a time as fit into memory; tell which are in their cool-off."""
    for rows in row_blocks(histories, cohort, n_columns=len(task.model.columns), cells=task.cells):
        yield _score(histories, cohort[rows], bucket, task)


def _score(
    histories: Histories, cohort: npt.NDArray[np.intp], bucket: int, task: ScoringTask
) -> tuple[Candidates, npt.NDArray[np.bool_]]:
    model = task.model
    visible = visible_events(histories, cohort, np.full(len(cohort), microseconds(task.as_of)))
    features = model_features(visible, model)
    progress = journey_progress(visible, model.journey, dict(task.evidence))
    ids = histories.prospect_ids.take(pa.array(visible.prospect))
    rows = pd.DataFrame(
        {
            "prospect_id": pd.Series(ids.to_pandas(), dtype="str"),
            "probability": model.predict(features, threads=task.threads),
            "last_activity": progress.last_activity,
            "events": visible.end - visible.start,
            "stage": pd.Series(progress.stage, dtype="str"),
            "next_step": pd.Series(progress.next_step, dtype="str"),
        }
    ).assign(bucket=np.int32(bucket))
    if task.since is not None:
        action = latest_action_since(visible, model.journey, task.since)
        rows = rows.assign(latest_action=pd.Series(action, dtype="str"))
    if task.by == "expected_value":
        rows = rows.assign(expected_value=rows["probability"] * model.expected_amount(features))
    resting = np.zeros(len(cohort), dtype=bool)
    if task.cool_off is not None:
        steps = np.array([model.journey.code_of(step) for step in task.cool_off.steps])
        resting = in_cool_off(visible, steps, timedelta(days=task.cool_off.days))
    return Candidates(rows, features), resting


def _with_value(
    candidates: Candidates, prospects: pa.Table | None, task: ScoringTask
) -> Candidates:
    """Add the expected value of a conversion, and whom to contact."""
    amount = task.model.expected_amount(candidates.features)
    more = [name for name in task.capacity_columns if name not in CONTACT_COLUMNS]
    rows = candidates.rows.assign(amount=amount)
    return candidates.with_rows(_with_contacts(rows, prospects, task, [*CONTACT_COLUMNS, *more]))


def _with_contacts(
    rows: pd.DataFrame, prospects: pa.Table | None, task: ScoringTask, columns: Sequence[str]
) -> pd.DataFrame:
    if prospects is None:
        return rows
    return rows.join(contacts(prospects, rows["prospect_id"], before=task.as_of, columns=columns))


def _count_prospects(events: pa.Table, prospects: pa.Table | None) -> int:
    tables = [events] if prospects is None else [events, prospects]
    ids = [table.column("prospect_id").unique().cast(pa.string()) for table in tables]
    return len(pa.concat_arrays(ids).unique())


def _seen(histories: Histories, cut: int) -> tuple[datetime | None, datetime | None]:
    """Return when the first event became visible, and the last one before the cut."""
    instants = histories.visible_at
    past = instants[instants < cut]
    first, last = (
        EPOCH + timedelta(microseconds=int(pick(found))) if len(found) else None
        for pick, found in ((np.min, instants), (np.max, past))
    )
    return first, last
