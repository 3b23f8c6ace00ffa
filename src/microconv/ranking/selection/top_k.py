"""The best candidates so far, bucket by bucket: what buckets return, and how it is merged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from microconv.engines.engine import Codec
from microconv.features.family import Columns

BEST_FIRST = {
    "probability": False,
    "last_activity": False,
    "events": False,
    "prospect_id": True,
}
"""The order of the list, column → ascending: ties go to the most recently active, then to the
prospect with more events, then to the smaller id."""

ORDERS = {"probability": BEST_FIRST, "expected_value": {"expected_value": False, **BEST_FIRST}}
"""What the list is ranked by → its order."""


@dataclass(frozen=True)
class Candidates:
    """Prospects that can still be listed.

    Attributes
    ----------
    rows : DataFrame
        In the order of :data:`BEST_FIRST`.
    features : ndarray of float32, shape (n_columns, n_rows)
        What the model was given: reasons are computed from it.
    """

    rows: pd.DataFrame
    features: Columns = field(repr=False)

    def best(self, limit: int | None, *, by: str = "probability") -> Candidates:
        """Sort best first, and keep at most `limit` rows.

        Parameters
        ----------
        limit : int or None
        by : {"probability", "expected_value"}
        """
        rows, order = self.rows, ORDERS[by]
        if limit is not None and limit < len(rows):  # sort only those who can be among them
            first = rows[by].to_numpy()
            rows = rows[first >= np.partition(first, -limit)[-limit]]
        rows = rows.sort_values(list(order), ascending=list(order.values()))[:limit]
        return Candidates(rows.reset_index(drop=True), self.features[:, rows.index.to_numpy()])

    def only(self, kept: npt.NDArray[np.bool_]) -> Candidates:
        """Return some of the rows, in their order."""
        return Candidates(self.rows[kept].reset_index(drop=True), self.features[:, kept])

    def with_rows(self, rows: pd.DataFrame) -> Candidates:
        """Return the same prospects with other columns."""
        return Candidates(rows, self.features)

    def without_features(self) -> Candidates:
        """Return the rows alone: an empty slice would keep the features in memory."""
        return Candidates(self.rows, np.empty((0, len(self.rows)), np.float32))


@dataclass(frozen=True)
class BucketScores:
    """What one bucket adds to a ranking.

    Attributes
    ----------
    statuses : dict of str to int
        Prospects by :data:`~microconv.histories.snapshots.STATUSES`; `no_step` for those
        without any event of the journey; `cooling_off` for those of the cohort who were
        contacted recently.
    exits : dict of str to int
        Exit step → prospects who exited.
    event_names : dict of str to int
        Event name → events.
    probability : ndarray of float64, shape (n_scored,)
        Of everyone scored, listed or not: percentiles are among all of them.
    candidates : Candidates
    seen : tuple of datetime or None
        When the first event became visible, and the last one before `as_of`.
    """

    statuses: dict[str, int]
    exits: dict[str, int]
    event_names: dict[str, int]
    probability: npt.NDArray[np.float64] = field(repr=False)
    candidates: Candidates = field(repr=False)
    seen: tuple[datetime | None, datetime | None]


def merge_buckets(
    parts: Iterable[BucketScores], limit: int | None, *, by: str = "probability"
) -> BucketScores:
    """Merge buckets as they arrive, keeping at most `limit` rows at any time.

    Parameters
    ----------
    parts : iterable of BucketScores
    limit : int or None
    by : {"probability", "expected_value"}

    Returns
    -------
    BucketScores
        Of all buckets together, best first.
    """
    statuses: Counter[str] = Counter()
    exits: Counter[str] = Counter()
    event_names: Counter[str] = Counter()
    probabilities, best, seen = [], [], []
    for part in parts:
        statuses.update(part.statuses)
        exits.update(part.exits)
        event_names.update(part.event_names)
        probabilities.append(part.probability)
        seen.append(part.seen)
        best.append(part.candidates)
        if limit is not None:
            best = [concat_candidates(best).best(limit, by=by)]
    firsts, lasts = ([instant for instant in side if instant] for side in zip(*seen, strict=True))
    return BucketScores(
        statuses=dict(statuses),
        exits=dict(exits),
        event_names=dict(event_names),
        probability=np.concatenate(probabilities),
        candidates=concat_candidates(best).best(limit, by=by),
        seen=(min(firsts, default=None), max(lasts, default=None)),
    )


def concat_candidates(parts: Sequence[Candidates]) -> Candidates:
    """Return the rows of several parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    rows = pd.concat([part.rows for part in parts], ignore_index=True)
    return Candidates(rows, np.concatenate([part.features for part in parts], axis=1))


_SCHEMA = pa.schema(
    [
        ("facts", pa.string()),
        ("probability", pa.large_list(pa.float64())),
        ("rows", pa.binary()),
        ("features", pa.large_list(pa.float32())),
        ("columns", pa.int64()),
    ]
)


def encode(scores: BucketScores) -> bytes:
    """Write the scores of a bucket as bytes, without any loss: Arrow and JSON, no pickle."""
    rows = pa.Table.from_pandas(scores.candidates.rows, preserve_index=False)
    features = scores.candidates.features
    facts = {
        "statuses": scores.statuses,
        "exits": scores.exits,
        "event_names": scores.event_names,
        "seen": [None if instant is None else instant.isoformat() for instant in scores.seen],
    }
    row = pa.record_batch(
        [
            pa.array([json.dumps(facts)]),
            pa.array([scores.probability], pa.large_list(pa.float64())),
            pa.array([_stream(rows)], pa.binary()),
            pa.array([features.ravel()], pa.large_list(pa.float32())),
            pa.array([len(features)]),
        ],
        schema=_SCHEMA,
    )
    return _stream(pa.Table.from_batches([row]))


def decode(content: bytes) -> BucketScores:
    """Read what :func:`encode` wrote."""
    row = pa.ipc.open_stream(content).read_all().combine_chunks()
    facts = json.loads(row["facts"][0].as_py())
    rows = pa.ipc.open_stream(row["rows"][0].as_py()).read_all().to_pandas()
    features = row["features"][0].values.to_numpy().astype(np.float32, copy=False)
    first, last = (None if at is None else datetime.fromisoformat(at) for at in facts["seen"])
    return BucketScores(
        statuses=facts["statuses"],
        exits=facts["exits"],
        event_names=facts["event_names"],
        probability=row["probability"][0].values.to_numpy(),
        candidates=Candidates(rows, features.reshape(row["columns"][0].as_py(), len(rows))),
        seen=(first, last),
    )


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


SCORES = Codec(encode, decode)
"""How the scores of a bucket come back from a cluster."""
