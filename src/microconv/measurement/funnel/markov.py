"""Markov removal effects: how much of the conversions passes each step. Descriptive only."""

from __future__ import annotations

import numpy as np
import pandas as pd

from microconv.histories.arrays import Int64
from microconv.measurement.funnel.trajectories import Trajectories
from microconv.measurement.study.study import Bools, Floats


def removal_effects(trajectories: Trajectories, counts: Int64, major: Bools) -> pd.DataFrame:
    """Say how many fewer conversions a Markov chain of the walks has without each step.

    With Q the chance of going from state to state and r of converting next, the
    chance of converting from each state is B = (I − Q)⁻¹ r. A step s is met with
    chance N(start, s) / N(s, s), N = (I − Q)⁻¹, and whoever meets it converts by
    way of it with chance B(s): removed, that is lost. The chain has no memory and
    knows no causes: a descriptive figure.

    Parameters
    ----------
    counts : ndarray of int64, shape (2, n_states, n_states)
    major : ndarray of bool, shape (n_steps,)

    Returns
    -------
    DataFrame
        Columns `step`, `removal_effect` (share of conversions), the largest first.
    """
    nothing = pd.DataFrame({"step": [], "removal_effect": []})
    if not len(trajectories):
        return nothing
    both = counts.sum(axis=0).astype(np.float64)
    visited = np.flatnonzero(both.sum(axis=1) > 0)
    chance = both[visited] / both[visited].sum(axis=1, keepdims=True)
    won = np.append(major, [False, False])
    fundamental: Floats = np.linalg.inv(np.eye(len(visited)) - chance[:, visited])
    converting = fundamental @ chance[:, won].sum(axis=1)
    start = int(np.flatnonzero(visited == trajectories.start)[0])
    if converting[start] <= 0:
        return nothing
    met = fundamental[start] / np.diag(fundamental)
    inner = visited != trajectories.start
    table = pd.DataFrame(
        {
            "step": np.array(trajectories.names, dtype=object)[visited[inner]],
            "removal_effect": (met * converting / converting[start])[inner],
        }
    )
    return table.sort_values(["removal_effect", "step"], ascending=[False, True], ignore_index=True)
