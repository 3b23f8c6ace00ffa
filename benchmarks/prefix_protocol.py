"""The published prefix protocol on BPI Challenge 2012: cases, rows, split and score.

Outcome-oriented predictive process monitoring (Teinemaa, Dumas, La Rosa and
Maggi, TKDD 2019). Events are sorted by time, then activity. Only cases count
whose last offer event says how they ended: accepted, declined or cancelled.
Cases are ordered by their first event; the first 80 % train, and of these only
the events before the first event of the test cases. Every prefix of 1 to
`longest` events is a row. The score is the AUC of each prefix length, weighted
by the number of prefixes; an AUC that does not exist counts 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

TARGETS = {
    "accepted": "O_ACCEPTED|COMPLETE",
    "declined": "O_DECLINED|COMPLETE",
    "cancelled": "O_CANCELLED|COMPLETE",
}

ENDS = (
    "O_ACCEPTED|COMPLETE",
    "O_DECLINED|COMPLETE",
    "A_REGISTERED|COMPLETE",
    "A_APPROVED|COMPLETE",
    "A_ACTIVATED|COMPLETE",
    "A_DECLINED|COMPLETE",
    "A_CANCELLED|COMPLETE",
)
"""Events that say how a case ends, whatever the order in which they are written."""

TRAIN_SHARE = 0.8
LONGEST = 40


@dataclass(frozen=True)
class Cases:
    """Events of the labelled cases, and where each case begins.

    Attributes
    ----------
    events : DataFrame of shape (n_events, 5)
        `case` (its rank by first event), `name`, `time`, `resource`, `amount`;
        sorted by case, time and name.
    offsets : ndarray of int64, shape (n_cases + 1,)
    labels : ndarray of bool, shape (n_cases,)
    exits : ndarray of bool, shape (n_cases,)
        Whether a case ended in one of the two other ways: the first of :data:`TARGETS`
        that is not the target.
    """

    events: pd.DataFrame = field(repr=False)
    offsets: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    exits: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.labels)


@dataclass(frozen=True)
class Rows:
    """Prefixes of some cases.

    Attributes
    ----------
    case, length, end : ndarray of int64, shape (n_rows,)
        The case, how many events are seen, one past the last of them in `Cases.events`.
    labels, exits : ndarray of bool, shape (n_rows,)
        Those of their cases.
    """

    case: np.ndarray = field(repr=False)
    length: np.ndarray = field(repr=False)
    end: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    exits: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.case)

    def some(self, kept: np.ndarray) -> Rows:
        """Keep the marked rows."""
        columns = (self.case, self.length, self.end, self.labels, self.exits)
        return Rows(*(column[kept] for column in columns))

    def weights(self) -> np.ndarray:
        """Weigh every case alike: 1 / its number of rows."""
        weights: np.ndarray = 1.0 / np.bincount(self.case)[self.case]
        return weights


def read_cases(folder: Path, target: str, *, cut: bool = False) -> Cases:
    """Read the labelled cases.

    Parameters
    ----------
    folder : Path
        With `bpi2012_events.parquet`.
    target : str
        A name of :data:`TARGETS`.
    cut : bool
        Drop what a case did from its first outcome event on, and everything that
        happened at that same instant: the honest form of the task.
    """
    flat = pd.read_parquet(folder / "bpi2012_events.parquet")
    events = pd.DataFrame(
        {
            "id": flat["case:concept:name"].astype(str),
            "name": flat["concept:name"].astype(str) + "|" + flat["lifecycle:transition"],
            "time": flat["time:timestamp"],
            "resource": flat["org:resource"],
            "amount": flat["case:AMOUNT_REQ"].astype(float),
        }
    ).sort_values(["time", "name"], kind="stable")
    offers = events[events["name"].str.startswith("O_")].groupby("id")["name"].last()
    ended = offers[offers.isin(TARGETS.values())]
    events = events[events["id"].isin(ended.index)]
    starts = events.groupby("id")["time"].min().reset_index().sort_values("time", kind="stable")
    rank = pd.Series(np.arange(len(starts)), index=starts["id"])
    events = events.assign(case=events["id"].map(rank))
    if cut:
        events = drop_outcomes(events, events["id"].map(ended))
    events = events.drop(columns="id").sort_values(["case", "time", "name"], kind="stable")
    sizes = np.bincount(events["case"], minlength=len(rank))
    last = ended.loc[starts["id"]].to_numpy()
    other = next(name for name in TARGETS if name != target)
    labels, exits = last == TARGETS[target], last == TARGETS[other]
    return Cases(events.reset_index(drop=True), np.append(0, np.cumsum(sizes)), labels, exits)


def drop_outcomes(events: pd.DataFrame, last_offer: pd.Series) -> pd.DataFrame:
    """Keep the events before a case's outcome is known.

    A withdrawn offer (`O_CANCELLED`) is the outcome only where no other offer follows:
    many are replaced by another offer.
    """
    withdrawn = TARGETS["cancelled"]
    cancelled = events[(events["name"] == withdrawn) & (last_offer == withdrawn)]
    ends = pd.concat(
        [
            events[events["name"].isin(ENDS)].groupby("case")["time"].min(),
            cancelled.groupby("case")["time"].max(),
        ]
    )
    first = ends.groupby(level=0).min()
    return events[events["time"] < events["case"].map(first)]


def longest_prefix(cases: Cases) -> int:
    """Return the 90th percentile of the positive cases' length, 40 at most."""
    lengths = np.diff(cases.offsets)[cases.labels]
    return min(LONGEST, math.ceil(float(np.quantile(lengths, 0.9))))


