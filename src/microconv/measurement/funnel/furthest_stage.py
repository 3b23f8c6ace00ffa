"""How far each prospect came along an ordered way, when, and whether they stopped there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.histories.arrays import Int64
from microconv.measurement.study.study import Bools, Study


@dataclass(frozen=True)
class Progress:
    """One entry per prospect at risk.

    Attributes
    ----------
    furthest : ndarray of int64, shape (n,)
        Position on the way of the furthest place reached; -1 for none.
    since, last : ndarray of int64, shape (n,)
        When that place was first reached, and when anything on the way was
        last done (µs since 1970); when first seen, where nothing was.
    ended_at : ndarray of int64, shape (n,)
        End of the time at risk.
    converted, exited : ndarray of bool, shape (n,)
        How it ended; neither: at the end of the study.
    """

    furthest: Int64
    since: Int64
    last: Int64
    ended_at: Int64
    converted: Bools
    exited: Bools

    def inactive_for(self, span: int) -> Bools:
        """Say who had done nothing on the way for so long when their time at risk ended."""
        return np.asarray(self.ended_at - self.last >= span)


def measure_progress(
    study: Study, place: npt.NDArray[np.int16], *, min_human_probability: float
) -> Progress:
    """Find how far each prospect at risk came.

    Parameters
    ----------
    place : ndarray of int16, shape (n_events,)
        Position on the way of each event; -1 for none.
    """
    follow_up = study.follow_up
    own = np.where(study.human_probability >= min_human_probability, place, -1).astype(np.int16)
    found = _furthest(study.offsets, study.time, own, follow_up.first_seen, follow_up.ended_at)
    furthest, since, last = (column[follow_up.at_risk] for column in found)
    exited = (follow_up.exited_at == follow_up.ended_at) & ~follow_up.converted
    return Progress(
        furthest,
        since,
        last,
        follow_up.ended_at[follow_up.at_risk],
        follow_up.converted[follow_up.at_risk],
        exited[follow_up.at_risk],
    )


@njit(cache=True, nogil=True)
def _furthest(offsets, time, place, first_seen, ended_at):  # type: ignore[no-untyped-def]
    n = len(first_seen)
    furthest = np.full(n, -1, np.int64)
    since, last = first_seen.copy(), first_seen.copy()
    for p in range(n):
        for i in range(offsets[p], offsets[p + 1]):
            if time[i] >= ended_at[p]:
                break
            if place[i] < 0:
                continue
            if place[i] > furthest[p]:
                furthest[p], since[p] = place[i], time[i]
            last[p] = time[i]
    return furthest, since, last
