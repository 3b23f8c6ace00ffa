"""Exposure: how a prospect responded to what it was sent or shown.

The number of exposures is ``counts.kind=exposure``. As in `counts`, exposures and
micro events count as the probability that a person was behind them (`human_probability`).

============================  ====================================================
``exposure.response.30d``     (micro events + 1/2) / (exposures + 1) in the window;
                              nan without an exposure there. The half keeps one
                              response to one email from ranking above eight to ten.
``exposure.unanswered.ever``  exposures after the prospect's latest action (a micro
                              event with `human_probability` of at least one half), all of them
                              if there is none
``exposure.days.last``        days since the latest exposure with `human_probability` of at least
                              one half; nan without one
============================  ====================================================
"""

from __future__ import annotations

import numpy as np
from numba import njit

from microconv.features.family import Columns, Family, Spec, event_arrays
from microconv.histories.arrays import DAY, VisibleEvents
from microconv.journey import EXPOSURE, MICRO
from microconv.storage.schema import HUMAN_THRESHOLD


def _names(spec: Spec) -> list[str]:
    return [
        *(f"exposure.response.{window}" for window in spec.windows),
        "exposure.unanswered.ever",
        "exposure.days.last",
    ]


def _fill(out: Columns, visible: VisibleEvents, spec: Spec) -> None:
    exposure, micro = spec.journey.kinds == EXPOSURE, spec.journey.kinds == MICRO
    _kernel(out, *event_arrays(visible), exposure, micro, HUMAN_THRESHOLD, spec.spans, DAY)


FAMILY = Family(_names, _fill)


@njit(cache=True, nogil=True, error_model="numpy")
def _kernel(  # type: ignore[no-untyped-def]
    out, as_of, start, end, time, step, human_probability, exposure, micro, person, spans, day
):
    """Walk each history backwards: exposures found before an action are unanswered."""
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
        exposures, actions = 0.0, 0.0
        for w in range(n_spans + 1):
            exposures += shown[w]
            actions += done[w]
            out[w, r] = (actions + 0.5) / (exposures + 1) if exposures > 0 else np.nan
        out[n_spans + 1, r] = unanswered
        out[n_spans + 2, r] = latest
