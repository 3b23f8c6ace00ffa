"""Exposure: what the prospect was shown, and how much came of it.

How many exposures there were stands in ``counts.kind=exposure``; here is what
they met with. Exposures and micro events count as the probability that a
person was behind them (`human_probability`), as in `counts`.

============================  ====================================================
``exposure.response.30d``     (micro events + 1/2) / (exposures + 1) in the window;
                              nan without an exposure there. The half keeps one
                              answer to one mail from outranking eight to ten.
``exposure.unanswered.ever``  exposures after the latest act of the prospect (a
                              micro event more likely a person's than a robot's),
                              all of them if there is none
``exposure.days.last``        days since the latest exposure that was at least as
                              likely a person's as a robot's; nan without one
============================  ====================================================
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from microconv.features.family import Columns, State
from microconv.features.kernel import HUMAN_THRESHOLD, event_arrays, window_names, window_spans
from microconv.histories.arrays import DAY, VisibleEvents
from microconv.journey import EXPOSURE, MICRO, JourneyMap
from microconv.settings import FeatureSettings

FITTED = False


def fit(
    visible: VisibleEvents,
    labels: npt.NDArray[np.bool_],
    journey: JourneyMap,
    settings: FeatureSettings,
) -> State:
    """Learn nothing."""
    return {}


def names(journey: JourneyMap, settings: FeatureSettings, state: State) -> list[str]:
    """Name the columns: responses by window, the unanswered, the last."""
    return [
        *(f"exposure.response.{window}" for window in window_names(settings)),
        "exposure.unanswered.ever",
        "exposure.days.last",
    ]


def fill(
    out: Columns,
    visible: VisibleEvents,
    journey: JourneyMap,
    settings: FeatureSettings,
    state: State,
) -> None:
    """Write every column for every row."""
    exposure, micro = journey.kinds == EXPOSURE, journey.kinds == MICRO
    spans = window_spans(settings)
    _fill(out, *event_arrays(visible), exposure, micro, HUMAN_THRESHOLD, spans, DAY)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(  # type: ignore[no-untyped-def]
    out, as_of, start, end, time, step, human_probability, exposure, micro, person, spans, day
):
    """Walk each history backwards: unanswered is what is met before the first act."""
    n_spans = len(spans)
    shown = np.empty(n_spans + 1)
    done = np.empty(n_spans + 1)
    for r in range(len(as_of)):
        w, unanswered, answered = 0, 0.0, False
        latest = np.nan
        shown[:], done[:] = 0, 0
        for i in range(end[r] - 1, start[r] - 1, -1):
            s = step[i]
            age = as_of[r] - time[i]
            while w < n_spans and age > spans[w]:
                w += 1
            if exposure[s]:
                shown[w] += human_probability[i]
                if not answered:
                    unanswered += human_probability[i]
                if np.isnan(latest) and human_probability[i] >= person:
                    latest = age / day
            elif micro[s]:
                done[w] += human_probability[i]
                answered = answered or human_probability[i] >= person
        exposures, acts = 0.0, 0.0
        for w in range(n_spans + 1):
            exposures += shown[w]
            acts += done[w]
            out[w, r] = (acts + 0.5) / (exposures + 1) if exposures > 0 else np.nan
        out[n_spans + 1, r] = unanswered
        out[n_spans + 2, r] = latest
