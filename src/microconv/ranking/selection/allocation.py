"""Who is listed: the best first, within the capacities, plus exploration slots.

A worked example, a list of three rows of which one is for exploration, and at most one
contact per account; Olga has a capacity of one prospect, Pete has no limit::

    best first    owner  account   outcome
    ada           Olga   acme      listed by rank
    bob           Pete   acme      not listed: Ada is listed for the account
    cy            Olga   birch     not listed: Olga's capacity is used up
    dan           Pete   cedar     listed by rank, the last
    eve           Pete   dune      may be drawn
    fay           Pete   elm       may be drawn

Cy may be drawn too: capacities are for those listed by rank. So Cy, Eve and Fay each have a
probability of exactly 1/3, which makes the outcome of the one drawn an unbiased sample.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
from numba import njit

from microconv.errors import did_you_mean, listed
from microconv.histories.arrays import Int64
from microconv.settings import CapacitySettings, ExplorationSettings, ScoreSettings

RANK, EXPLORATION = "rank", "exploration"
"""Values of the column `selection_reason`."""

BELOW, SAME_ACCOUNT, AT_CAPACITY = "below_the_limit", "same_account", "{}_at_capacity"
"""Reasons in `left_out`."""

MAX_NAMED = 3
"""Other contacts of an account that are named; the rest is counted."""

UNLIMITED = np.iinfo(np.int64).max
_LISTED, _BELOW, _SAME, _FULL = -1, 0, 1, 2


@dataclass(frozen=True)
class Allocation:
    """Who is listed, and why the other candidates are not.

    Attributes
    ----------
    listed : ndarray of int64, shape (n_listed,)
        Positions among the candidates: by rank first, then those drawn.
    selection_reason : ndarray of object, shape (n_listed,)
        :data:`RANK` or :data:`EXPLORATION`.
    selection_probability : ndarray of float64, shape (n_listed,)
        Probability that a row was drawn; 1 for those listed by rank.
    other_contacts : ndarray of object, shape (n_listed,)
        The account's other candidates as text, or None.
    left_out : dict of str to int
        Reason → candidates.
    notes : tuple of str
        Names in the capacities without any candidate.
    """

    listed: Int64
    selection_reason: npt.NDArray[np.object_]
    selection_probability: npt.NDArray[np.float64]
    other_contacts: npt.NDArray[np.object_]
    left_out: dict[str, int]
    notes: tuple[str, ...] = ()


def allocate(
    candidates: pd.DataFrame, settings: ScoreSettings, *, limit: int | None, as_of: datetime
) -> Allocation:
    """Select candidates in order, as far as capacities allow, and draw for exploration.

    Parameters
    ----------
    candidates : DataFrame
        Best first, with `prospect_id`, the columns of `score.capacities` and, for one per
        account, `account_id`. A prospect without owner takes up nobody's capacity, and one
        without account shares it with nobody.
    settings : ScoreSettings
    limit : int or None
        Rows in total, including those for exploration.
    as_of : datetime
        The draw depends on it, on the seed and on the ids alone, not on the order of the
        candidates.
    """
    n = len(candidates)
    exploration = settings.exploration
    account = _codes(candidates, "account_id") if settings.one_per_account else np.full(n, -1)
    group, room = _capacities(candidates, settings.capacities)
    by_rank = n if limit is None else limit - (0 if exploration is None else exploration.slots)
    outcome = _select_in_order(account, group, room.copy(), by_rank)
    ranked = np.flatnonzero(outcome == _LISTED)
    pool = _pool(outcome, account, group, room)
    drawn = _draw(candidates["prospect_id"], pool, exploration, as_of)
    everyone = np.concatenate([ranked, drawn])
    outcome[drawn] = _LISTED
    outcome[(outcome != _LISTED) & _among(account, account[everyone])] = _SAME
    reasons = [BELOW, SAME_ACCOUNT, *(AT_CAPACITY.format(name) for name in settings.capacities)]
    counts = np.bincount(outcome[outcome != _LISTED], minlength=len(reasons)).tolist()
    left_out = dict(zip(reasons, counts, strict=True))
    if not settings.one_per_account:
        del left_out[SAME_ACCOUNT]
    probability = min(1.0, len(drawn) / len(pool)) if len(pool) else 1.0
    return Allocation(
        listed=everyone,
        selection_reason=np.repeat(
            np.array([RANK, EXPLORATION], object), [len(ranked), len(drawn)]
        ),
        selection_probability=np.repeat([1.0, probability], [len(ranked), len(drawn)]),
        other_contacts=_others(candidates["prospect_id"], account, outcome, everyone),
        left_out=left_out,
        notes=_unknown_names(candidates, settings.capacities),
    )


def _codes(candidates: pd.DataFrame, column: str) -> Int64:
    """Encode a column; -1 where there is no value."""
    if column not in candidates:
        return np.full(len(candidates), -1)
    return np.asarray(pd.factorize(candidates[column])[0], dtype=np.int64)


def _capacities(
    candidates: pd.DataFrame, capacities: Mapping[str, CapacitySettings]
) -> tuple[Int64, Int64]:
    """Return whose capacity each candidate takes up, one row per column, and the capacities."""
    group = np.full((len(capacities), len(candidates)), -1, np.int64)
    limits: list[int] = []
    for row, (column, capacity) in enumerate(capacities.items()):
        codes, names = pd.factorize(candidates[column])
        group[row] = np.where(codes < 0, -1, codes + len(limits))
        each = UNLIMITED if capacity.each is None else capacity.each
        limits += [capacity.named.get(name, each) for name in names]
    return group, np.array(limits, dtype=np.int64)


def _pool(
    outcome: npt.NDArray[np.int8], account: Int64, group: Int64, room: Int64
) -> npt.NDArray[np.intp]:
    """Return those below the cut who may be drawn, only the best of each account.

    An owner with a capacity of 0 gets nobody, not even for exploration.
    """
    closed = np.append(room == 0, False)  # group -1, nobody's capacity, is the last
    open_to = ~closed[group].any(axis=0)
    pool = np.flatnonzero((outcome != _LISTED) & (outcome != _SAME) & open_to)
    pool = pool[~_among(account[pool], account[outcome == _LISTED])]
    first = np.zeros(len(pool), bool)
    first[np.unique(account[pool], return_index=True)[1]] = True
    return pool[first | (account[pool] < 0)]


def _draw(
    ids: pd.Series,
    pool: npt.NDArray[np.intp],
    exploration: ExplorationSettings | None,
    as_of: datetime,
) -> npt.NDArray[np.intp]:
    """Draw without replacement, with equal probabilities: the smallest hashes."""
    if exploration is None or len(pool) == 0:
        return pool[:0]
    salt = f"{exploration.seed} {as_of.isoformat()} ".encode()
    hashes = [
        hashlib.blake2b(salt + prospect.encode(), digest_size=16).digest()
        for prospect in ids.iloc[pool]
    ]
    order = sorted(range(len(pool)), key=hashes.__getitem__)[: exploration.slots]
    return np.sort(pool[order])


def _others(
    ids: pd.Series, account: Int64, outcome: npt.NDArray[np.int8], everyone: Int64
) -> npt.NDArray[np.object_]:
    """Name the account's other candidates, best first, for each listed prospect."""
    texts = np.full(len(everyone), None, dtype=object)
    rest = np.flatnonzero(outcome == _SAME)
    if len(rest) == 0:
        return texts
    of_account = pd.Series(rest).groupby(account[rest])
    named = of_account.head(MAX_NAMED)
    names = ids.iloc[named].groupby(account[named]).agg(list)
    counts = of_account.size()
    for position, code in enumerate(account[everyone]):
        if code in counts.index:
            more = int(counts[code]) - len(names[code])
            text = ", ".join(names[code])
            texts[position] = f"{text} and {more:,} more" if more else text
    return texts


