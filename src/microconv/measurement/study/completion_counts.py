"""Count, by group of prospects, who did what while at risk, and how many of them were people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from microconv.histories.arrays import Int64
from microconv.measurement.study.study import Floats, Int32, Study


@dataclass(frozen=True)
class CompletionCounts:
    """Prospects at risk of each group, and completions of each group and target.

    Attributes
    ----------
    prospects : ndarray of int64, shape (n_groups,)
    completed : ndarray of float64, shape (n_groups, n_targets)
    by_people : ndarray of float64, shape (n_groups, n_targets)
        Expected number of completers who are people: one minus the probability
        that a machine made every one of a prospect's events, summed.
    """

    prospects: Int64
    completed: Floats
    by_people: Floats


def count_completions(
    study: Study, group: Int32, n_groups: int, target: Int32, *, n_targets: int | None = None
) -> CompletionCounts:
    """Count the prospects who did each target while at risk, by group.

    Parameters
    ----------
    group : ndarray of int32, shape (n_prospects,)
        From 0 to `n_groups` − 1.
    target : ndarray of int32, shape (n_steps,)
        What each step of the journey counts as; -1 for nothing.
    n_targets : int, optional
        As many as there are steps when None.
    """
    follow_up = study.follow_up
    size = len(target) if n_targets is None else n_targets
    completed, by_people = _tally(
        study.offsets,
        (study.time, target[study.step], study.human_probability),
        np.where(follow_up.at_risk, follow_up.ended_at, np.iinfo(np.int64).min),
        group,
        (n_groups, size),
    )
    prospects = np.bincount(group[follow_up.at_risk], minlength=n_groups)
    return CompletionCounts(prospects, completed, by_people)


@njit(cache=True, nogil=True)
def _tally(offsets, events, ended_at, group, shape):  # type: ignore[no-untyped-def]
    time, target, human_probability = events
    completed = np.zeros(shape, np.float64)
    by_people = np.zeros(shape, np.float64)
    seen_by = np.full(shape[1], -1, np.int64)
    machine = np.empty(shape[1], np.float64)  # probability that no person did it so far
    touched = np.empty(shape[1], np.int64)
    for p in range(len(offsets) - 1):
        m = 0
        for i in range(offsets[p], offsets[p + 1]):
            if time[i] >= ended_at[p]:
                break
            k = target[i]
            if k < 0:
                continue
            if seen_by[k] != p:
                seen_by[k], machine[k] = p, 1.0
                touched[m] = k
                m += 1
            machine[k] *= 1.0 - human_probability[i]
        for j in range(m):
            completed[group[p], touched[j]] += 1
            by_people[group[p], touched[j]] += 1.0 - machine[touched[j]]
    return completed, by_people
