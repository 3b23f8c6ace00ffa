"""Who ever completed a sequence, before or after converting: what a dashboard counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.measurement.study.human_events import NOT_YET, HumanEvents
from microconv.measurement.study.study import Bools


def ever_completed(
    sequence: npt.NDArray[np.int16], human_events: HumanEvents, within: int
) -> Bools:
    """Say who ever completed a sequence, whenever it was known: what a dashboard counts."""
    return np.asarray(
        _ever(sequence, human_events.offsets, human_events.time, human_events.step, within)
    )


@njit(cache=True, nogil=True)
def _ever(sequence, offsets, time, step, within):  # type: ignore[no-untyped-def]
    ever = np.zeros(len(offsets) - 1, np.bool_)
    begun = np.empty(len(sequence), np.int64)
    for p in range(len(ever)):
        begun[:] = NOT_YET
        for i in range(offsets[p], offsets[p + 1]):
            for j in range(len(sequence)):
                if sequence[j] == step[i]:
                    begun[j] = time[i] if j == 0 else begun[j - 1]
            if step[i] == sequence[-1] and begun[-1] > NOT_YET and time[i] - begun[-1] <= within:
                ever[p] = True
                break
    return ever
