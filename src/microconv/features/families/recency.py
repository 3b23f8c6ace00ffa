"""Recency: days since each step last and first happened, and how fast it was reached.

Events with `human_probability` below one half are ignored. Columns of a step that
never happened are nan.

=================================  ==========================================
``recency.pricing_visit.last``     days from the step's latest event to `as_of`
``recency.pricing_visit.first``    days from its first event
``recency.pricing_visit.reached``  days it took from the first event of any step
``recency.(any).last``             days from the latest event of any step
``recency.(any).first``            days from the first
``recency.(other).last``           likewise for all steps without columns of their own
=================================  ==========================================
"""

from __future__ import annotations

import numpy as np
from numba import njit

from microconv.features.family import (
    Columns,
    Family,
    Spec,
    event_arrays,
    read_only,
)
from microconv.features.rare_steps import group_rare_steps
from microconv.histories.arrays import DAY, VisibleEvents
from microconv.storage.schema import HUMAN_THRESHOLD


def _names(spec: Spec) -> list[str]:
    grouped = group_rare_steps(spec.journey, spec.settings).names
    steps = [f"{step}.{w}" for step in grouped for w in ("last", "first", "reached")]
    return [f"recency.{column}" for column in (*steps, "(any).last", "(any).first")]


def _fill(out: Columns, visible: VisibleEvents, spec: Spec) -> None:
    (group,) = read_only(group_rare_steps(spec.journey, spec.settings).group)
    _kernel(out, *event_arrays(visible), group, HUMAN_THRESHOLD, DAY)


FAMILY = Family(_names, _fill)


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(  # type: ignore[no-untyped-def]
    out, as_of, start, end, time, step, human_probability, group, person, day
):
    """Walk each history backwards: the first event found of a step is its latest."""
    n_columns, n_rows = out.shape
    n_steps = (n_columns - 2) // 3
    met = np.empty(n_steps, np.int64)
    met_in = np.full(n_steps, -1, np.int64)
    oldest = np.empty(n_steps, np.int64)
    block = max(16, 131_072 // n_columns)
    for first in range(0, n_rows, block):
        last = min(first + block, n_rows)
        for c in range(n_columns):
            for r in range(first, last):
                out[c, r] = np.nan
        for r in range(first, last):
            n_met, cut = 0, as_of[r]
            latest_of_all = oldest_of_all = cut
            for i in range(end[r] - 1, start[r] - 1, -1):
                if human_probability[i] < person:
                    continue
                s, t = group[step[i]], time[i]
                if met_in[s] != r:
                    met_in[s] = r
                    if n_met == 0:
                        latest_of_all = t
                    met[n_met] = s
                    n_met += 1
                    out[3 * s, r] = (cut - t) / day
                oldest[s] = oldest_of_all = t
            for k in range(n_met):
                out[3 * met[k] + 1, r] = (cut - oldest[met[k]]) / day
                out[3 * met[k] + 2, r] = (oldest[met[k]] - oldest_of_all) / day
            if n_met > 0:
                out[3 * n_steps, r] = (cut - latest_of_all) / day
                out[3 * n_steps + 1, r] = (cut - oldest_of_all) / day
