"""Durations from one step to the next, and their Kaplan-Meier curves.

The clock starts when a prospect first does one step and stops when they first do the other
after it. Prospects who have not done it when their time at risk ends are censored then.
Durations are counted by whole hours, so memory does not grow with the number of prospects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.histories.arrays import Int64
from microconv.measurement.study.study import Floats, Int32, Study

HOUR = 3_600_000_000
"""Microseconds in an hour, the resolution of durations."""

FIRST_SEEN, CONVERTED = 0, 1
"""Target codes of being first seen and of converting; those of steps begin at 2."""


@dataclass(frozen=True)
class Durations:
    """Numbers of prospects by duration, pair and group.

    Attributes
    ----------
    done, censored : ndarray of int32, shape (n_pairs, n_groups, n_hours)
        By whole hours from the first step: prospects who then did the second one, and those
        whose time at risk ended without it.
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
    """Measure the durations of some pairs of targets.

    Parameters
    ----------
    study : Study
    pairs : ndarray of int64, shape (n_pairs, 2)
        Codes of the targets at the start and the end.
    target : ndarray of int32, shape (n_steps,)
        Target code of each step of the journey, 2 or above; -1 for none. The code
        :data:`FIRST_SEEN` stands for being first seen, :data:`CONVERTED` for converting.
    groups : tuple of ndarray of int32, shape (n_prospects,), and int
        Group of each prospect, and number of groups.
    min_human_probability : float
        Steps less likely to be done by a person are ignored.

    Returns
    -------
    Durations
    """
    follow_up, (group, n_groups) = study.follow_up, groups
    hours = int((study.until - min(study.start, int(follow_up.first_seen.min()))) // HOUR) + 1
    order = np.argsort(pairs[:, 1], kind="stable")
    n = int(max(target.max(initial=CONVERTED), pairs.max())) + 1
    bounds = np.searchsorted(pairs[order, 1], np.arange(n + 1))
    done, censored = _count_durations(
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
def _count_durations(events, follow_up, pairs, size):  # type: ignore[no-untyped-def]
    offsets, time, target = events
    first_seen, ended_at, converted, at_risk, group = follow_up
    pair, order, bounds = pairs
    n, n_groups, hours = size
    done = np.zeros((len(pair), n_groups, hours), np.int32)
    censored = np.zeros((len(pair), n_groups, hours), np.int32)
    first_at = np.empty(n, np.int64)
    done_before = np.zeros(len(pair), np.bool_)
    for p in range(len(offsets) - 1):
        if not at_risk[p]:
            continue
        first_at[:] = -1
        done_before[:] = False
        first_at[0] = first_seen[p]
        for i in range(offsets[p], offsets[p + 1]):
            if time[i] >= ended_at[p]:
                break
            k = target[i]
            if k < 0:
                continue
            for o in range(bounds[k], bounds[k + 1]):
                q = order[o]
                since = first_at[pair[q, 0]]
                if since >= 0 and not done_before[q]:
                    done_before[q] = True
                    done[q, group[p], max(0, time[i] - since) // 3_600_000_000] += 1
            if first_at[k] < 0:
                first_at[k] = time[i]
        for q in range(len(pair)):
            since = first_at[pair[q, 0]]
            if since < 0 or done_before[q]:
                continue
            hours_taken = max(0, ended_at[p] - since) // 3_600_000_000
            if pair[q, 1] == 1 and converted[p]:
                done[q, group[p], hours_taken] += 1
            else:
                censored[q, group[p], hours_taken] += 1
    return done, censored


@dataclass(frozen=True)
class Curve:
    """Kaplan-Meier curve: share of prospects without the second step after each hour."""

    waiting: Floats
    low: Floats
    high: Floats

    def days_until(self, share: float) -> float:
        """Return the days until a share of the prospects had done it; nan if it never had."""
        return _first_day(self.waiting, 1 - share)

    def interval_of(self, share: float) -> tuple[float, float]:
        """Return the confidence interval of :meth:`days_until`, by inverting that of the curve."""
        return _first_day(self.low, 1 - share), _first_day(self.high, 1 - share)


def kaplan_meier(
    done: npt.NDArray[np.int32], censored: npt.NDArray[np.int32], *, confidence: float
) -> Curve:
    """Estimate a Kaplan-Meier curve with Greenwood's interval on the log-log scale.

    Parameters
    ----------
    done, censored : ndarray of int32, shape (n_hours,)
        One pair and group of :class:`Durations`.
    confidence : float

    Returns
    -------
    Curve
    """
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
