"""One bucket of the log: whom to ask about there, what the model says of them, and who they are."""

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

from microconv.features.matrix import DEFAULT_CELLS, row_blocks
from microconv.histories.arrays import EPOCH, Histories, VisibleEvents, microseconds
from microconv.histories.load import load_histories
from microconv.histories.snapshots import (
    EXITED,
    IN_COHORT,
    STATUSES,
    cohort_status,
)
from microconv.histories.visible import visible_events
from microconv.journey import JourneyMap
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.contacts import CONTACT, contacts, require_capacity_columns
from microconv.ranking.explanations.text_table import ReasonText
from microconv.ranking.list_changes import done_since
from microconv.ranking.next_step import journey_progress
from microconv.ranking.selection.suppression import cooling, exits
from microconv.ranking.selection.top_k import BucketScores, Candidates, join, model_features
from microconv.settings import CoolOffSettings
from microconv.storage.log import Log

SLIM = ("prospect_id", "probability", "expected_value", "last_activity", "events", "bucket")
"""What is kept of everyone where the places have to be shared out, besides by whom."""


@dataclass(frozen=True)
class ScoringTask:
    """What is asked of every bucket.

    Attributes
    ----------
    model : ProspectModel
        Its journey, cohort rule and features are used, nobody else's.
    as_of : datetime
        Only what was visible strictly before it is used.
    limit : int or None
        At most so many rows are kept; everyone when None.
    reasons : int
        How many each row gets.
    by : {"probability", "expected_value"}
        What comes first.
    slim : bool
        Keep everyone, of whom little is said: :data:`SLIM` and the columns `shared`.
    shared : tuple of str
        Columns of the prospects table by which places are shared out.
    cool_off : CoolOffSettings or None
        Who was spoken to so recently is left out.
    since : datetime or None
        When the last list was asked for: the rows say what was done in between.
    evidence : tuple of (str, float)
        Steps that are worth asking for, and the near end of what they are worth.
    threads : int or None
        For the trees of one bucket; changes no bit.
    cells : int
        Of columns and events that are held at once; changes no bit.
    texts : tuple of ReasonText or None
        How reasons read; the package's table when None.
    weighed : bool
        Whether all reasons of the listed are told, with their weights.
    """

    model: ProspectModel
    as_of: datetime
    limit: int | None
    reasons: int
    by: Literal["probability", "expected_value"] = "probability"
    slim: bool = False
    shared: tuple[str, ...] = ()
    cool_off: CoolOffSettings | None = None
    since: datetime | None = None
    evidence: tuple[tuple[str, float], ...] = ()
    threads: int | None = None
    cells: int = DEFAULT_CELLS
    texts: tuple[ReasonText, ...] | None = field(default=None, repr=False)
    weighed: bool = False


def score_bucket(log: Log, bucket: int, question: ScoringTask) -> BucketScores:
    """Ask about every prospect of a bucket who belongs to the cohort."""
    events, prospects = log.read_events(bucket).unify_dictionaries(), log.read_prospects(bucket)
    require_capacity_columns(prospects, question.shared)
    as_of, journey = question.as_of, question.model.journey
    histories = load_histories(events, journey, prospects)
    status = cohort_status(histories, journey, question.model.snapshot_settings, [as_of])[:, 0]
    statuses = _count(status, _everyone(events, prospects) - len(histories))
    probabilities, listed, cold = [], [], 0
    for everyone, resting in _by_block(
        histories, np.flatnonzero(status == IN_COHORT), bucket, question
    ):
        probabilities.append(everyone.rows["probability"].to_numpy())
        cold += int(resting.sum())
        able = everyone.only(~resting) if resting.any() else everyone
        if question.slim:
            rows = able.rows[[name for name in SLIM if name in able.rows]]
            listed.append(able.with_rows(_known(rows, prospects, question, question.shared)).slim())
        elif question.limit is None:  # everyone is listed: their features need not be kept
            listed.append(_explained(_told(able.best(None), prospects, question), question))
        else:
            listed.append(able)
            listed = [join(listed).best(question.limit, by=question.by)]
    candidates = join(listed)
    if not question.slim and question.limit is not None:
        candidates = _told(candidates, prospects, question)
    return BucketScores(
        statuses={**statuses, "cooling_off": cold},
        exits=exits(histories, journey, np.flatnonzero(status == EXITED), as_of),
        event_names=_names(events),
        probability=np.concatenate(probabilities),
        candidates=candidates,
        seen=_seen(histories, microseconds(as_of)),
    )


def _by_block(
    histories: Histories, asked: npt.NDArray[np.intp], bucket: int, question: ScoringTask
) -> Iterator[tuple[Candidates, npt.NDArray[np.bool_]]]:
    """Score prospects, so many at a time as fit into memory."""
    for rows in row_blocks(
        histories, asked, n_columns=len(question.model.columns), cells=question.cells
    ):
        yield _ask(histories, asked[rows], bucket, question)


def _explained(told: Candidates, question: ScoringTask) -> Candidates:
    return told.explained(
        question.model, most=question.reasons, texts=question.texts, weighed=question.weighed
    )


