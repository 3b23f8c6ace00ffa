"""Who gets called: the best first, as far as there is room for them.

A worked example, a list of three rows of which one is for exploration, and at most one
contact per account; Olga takes one prospect, Pete as many as come::

    best first    owner  account   what becomes of them
    ada           Olga   acme      listed by rank
    bob           Pete   acme      not listed: Ada is there for the account
    cy            Olga   birch     not listed: Olga has no place left
    dan           Pete   cedar     listed by rank, the second and last
    eve           Pete   dune      may be drawn
    fay           Pete   elm       may be drawn

Cy may be drawn too: capacities are for those listed by rank. So Cy, Eve and Fay each have
the chance 1/3, exactly, which is what makes the outcome of the one drawn worth anything.
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
"""Why a row is listed, in the column `selection_reason`."""

BELOW, SAME_ACCOUNT, AT_CAPACITY = "below_the_limit", "same_account", "{}_at_capacity"
"""Why one is not."""

MAX_NAMED = 3
"""Of an account's other contacts so many are named, and the rest counted."""

UNLIMITED = np.iinfo(np.int64).max
_LISTED, _BELOW, _SAME, _FULL = -1, 0, 1, 2


@dataclass(frozen=True)
class Allocation:
    """Who is listed, and what became of the other candidates.

    Attributes
    ----------
    listed : ndarray of int64, shape (n_listed,)
        Positions among the candidates: by rank first, then those drawn.
    because : ndarray of object, shape (n_listed,)
        :data:`RANK` or :data:`EXPLORATION`.
    selection_probability : ndarray of float64, shape (n_listed,)
        The chance that a row had to be drawn; 1 for those listed by rank.
    other_contacts : ndarray of object, shape (n_listed,)
        The account's other candidates in words, or None.
    left_out : dict of str to int
        Reason → candidates.
    notes : tuple of str
        Names among the capacities that nobody has.
    """

    listed: Int64
    because: npt.NDArray[np.object_]
    selection_probability: npt.NDArray[np.float64]
    other_contacts: npt.NDArray[np.object_]
    left_out: dict[str, int]
    notes: tuple[str, ...] = ()


def allocate(
    candidates: pd.DataFrame, settings: ScoreSettings, *, limit: int | None, as_of: datetime
) -> Allocation:
    """Go down the candidates once, and give each the place there is for them.

    Parameters
    ----------
    candidates : DataFrame
        Best first, with `prospect_id`, the columns of `score.capacities` and, for one per
        account, `account_id`. Whoever has no owner takes nobody's place, and whoever has
        no account shares it with nobody.
    settings : ScoreSettings
    limit : int or None
        Rows in all, those for exploration among them.
    as_of : datetime
        The draw follows from it, from the seed and from the ids: neither the order of the
        candidates nor the machine has a part in it.
    """
    n = len(candidates)
    exploration = settings.exploration
    account = _codes(candidates, "account_id") if settings.one_per_account else np.full(n, -1)
    group, room = _rooms(candidates, settings.capacities)
    by_rank = n if limit is None else limit - (0 if exploration is None else exploration.slots)
    verdict = _go_down(account, group, room.copy(), by_rank)
    ranked = np.flatnonzero(verdict == _LISTED)
    pool = _drawable(verdict, account, group, room)
    drawn = _draw(candidates["prospect_id"], pool, exploration, as_of)
    everyone = np.concatenate([ranked, drawn])
    verdict[drawn] = _LISTED
    verdict[(verdict != _LISTED) & _among(account, account[everyone])] = _SAME
    reasons = [BELOW, SAME_ACCOUNT, *(AT_CAPACITY.format(name) for name in settings.capacities)]
    counts = np.bincount(verdict[verdict != _LISTED], minlength=len(reasons)).tolist()
    left_out = dict(zip(reasons, counts, strict=True))
    if not settings.one_per_account:
        del left_out[SAME_ACCOUNT]
    chance = min(1.0, len(drawn) / len(pool)) if len(pool) else 1.0
    return Allocation(
        listed=everyone,
        because=np.repeat(np.array([RANK, EXPLORATION], object), [len(ranked), len(drawn)]),
        selection_probability=np.repeat([1.0, chance], [len(ranked), len(drawn)]),
        other_contacts=_others(candidates["prospect_id"], account, verdict, everyone),
        left_out=left_out,
        notes=_strangers(candidates, settings.capacities),
    )


def _codes(candidates: pd.DataFrame, column: str) -> Int64:
    """Turn a column into codes; -1 where there is no value."""
    if column not in candidates:
        return np.full(len(candidates), -1)
    return np.asarray(pd.factorize(candidates[column])[0], dtype=np.int64)


