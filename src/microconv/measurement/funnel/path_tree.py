"""The tree of first steps: which way prospects go, the small branches cut."""

from __future__ import annotations

import numpy as np
import pandas as pd

from microconv.measurement.funnel.completion import add_rate
from microconv.measurement.funnel.trajectories import Trajectories, first_steps
from microconv.settings import MeasureSettings

DEPTH = 4
"""Steps of the tree."""

SMALLEST_BRANCH = 0.005
"""Branches of the tree with a smaller share of the prospects are cut, and counted together."""

PRUNED = "(other)"


def path_tree(trajectories: Trajectories, settings: MeasureSettings) -> pd.DataFrame:
    """Aggregate the first distinct steps of all walks into a tree, small branches cut.

    Returns
    -------
    DataFrame
        One row per branch: `path`, `depth`, `prospects`, `converted` and their
        rate; what was cut from a branch stands together as "(other)".
    """
    steps = first_steps(trajectories, DEPTH)
    least = max(1.0, SMALLEST_BRANCH * len(trajectories))
    size = len(trajectories.names) + 1
    key = np.zeros(len(trajectories), np.int64)
    rows: list[dict[str, object]] = []
    kept: dict[int, tuple[str, ...]] = {0: ()}
    for depth in range(DEPTH):
        inside = np.isin(key, list(kept)) & (steps[:, depth] >= 0)
        key = np.where(inside, key * size + steps[:, depth] + 1, -1)
        found, where, count = np.unique(key[inside], return_inverse=True, return_counts=True)
        won = np.bincount(where, trajectories.converted[inside], minlength=len(found))
        following: dict[int, tuple[str, ...]] = {}
        cut: dict[int, tuple[int, int]] = {}
        for code, n, converted in zip(found.tolist(), count.tolist(), won.tolist(), strict=True):
            above = kept[code // size]
            if n >= least:
                following[code] = (*above, trajectories.names[code % size - 1])
                rows.append(_branch(following[code], n, int(converted)))
            else:
                others = cut.get(code // size, (0, 0))
                cut[code // size] = others[0] + n, others[1] + int(converted)
        rows += [_branch((*kept[p], PRUNED), n, won) for p, (n, won) in sorted(cut.items())]
        kept = following
    table = pd.DataFrame(rows, columns=["path", "depth", "prospects", "converted"])
    return add_rate(table, "converted", "prospects", settings)


def _branch(path: tuple[str, ...], prospects: int, converted: int) -> dict[str, object]:
    return {
        "path": " > ".join(path),
        "depth": len(path),
        "prospects": prospects,
        "converted": converted,
    }