def describe_bucket(
    log: Log, bucket: int, question: ScoringTask, listed: Mapping[int, Sequence[str]]
) -> BucketScores:
    """Say all there is to say of those of a bucket who are listed, reasons included.

    The rows are the same, to the last bit, as if nobody else had been asked about.

    Parameters
    ----------
    listed : mapping of int to sequence of str
        Bucket → prospect ids.
    """
    wanted = pa.array(listed.get(bucket, ()), pa.string())
    events, prospects = log.read_events(bucket).unify_dictionaries(), log.read_prospects(bucket)
    events = rows_of(events, wanted)
    if prospects is not None:
        prospects = rows_of(prospects, wanted)
    histories = load_histories(events, question.model.journey, prospects)
    told = [
        _explained(_told(chosen, prospects, question), question)
        for chosen, _ in _by_block(histories, np.arange(len(histories)), bucket, question)
    ]
    nobody = np.empty(0, np.float64)
    return BucketScores({}, {}, {}, probability=nobody, candidates=join(told), seen=(None, None))


def rows_of(table: pa.Table, ids: pa.Array) -> pa.Table:
    """Take the rows of some prospects, in their order."""
    return table.filter(pc.is_in(table.column("prospect_id").cast(pa.string()), ids))


def _ask(
    histories: Histories, asked: npt.NDArray[np.intp], bucket: int, question: ScoringTask
) -> tuple[Candidates, npt.NDArray[np.bool_]]:
    """Score prospects, and say of each whether somebody spoke to them a moment ago."""
    model = question.model
    visible = visible_events(histories, asked, np.full(len(asked), microseconds(question.as_of)))
    features = model_features(visible, model)
    probability = model.predict(features, threads=question.threads)
    rows = _rows(visible, probability, model.journey, dict(question.evidence))
    rows = rows.assign(bucket=np.int32(bucket))
    if question.since is not None:
        done = done_since(visible, model.journey, question.since)
        rows = rows.assign(done_since=pd.Series(done, dtype="str"))
    if question.by == "expected_value":
        amount = model.expected_amount(features)
        rows = rows.assign(expected_value=rows["probability"] * amount)
    cold = np.zeros(len(asked), dtype=bool)
    if question.cool_off is not None:
        steps = np.array([model.journey.code_of(step) for step in question.cool_off.steps])
        cold = cooling(visible, steps, timedelta(days=question.cool_off.days))
    return Candidates(rows, features), cold


def _told(candidates: Candidates, prospects: pa.Table | None, question: ScoringTask) -> Candidates:
    """Add what a conversion would be worth, and whom to call."""
    amount = question.model.expected_amount(candidates.features)
    columns = [*CONTACT, *(name for name in question.shared if name not in CONTACT)]
    return candidates.with_rows(
        _known(candidates.rows.assign(amount=amount), prospects, question, columns)
    )


def _known(
    rows: pd.DataFrame, prospects: pa.Table | None, question: ScoringTask, columns: Sequence[str]
) -> pd.DataFrame:
    if prospects is None:
        return rows
    known = contacts(prospects, rows["prospect_id"], before=question.as_of, columns=columns)
    return rows.join(known)


def _rows(
    visible: VisibleEvents,
    probability: npt.NDArray[np.float64],
    journey: JourneyMap,
    evidence: Mapping[str, float],
) -> pd.DataFrame:
    ids = visible.histories.prospect_ids.take(pa.array(visible.prospect))
    stands = journey_progress(visible, journey, evidence)
    return pd.DataFrame(
        {
            "prospect_id": pd.Series(ids.to_pandas(), dtype="str"),
            "probability": probability,
            "last_activity": stands.last_activity,
            "events": visible.end - visible.start,
            "stage": pd.Series(stands.stage, dtype="str"),
            "next_step": pd.Series(stands.next_step, dtype="str"),
        }
    )


def _count(status: npt.NDArray[np.int8], without_step: int) -> dict[str, int]:
    counts = np.bincount(status, minlength=len(STATUSES)).tolist()
    return {**dict(zip(STATUSES, counts, strict=True)), "no_step": without_step}


def _everyone(events: pa.Table, prospects: pa.Table | None) -> int:
    tables = [events] if prospects is None else [events, prospects]
    ids = [table.column("prospect_id").unique().cast(pa.string()) for table in tables]
    return len(pa.concat_arrays(ids).unique())


def _names(events: pa.Table) -> dict[str, int]:
    counts = pc.value_counts(events.column("event_name"))
    return {entry["values"]: entry["counts"] for entry in counts.to_pylist()}


def _seen(histories: Histories, cut: int) -> tuple[datetime | None, datetime | None]:
    instants = histories.visible_at
    past = instants[instants < cut]
    first = _instant(instants.min()) if len(instants) else None
    return first, _instant(past.max()) if len(past) else None


def _instant(microseconds: np.int64) -> datetime:
    return EPOCH + timedelta(microseconds=int(microseconds))
