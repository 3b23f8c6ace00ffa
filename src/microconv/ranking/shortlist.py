"""One bucket's prospects, asked and scored; of these only the rows that can still be listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from microconv.events.log import Log
from microconv.features.family import Columns
from microconv.features.matrix import build
from microconv.histories.arrays import Histories, Visible
from microconv.histories.load import load_histories
from microconv.histories.snapshots import (
    ASKED,
    EPOCH,
    STATUSES,
    cohort_status,
    microseconds,
)
from microconv.histories.visible import visible_events
from microconv.journey import JourneyMap
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.next_step import standing
from microconv.ranking.reasons import explain
from microconv.ranking.text_table import Text

BEST_FIRST = {
    "probability": False,
    "last_activity": False,
    "events": False,
    "prospect_id": True,
}
"""The order of the list, column → ascending: the more probable first; among equals whoever was
active most recently, then whoever has more events, then the smaller id. No label is needed."""

CONTACT = ("account_id", "owner", "name", "email")
"""Columns of the prospects table that go to the list where there is one."""


@dataclass(frozen=True)
class Shortlist:
    """The best of some prospects.

    Attributes
    ----------
    rows : DataFrame
        In the order of :data:`BEST_FIRST`.
    features : ndarray of float32, shape (n_columns, n_rows)
        What the model saw of each: reasons are worked out from it.
    """

    rows: pd.DataFrame
    features: Columns = field(repr=False)

    def best(self, limit: int | None) -> Shortlist:
        """Put the best first and keep at most `limit` of them."""
        rows = self.rows
        if limit is not None and limit < len(rows):  # sort only those who can be among them
            probability = rows["probability"].to_numpy()
            rows = rows[probability >= np.partition(probability, -limit)[-limit]]
        rows = rows.sort_values(list(BEST_FIRST), ascending=list(BEST_FIRST.values()))[:limit]
        return Shortlist(rows.reset_index(drop=True), self.features[:, rows.index.to_numpy()])

    def explained(self, question: Question) -> Shortlist:
        """Give every row its reasons, and let the features go."""
        reasons = explain(
            self.features, question.model, most=question.reasons, texts=question.texts
        )
        return Shortlist(self.rows.join(reasons), self.features[:0])


@dataclass(frozen=True)
class BucketScores:
    """What one bucket adds to a ranking.

    Attributes
    ----------
    statuses : dict of str to int
        Prospects by :data:`~microconv.histories.snapshots.STATUSES`, and `no_step` for
        those without a single event that has a step.
    event_names : dict of str to int
        Event name → events.
    probability : ndarray of float64, shape (n_asked,)
        Of everyone asked, listed or not: percentiles are among all of them.
    shortlist : Shortlist
    seen : tuple of datetime or None
        When the first event became visible, and the last one before `as_of`.
    """

    statuses: dict[str, int]
    event_names: dict[str, int]
    probability: npt.NDArray[np.float64] = field(repr=False)
    shortlist: Shortlist = field(repr=False)
    seen: tuple[datetime | None, datetime | None]


@dataclass(frozen=True)
class Question:
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
    threads : int or None
        For the trees of one bucket; changes no bit.
    texts : tuple of Text or None
        How reasons read; the package's table when None.
    """

    model: ProspectModel
    as_of: datetime
    limit: int | None
    reasons: int
    threads: int | None = None
    texts: tuple[Text, ...] | None = field(default=None, repr=False)


def score_bucket(log: Log, bucket: int, question: Question) -> BucketScores:
    """Ask about every prospect of a bucket who belongs to the cohort."""
    events, prospects = log.read_events(bucket).unify_dictionaries(), log.read_prospects(bucket)
    model, as_of = question.model, question.as_of
    histories = load_histories(events, model.journey, prospects)
    status = cohort_status(histories, model.journey, model.snapshot_settings, [as_of])[:, 0]
    asked = np.flatnonzero(status == ASKED)
    visible = visible_events(histories, asked, np.full(len(asked), microseconds(as_of)))
    features = features_of(visible, model)
    probability = model.predict(features, threads=question.threads)
    rows = _rows(visible, probability, model.journey)
    shortlist = Shortlist(rows, features).best(question.limit)
    amount = model.expected_amount(shortlist.features)
    shortlist = Shortlist(shortlist.rows.assign(amount=amount), shortlist.features)
    if prospects is not None:
        known = contacts(prospects, shortlist.rows["prospect_id"], before=as_of)
        shortlist = Shortlist(shortlist.rows.join(known), shortlist.features)
    if question.limit is None:  # everyone is listed: their features need not be kept
        shortlist = shortlist.explained(question)
    return BucketScores(
        statuses=_count(status, _everyone(events, prospects) - len(histories)),
        event_names=_names(events),
        probability=probability,
        shortlist=shortlist,
        seen=_seen(histories, microseconds(as_of)),
    )


def features_of(visible: Visible, model: ProspectModel) -> Columns:
    """Build the model's columns, shape (n_columns, n_rows), of what questions may see."""
    journey, settings = model.journey, model.feature_settings
    parts = [build(visible, journey, settings, model.states, fitted=f) for f in (False, True)]
    return np.concatenate(parts)


def merge(parts: Iterable[BucketScores], limit: int | None) -> BucketScores:
    """Add the buckets up as they come, keeping at most `limit` rows at any time."""
    statuses: Counter[str] = Counter()
    event_names: Counter[str] = Counter()
    probabilities, shortlists, seen = [], [], []
    for part in parts:
        statuses.update(part.statuses)
        event_names.update(part.event_names)
        probabilities.append(part.probability)
        seen.append(part.seen)
        shortlists.append(part.shortlist)
        if limit is not None:
            shortlists = [_join(shortlists).best(limit)]
    firsts, lasts = ([instant for instant in side if instant] for side in zip(*seen, strict=True))
    return BucketScores(
        statuses=dict(statuses),
        event_names=dict(event_names),
        probability=np.concatenate(probabilities),
        shortlist=_join(shortlists).best(limit),
        seen=(min(firsts, default=None), max(lasts, default=None)),
    )


def _join(parts: Sequence[Shortlist]) -> Shortlist:
    rows = pd.concat([part.rows for part in parts], ignore_index=True)
    return Shortlist(rows, np.concatenate([part.features for part in parts], axis=1))


def contacts(prospects: pa.Table, ids: pd.Series, *, before: datetime) -> pd.DataFrame:
    """Look up the owner, account, name and email that were known of some prospects.

    Parameters
    ----------
    prospects : Table
        Sorted by prospect and `known_at`.
    ids : Series of str, shape (n_rows,)
    before : datetime
        Rows known later are not used.

    Returns
    -------
    DataFrame of shape (n_rows, …)
        The columns of :data:`CONTACT` that the table has, each the last value
        that was known.
    """
    names = [name for name in CONTACT if name in prospects.column_names]
    known = pc.less(
        prospects.column("known_at"), pa.scalar(before, prospects.field("known_at").type)
    )
    wanted = pc.is_in(prospects.column("prospect_id").cast(pa.string()), pa.array(ids, pa.string()))
    rows = prospects.select(["prospect_id", *names]).filter(pc.and_(known, wanted)).to_pandas()
    last: pd.DataFrame = rows.astype("str").groupby("prospect_id")[names].last()
    return last.reindex(ids).reset_index(drop=True)


def _rows(
    visible: Visible, probability: npt.NDArray[np.float64], journey: JourneyMap
) -> pd.DataFrame:
    ids = visible.histories.prospect_ids.take(pa.array(visible.prospect))
    stands = standing(visible, journey)
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
