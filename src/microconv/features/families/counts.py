"""Counts: how often each step, kind and stage happened, in windows that end at `as_of`.

Each event counts as the probability that a person did it (`human_probability`): where that is 1
for every event, the columns are plain counts. A stage counts its micro steps.

==============================  =============================================
``counts.pricing_visit.30d``    the step, in the 30 days before `as_of`
``counts.kind=micro.30d``       every step of a kind (the kinds the journey has)
``counts.stage=decision.ever``  every micro step of a stage, at any time
``counts.(other).30d``          all steps without columns of their own (`max_steps`)
==============================  =============================================
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.features.family import Columns, Family, Spec, event_arrays
from microconv.features.rare_steps import group_rare_steps
from microconv.histories.arrays import VisibleEvents
from microconv.journey import KINDS


def _names(spec: Spec) -> list[str]:
    """Name the columns: steps, kinds, then stages, each with all its windows."""
    groups, _ = _groups(spec)
    return [f"counts.{group}.{window}" for group in groups for window in spec.windows]


def _fill(out: Columns, visible: VisibleEvents, spec: Spec) -> None:
    _, adds_to = _groups(spec)
    _kernel(out, *event_arrays(visible), spec.spans, adds_to)


FAMILY = Family(_names, _fill)


def _groups(spec: Spec) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Name what is counted, and return the three groups that each step adds to.

    A step without a stage adds to a group behind all others, which is not reported.
    """
    journey, grouped = spec.journey, group_rare_steps(spec.journey, spec.settings)
    kinds = [kind for kind in KINDS if len(journey.codes_of_kind(kind))]
    groups = [
        *grouped.names,
        *(f"kind={kind}" for kind in kinds),
        *(f"stage={stage}" for stage in journey.stages),
    ]
    adds_to = np.full((len(journey), 3), len(groups), dtype=np.int64)
    adds_to[:, 0] = grouped.group
    first_kind, first_stage = len(grouped.names), len(grouped.names) + len(kinds)
    for code, step in enumerate(journey.steps):
        adds_to[code, 1] = first_kind + kinds.index(step.kind)
        if step.kind == "micro" and step.stage is not None:
            adds_to[code, 2] = first_stage + journey.stages.index(step.stage)
    return groups, adds_to


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(  # type: ignore[no-untyped-def]
    out, as_of, start, end, time, step, human_probability, spans, adds_to
):
    """Walk each history backwards: the windows an event lies in only grow."""
    n_columns, n_rows = out.shape
    n_spans, n_steps = len(spans), adds_to[:, 0].max() + 1
    n_windows = n_spans + 1
    n_groups = n_columns // n_windows
    sums = np.zeros(n_columns + n_windows)  # the last group is never read
    met = np.empty(n_groups, np.int64)
    met_in = np.full(n_steps, -1, np.int64)
    block = max(16, 131_072 // n_columns)
    for first in range(0, n_rows, block):
        last = min(first + block, n_rows)
        for c in range(n_columns):
            for r in range(first, last):
                out[c, r] = 0.0
        for r in range(first, last):
            n_met, w = 0, 0
            for i in range(end[r] - 1, start[r] - 1, -1):
                age = as_of[r] - time[i]
                while w < n_spans and age > spans[w]:
                    w += 1
                code = step[i]
                s = adds_to[code, 0]
                if met_in[s] != r:
                    met_in[s] = r
                    met[n_met] = s
                    n_met += 1
                sums[s * n_windows + w] += human_probability[i]
                sums[adds_to[code, 1] * n_windows + w] += human_probability[i]
                sums[adds_to[code, 2] * n_windows + w] += human_probability[i]
            if n_met == 0:
                continue
            for g in range(n_steps, n_groups):
                met[n_met] = g
                n_met += 1
            for k in range(n_met):
                c, total = met[k] * n_windows, 0.0
                for w in range(n_windows):
                    total += sums[c + w]
                    sums[c + w] = 0.0
                    out[c + w, r] = total
