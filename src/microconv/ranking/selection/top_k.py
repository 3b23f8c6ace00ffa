"""Rows that can still be listed, bucket by bucket: the best of what has come so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from microconv.features.family import Columns
from microconv.features.matrix import build_features
from microconv.histories.arrays import VisibleEvents
from microconv.model.prospect_model import ProspectModel
from microconv.ranking.explanations.reasons import explain
from microconv.ranking.explanations.text_table import ReasonText

BEST_FIRST = {
    "probability": False,
    "last_activity": False,
    "events": False,
    "prospect_id": True,
}
"""The order of the list, column → ascending: the more probable first; among equals whoever was
active most recently, then whoever has more events, then the smaller id. No label is needed."""

ORDERS = {"probability": BEST_FIRST, "expected_value": {"expected_value": False, **BEST_FIRST}}
"""What the list is ranked by → its order."""


@dataclass(frozen=True)
class Candidates:
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

    def best(self, limit: int | None, *, by: str = "probability") -> Candidates:
        """Put the best first and keep at most `limit` of them."""
        rows, order = self.rows, ORDERS[by]
        if limit is not None and limit < len(rows):  # sort only those who can be among them
            first = rows[by].to_numpy()
            rows = rows[first >= np.partition(first, -limit)[-limit]]
        rows = rows.sort_values(list(order), ascending=list(order.values()))[:limit]
        return Candidates(rows.reset_index(drop=True), self.features[:, rows.index.to_numpy()])

    def only(self, kept: npt.NDArray[np.bool_]) -> Candidates:
        """Keep some rows, in their order."""
        return Candidates(self.rows[kept].reset_index(drop=True), self.features[:, kept])

    def explained(
        self,
        model: ProspectModel,
        *,
        most: int,
        texts: tuple[ReasonText, ...] | None,
        weighed: bool = False,
    ) -> Candidates:
        """Give every row its reasons, and let the features go."""
        reasons = explain(self.features, model, most=most, texts=texts, weighed=weighed)
        return self.with_rows(self.rows.join(reasons)).slim()

    def with_rows(self, rows: pd.DataFrame) -> Candidates:
        """Say something else of the same prospects."""
        return Candidates(rows, self.features)

    def slim(self) -> Candidates:
        """Let the features go."""  # a slice would keep them in memory
        return Candidates(self.rows, np.empty((0, len(self.rows)), np.float32))


@dataclass(frozen=True)
class BucketScores:
    """What one bucket adds to a ranking.

    Attributes
    ----------
    statuses : dict of str to int
        Prospects by :data:`~microconv.histories.snapshots.STATUSES`, and `no_step` for
        those without a single event that has a step. Of those asked, `cooling_off` were
        spoken to a moment ago.
    exits : dict of str to int
        Of those who exited: by what.
    event_names : dict of str to int
        Event name → events.
    probability : ndarray of float64, shape (n_asked,)
        Of everyone asked, listed or not: percentiles are among all of them.
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


def model_features(visible: VisibleEvents, model: ProspectModel) -> Columns:
    """Build the model's columns, shape (n_columns, n_rows), of what questions may see."""
    journey, settings = model.journey, model.feature_settings
    parts = [
        build_features(visible, journey, settings, model.states, fitted=f) for f in (False, True)
    ]
    return np.concatenate(parts)


def merge(
    parts: Iterable[BucketScores], limit: int | None, *, by: str = "probability"
) -> BucketScores:
    """Add the buckets up as they come, keeping at most `limit` rows at any time."""
    statuses: Counter[str] = Counter()
    left: Counter[str] = Counter()
    event_names: Counter[str] = Counter()
    probabilities, candidates_so_far, seen = [], [], []
    for part in parts:
        statuses.update(part.statuses)
        left.update(part.exits)
        event_names.update(part.event_names)
        probabilities.append(part.probability)
        seen.append(part.seen)
        candidates_so_far.append(part.candidates)
        if limit is not None:
            candidates_so_far = [join(candidates_so_far).best(limit, by=by)]
    firsts, lasts = ([instant for instant in side if instant] for side in zip(*seen, strict=True))
    return BucketScores(
        statuses=dict(statuses),
        exits=dict(left),
        event_names=dict(event_names),
        probability=np.concatenate(probabilities),
        candidates=join(candidates_so_far).best(limit, by=by),
        seen=(min(firsts, default=None), max(lasts, default=None)),
    )


def join(parts: Sequence[Candidates]) -> Candidates:
    """Put candidates_so_far one behind the other."""
    if len(parts) == 1:
        return parts[0]
    rows = pd.concat([part.rows for part in parts], ignore_index=True)
    return Candidates(rows, np.concatenate([part.features for part in parts], axis=1))