def split_rows(
    cases: Cases, train: range, test: range, *, before: int | None = None
) -> tuple[Rows, Rows]:
    """List the prefixes to train on and those to predict.

    Parameters
    ----------
    cases : Cases
    train, test : range
        Cases, in the order of their first events; `test` after `train`.
    before : int, optional
        A case; nothing that happened once it had begun is seen in either part.

    Returns
    -------
    tuple of Rows
        Prefixes of `train`, from events before the first case of `test` began; and those of `test`.
    """
    longest = longest_prefix(cases)
    time = cases.events["time"].to_numpy()
    begins = time[cases.offsets[:-1]]
    limit = begins[before] if before is not None else None
    return (
        _prefixes(cases, train, longest, time < begins[test.start]),
        _prefixes(
            cases, test, longest, np.full(len(time), True) if limit is None else time < limit
        ),
    )


def _prefixes(cases: Cases, which: range, longest: int, seen: np.ndarray) -> Rows:
    """Every prefix of the events seen; these are a beginning of each case."""
    counts = np.add.reduceat(seen, cases.offsets[:-1])[which.start : which.stop]
    counts = np.minimum(counts, longest)
    case = np.repeat(np.arange(which.start, which.stop), counts)
    firsts = np.repeat(np.cumsum(counts) - counts, counts)
    length = np.arange(len(case)) - firsts + 1
    end = cases.offsets[case] + length
    return Rows(case, length, end, cases.labels[case], cases.exits[case])


def outer_split(cases: Cases) -> tuple[range, range]:
    """Return the cases that train and those that test."""
    n_train = int(TRAIN_SHARE * len(cases))
    return range(n_train), range(n_train, len(cases))


def weighted_auc(scores: np.ndarray, rows: Rows, counts: np.ndarray | None = None) -> float:
    """Return the AUC of each prefix length, weighted by its number of prefixes.

    Parameters
    ----------
    scores : ndarray of float64, shape (n_rows,)
    rows : Rows
    counts : ndarray of int64, shape (n_cases,), optional
        How often each case was drawn, for the bootstrap; once when None.
    """
    drawn = np.ones(len(rows)) if counts is None else counts[rows.case].astype(float)
    total = 0.0
    for length in np.unique(rows.length):
        here = rows.length == length
        total += drawn[here].sum() * auc(scores[here], rows.labels[here], drawn[here])
    return float(total / drawn.sum())


def auc(scores: np.ndarray, labels: np.ndarray, drawn: np.ndarray) -> float:
    """Return the area under the ROC curve, each row counted as often as drawn; 0 if undefined."""
    ranks = rankdata(scores, method="dense") - 1
    positive = np.bincount(ranks, drawn * labels)
    negative = np.bincount(ranks, drawn * ~labels)
    pairs = positive.sum() * negative.sum()
    if pairs == 0:
        return 0.0
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / pairs)