def _rooms(
    candidates: pd.DataFrame, capacities: Mapping[str, CapacitySettings]
) -> tuple[Int64, Int64]:
    """Say whose places each candidate takes, one row per column, and how many each has."""
    group = np.full((len(capacities), len(candidates)), -1, np.int64)
    rooms: list[int] = []
    for row, (column, capacity) in enumerate(capacities.items()):
        codes, names = pd.factorize(candidates[column])
        group[row] = np.where(codes < 0, -1, codes + len(rooms))
        each = UNLIMITED if capacity.each is None else capacity.each
        rooms += [capacity.named.get(name, each) for name in names]
    return group, np.array(rooms, dtype=np.int64)


def _drawable(
    verdict: npt.NDArray[np.int8], account: Int64, group: Int64, room: Int64
) -> npt.NDArray[np.intp]:
    """Find those below the cut who may be drawn, the best of each account alone.

    An owner without a single place gets nobody, not even by lot.
    """
    closed = np.append(room == 0, False)  # group -1, nobody's place, is the last
    open_to = ~closed[group].any(axis=0)
    pool = np.flatnonzero((verdict != _LISTED) & (verdict != _SAME) & open_to)
    pool = pool[~_among(account[pool], account[verdict == _LISTED])]
    first = np.zeros(len(pool), bool)
    first[np.unique(account[pool], return_index=True)[1]] = True
    return pool[first | (account[pool] < 0)]


def _draw(
    ids: pd.Series,
    pool: npt.NDArray[np.intp],
    exploration: ExplorationSettings | None,
    as_of: datetime,
) -> npt.NDArray[np.intp]:
    """Draw without replacement, each as likely as any other: the smallest hashes."""
    if exploration is None or len(pool) == 0:
        return pool[:0]
    salt = f"{exploration.seed} {as_of.isoformat()} ".encode()
    lots = [
        hashlib.blake2b(salt + prospect.encode(), digest_size=16).digest()
        for prospect in ids.iloc[pool]
    ]
    order = sorted(range(len(pool)), key=lots.__getitem__)[: exploration.slots]
    return np.sort(pool[order])


def _others(
    ids: pd.Series, account: Int64, verdict: npt.NDArray[np.int8], everyone: Int64
) -> npt.NDArray[np.object_]:
    """Name the account's other candidates, best first, for each who is listed."""
    words = np.full(len(everyone), None, dtype=object)
    rest = np.flatnonzero(verdict == _SAME)
    if len(rest) == 0:
        return words
    of_account = pd.Series(rest).groupby(account[rest])
    named = of_account.head(MAX_NAMED)
    names = ids.iloc[named].groupby(account[named]).agg(list)
    counts = of_account.size()
    for position, code in enumerate(account[everyone]):
        if code in counts.index:
            more = int(counts[code]) - len(names[code])
            said = ", ".join(names[code])
            words[position] = f"{said} and {more:,} more" if more else said
    return words


def _among(account: Int64, known: Int64) -> npt.NDArray[np.bool_]:
    return (account >= 0) & np.isin(account, known)


def _strangers(
    candidates: pd.DataFrame, capacities: Mapping[str, CapacitySettings]
) -> tuple[str, ...]:
    """Say which names have places that no candidate asks for: usually a typo."""
    notes = []
    for column, capacity in capacities.items():
        there = set(candidates[column].dropna())
        strangers = [name for name in capacity.named if name not in there]
        if strangers:
            notes.append(
                f"`score.capacities.{column}` names {listed(strangers)}, who has no candidate."
                + did_you_mean(strangers[0], sorted(there))
            )
    return tuple(notes)


@njit(cache=True, nogil=True)
def _go_down(account, group, room, limit):  # type: ignore[no-untyped-def]
    """Give the places away in order. Codes: -1 listed, 0 below, 1 same account, 2 + k full.

    `room` is used up.
    """
    n, columns = len(account), len(group)
    verdict = np.zeros(n, np.int8)
    taken = np.zeros(account.max() + 1 if n else 0, np.bool_)
    listed = 0
    for i in range(n):
        if account[i] >= 0 and taken[account[i]]:
            verdict[i] = 1
            continue
        full = -1
        for k in range(columns):
            if full < 0 and group[k, i] >= 0 and room[group[k, i]] == 0:
                full = k
        if full >= 0:
            verdict[i] = 2 + full
            continue
        if listed >= limit:
            continue
        verdict[i] = -1
        listed += 1
        if account[i] >= 0:
            taken[account[i]] = True
        for k in range(columns):
            if group[k, i] >= 0:
                room[group[k, i]] -= 1
    return verdict
