"""Waiting times from one thing to the next, with those still waiting counted (Kaplan & Meier).

A clock starts when a prospect first does the one, and stops when the other is
first done after it. Who has not done it when their time at risk ends is
censored then. Times are held to the hour, so that any number of prospects fits
into two small tables per pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.histories.arrays import Int64
from microconv.measurement.study.study import Floats, Int32, Study

HOUR = 3_600_000_000
"""In µs; the resolution of waiting times."""

SEEN, WON = 0, 1
"""CodedColumn of being first seen and of converting, before those of the targets."""


@dataclass(frozen=True)
class Durations:
    """How many waited how long, for each pair and group, in hours.

    Attributes
    ----------
    done, censored : ndarray of int32, shape (n_pairs, n_groups, n_hours)
        By whole hours waited: those who then did the other, and those who were
        last seen waiting.
    """

    done: Int32
    censored: Int32


def measure_durations(
    study: Study,
    pairs: Int64,
    *,
    target: Int32,
    groups: tuple[Int32, int],
    min_human_probability: float,
) -> Durations:
    """Measure the waiting times of some pairs.

    Parameters
    ----------
    pairs : ndarray of int64, shape (n_pairs, 2)
        From target, to target, as codes.
    target : ndarray of int32, shape (n_steps,)
        What each step of the journey counts as, from 2 on; -1 for nothing. The code
        :data:`SEEN` stands for being first seen, :data:`WON` for converting.
    groups : tuple of ndarray of int32, shape (n_prospects,), and int
        The group of each prospect, and how many there are.
    min_human_probability : float
        Steps by people only.
    """
    follow_up, (group, n_groups) = study.follow_up, groups
    hours = int((study.until - min(study.start, int(follow_up.first_seen.min()))) // HOUR) + 1
    order = np.argsort(pairs[:, 1], kind="stable")
    n = int(max(target.max(initial=WON), pairs.max())) + 1
    bounds = np.searchsorted(pairs[order, 1], np.arange(n + 1))
    done, censored = _wait(
        (
            study.offsets,
            study.time,
            np.where(study.human_probability >= min_human_probability, target[study.step], -1),
        ),
        (follow_up.first_seen, follow_up.ended_at, follow_up.converted, follow_up.at_risk, group),
        (pairs, order, bounds),
        (n, n_groups, hours),
    )
    return Durations(done, censored)


@njit(cache=True, nogil=True)
def _wait(events, follow_up, pairs, size):  # type: ignore[no-untyped-def]
    offsets, time, target = events
    first_seen, ended_at, converted, at_risk, group = follow_up
    pair, order, bounds = pairs
    n, n_groups, hours = size
    done = np.zeros((len(pair), n_groups, hours), np.int32)
    censored = np.zeros((len(pair), n_groups, hours), np.int32)
    begun = np.empty(n, np.int64)
    answered = np.zeros(len(pair), np.bool_)
    for p in range(len(offsets) - 1):
        if not at_risk[p]:
            continue
        begun[:] = -1
        answered[:] = False
        begun[0] = first_seen[p]
        for i in range(offsets[p], offsets[p + 1]):
            if time[i] >= ended_at[p]:
                break
            k = target[i]
            if k < 0:
                continue
            for o in range(bounds[k], bounds[k + 1]):
                q = order[o]
                since = begun[pair[q, 0]]
                if since >= 0 and not answered[q]:
                    answered[q] = True
                    done[q, group[p], max(0, time[i] - since) // 3_600_000_000] += 1
            if begun[k] < 0:
                begun[k] = time[i]
        for q in range(len(pair)):
            since = begun[pair[q, 0]]
            if since < 0 or answered[q]:
                continue
            waited = max(0, ended_at[p] - since) // 3_600_000_000
            if pair[q, 1] == 1 and converted[p]:
                done[q, group[p], waited] += 1
            else:
                censored[q, group[p], waited] += 1
    return done, censored


@dataclass(frozen=True)
class Curve:
    """A Kaplan–Meier curve: the share still waiting after each hour, with its interval."""

    waiting: Floats
    low: Floats
    high: Floats

    def days_until(self, share: float) -> float:
        """Say after how many days so large a share had done it; nan if it never did."""
        return _first_day(self.waiting, 1 - share)

    def interval_of(self, share: float) -> tuple[float, float]:
        """Give the interval of that, by where the interval of the curve crosses it."""
        return _first_day(self.low, 1 - share), _first_day(self.high, 1 - share)


def kaplan_meier(
    done: npt.NDArray[np.int32], censored: npt.NDArray[np.int32], *, confidence: float
) -> Curve:
    """Estimate a curve from counts by hour (interval: Greenwood's, on the log–log scale)."""
    from scipy.stats import norm

    leaving = done + censored
    waiting = leaving.sum() - np.concatenate([[0], np.cumsum(leaving)[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(done > 0, 1 - done / waiting, 1.0)
        spread = np.where(done > 0, done / (waiting * (waiting - done)), 0.0)
        curve = np.asarray(np.cumprod(step), dtype=np.float64)
        width = norm.ppf((1 + confidence) / 2) * np.sqrt(np.cumsum(spread)) / np.log(curve)
        low, high = curve ** np.exp(-width), curve ** np.exp(width)
    inside = (curve > 0) & (curve < 1)
    return Curve(curve, np.where(inside, low, curve), np.where(inside, high, curve))


def _first_day(curve: Floats, level: float) -> float:
    below = curve <= level + 1e-12
    return float(np.argmax(below)) / 24 if below.any() else float("nan")