def _among(account: Int64, known: Int64) -> npt.NDArray[np.bool_]:
    return (account >= 0) & np.isin(account, known)


def _unknown_names(
    candidates: pd.DataFrame, capacities: Mapping[str, CapacitySettings]
) -> tuple[str, ...]:
    """Note the names in the capacities without any candidate: usually a typo."""
    notes = []
    for column, capacity in capacities.items():
        there = set(candidates[column].dropna())
        unknown = [name for name in capacity.named if name not in there]
        if unknown:
            notes.append(
                f"`score.capacities.{column}` names {listed(unknown)}, and no candidate has it."
                + did_you_mean(unknown[0], sorted(there))
            )
    return tuple(notes)


@njit(cache=True, nogil=True)
def _select_in_order(account, group, room, limit):  # type: ignore[no-untyped-def]
    """Select in order. Codes: -1 listed, 0 below, 1 same account, 2 + k capacity used up.

    `room` is changed.
    """
    n, columns = len(account), len(group)
    outcome = np.zeros(n, np.int8)
    taken = np.zeros(account.max() + 1 if n else 0, np.bool_)
    listed = 0
    for i in range(n):
        if account[i] >= 0 and taken[account[i]]:
            outcome[i] = 1
            continue
        full = -1
        for k in range(columns):
            if full < 0 and group[k, i] >= 0 and room[group[k, i]] == 0:
                full = k
        if full >= 0:
            outcome[i] = 2 + full
            continue
        if listed >= limit:
            continue
        outcome[i] = -1
        listed += 1
        if account[i] >= 0:
            taken[account[i]] = True
        for k in range(columns):
            if group[k, i] >= 0:
                room[group[k, i]] -= 1
    return outcome
